//! The arms in Python. Each is a file in `arms/` (`LiteLLM` a command of its own), run by the Python
//! that has its packages, with one worker.

use std::{fmt::Write, fs, path::PathBuf};

use anyhow::Context;

use super::{Arm, Name, roll::Ground};
use crate::{
    client::Speech,
    process::{self, Group},
    redis::free_address,
};

/// Prints each of the packages named with its version, or `-` where it is missing.
const VERSIONS: &str = "
import sys
from importlib import metadata
for name in sys.argv[1:]:
    try:
        print(name, metadata.version(name))
    except metadata.PackageNotFoundError:
        print(name, '-')
";

/// What an arm consists of.
struct Recipe {
    packages: &'static [&'static str],
    /// The file in `arms/`; nothing for `LiteLLM`.
    file: Option<&'static str>,
    speech: Speech,
}

fn recipe(name: Name) -> Recipe {
    let server = |packages, file, speech| Recipe { packages, file: Some(file), speech };
    match name {
        Name::Httpx => server(
            &["fastapi", "uvicorn", "uvloop", "httptools", "httpx"],
            "proxy_httpx.py",
            Speech::Completions,
        ),
        Name::Aiohttp => server(
            &["fastapi", "uvicorn", "uvloop", "httptools", "aiohttp"],
            "proxy_aiohttp.py",
            Speech::Completions,
        ),
        Name::Linly => server(
            &["fastapi", "uvicorn", "uvloop", "httptools", "httpx"],
            "linly_repaired.py",
            Speech::Linly,
        ),
        Name::TurnFastapi => server(
            &["fastapi", "uvicorn", "uvloop", "websockets", "aiohttp", "redis", "hiredis"],
            "turn.py",
            Speech::Turn,
        ),
        _ => Recipe {
            packages: &["litellm", "uvicorn", "uvloop", "fastapi", "backoff"],
            file: None,
            speech: Speech::Completions,
        },
    }
}

/// What an arm lacks; nothing when all of it is here.
pub(super) fn missing(name: Name, ground: &Ground) -> Option<String> {
    let python = ground.python.display();
    let Ok(versions) = versions(name, ground) else {
        return Some(format!("{python} does not run"));
    };
    let missing: Vec<_> = versions.lines().filter_map(|line| line.strip_suffix(" -")).collect();
    let reason = || format!("{} is not installed for {python}", missing.join(", "));
    (!missing.is_empty()).then(reason)
}

/// Starts one whose packages are here.
pub(super) fn start(name: Name, ground: &Ground, redis: Option<&str>) -> anyhow::Result<Arm> {
    let recipe = recipe(name);
    let home = ground.home.join(format!("{name:?}"));
    fs::create_dir_all(&home)?;
    let address = free_address()?;
    let port = address.port().to_string();
    let mut command = if let Some(file) = recipe.file {
        let mut command = process::on(ground.pinning.arm(), &ground.python);
        command.arg(ground.root.join("tests/bench/gateway/arms").join(file)).arg(&port);
        command
    } else {
        let beside: PathBuf = ground.python.with_file_name("litellm");
        let mut command = process::on(ground.pinning.arm(), &beside);
        let config = home.join("config.yaml");
        fs::write(&config, litellm(&ground.upstream))?;
        command.arg("--config").arg(config).args(["--host", "127.0.0.1", "--port", &port]);
        command.args(["--num_workers", "1", "--telemetry", "False"]);
        command
            .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
            .env("LITELLM_LOG", "ERROR")
            .env("LITELLM_MODE", "PRODUCTION");
        command
    };
    command.env("BENCH_UPSTREAM", &ground.upstream).env("PYTHONDONTWRITEBYTECODE", "1");
    if let Some(url) = redis {
        command.env("BENCH_REDIS", url);
    }
    command.current_dir(&home);
    let log = home.join("log");
    let group = Group::start(&mut command, &log)?;
    let made_of = versions(name, ground)?.lines().fold(String::new(), |mut all, line| {
        // Writing to a string does not fail.
        let _ = write!(all, "{}{line}", if all.is_empty() { "" } else { ", " });
        all
    });
    Ok(Arm { name, speech: recipe.speech, address, made_of, group: Some(group), log })
}

fn versions(name: Name, ground: &Ground) -> anyhow::Result<String> {
    let arguments: Vec<_> = ["-c", VERSIONS].iter().chain(recipe(name).packages).copied().collect();
    process::said(&ground.python, &arguments).context("asking for versions")
}

/// `LiteLLM`'s configuration: nothing that it could leave out.
fn litellm(upstream: &str) -> String {
    format!(
        "model_list:\n  - model_name: bench\n    litellm_params:\n      model: openai/bench\n      \
         api_base: {upstream}\n      api_key: none\nlitellm_settings:\n  num_retries: 0\n  \
         callbacks: []\n  drop_params: true\n  telemetry: false\n"
    )
}
