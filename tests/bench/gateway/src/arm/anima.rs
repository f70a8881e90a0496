//! Anima as people run it: the release binary with its shipped configuration, one provider of kind
//! `openai` at the mock, and no limit that the clients of this machine would meet.

use std::{fs, path::Path};

use anyhow::{Context, ensure};
use toml::{Table, Value, toml};

use super::{Arm, Name, roll::Ground};
use crate::{
    client::Speech,
    process::{self, Group},
    redis::free_address,
};

/// Starts one with an embedded store, or with `redis`.
pub(super) fn start(name: Name, ground: &Ground, redis: Option<&str>) -> anyhow::Result<Arm> {
    let version = process::said(&ground.anima, &["--version"])
        .with_context(|| format!("{} does not run; build it first", ground.anima.display()))?;
    let home = ground.home.join(format!("{name:?}"));
    fs::create_dir_all(&home)?;
    configure(&home, ground, redis)?;
    let address = free_address()?;
    let mut command = process::on(ground.pinning.arm(), &ground.anima);
    command
        .args(["serve", "--port", &address.port().to_string(), "--profile", "local", "--config"])
        .arg(home.join("config"))
        .arg("--data")
        .arg(home.join("data"));
    // The caller's own settings are not what is measured.
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ANIMA"))
    {
        command.env_remove(name);
    }
    let log = home.join("log");
    let speech = if redis.is_some() { Speech::Turn } else { Speech::Completions };
    let group = Group::start(&mut command, &log)?;
    Ok(Arm { name, speech, address, made_of: version, group: Some(group), log })
}

fn configure(home: &Path, ground: &Ground, redis: Option<&str>) -> anyhow::Result<()> {
    let mut settings: Table = fs::read_to_string(ground.root.join("config/base.toml"))?.parse()?;
    let mut change = |table: &str, changes: Table| {
        let table = settings.get_mut(table).and_then(Value::as_table_mut);
        table.map(|table| table.extend(changes)).context("config/base.toml lacks a table")
    };
    change(
        "server",
        toml! {
            max_connections = 20_000
            max_http_connections = 20_000
            max_turns = 20_000
            messages_per_minute = 1_000_000
        },
    )?;
    change("telemetry", toml! { log = "error" })?;
    let mut turn = toml! { fallback = [] provider = "bench" persona = "companion" };
    turn.insert("prompts".to_owned(), text(&ground.root.join("prompts"))?);
    change("turn", turn)?;
    if let Some(url) = redis {
        change("history", toml! { store = "redis" })?;
        let history = settings.get_mut("history").and_then(Value::as_table_mut);
        let redis = history.and_then(|history| history.get_mut("redis"));
        let redis = redis.and_then(Value::as_table_mut);
        redis.context("no [history.redis]")?.insert("url".to_owned(), Value::from(url));
    }
    let mut provider =
        toml! { kind = "openai" model = "bench" max_concurrent = 20_000 queue = 20_000 };
    provider.insert("base_url".to_owned(), Value::from(ground.upstream.clone()));
    let providers = Table::from_iter([("bench".to_owned(), Value::Table(provider))]);
    ensure!(settings.insert("providers".to_owned(), providers.into()).is_some(), "no providers");
    let folder = home.join("config");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("base.toml"), toml::to_string(&settings)?)?;
    fs::write(folder.join("local.toml"), "")?;
    Ok(())
}

/// A path as a setting.
fn text(path: &Path) -> anyhow::Result<Value> {
    Ok(Value::from(path.to_str().context("the path of the repository is not UTF-8")?))
}
