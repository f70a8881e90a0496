//! `anima doctor`: looks whether a service would run well here, and says what to do where it would not.
//!
//! Nothing is changed and no model is loaded. Servers of models are asked for one short answer, which
//! is the only way to know that key, model and network are as they should be; `--no-calls` leaves that
//! out.

mod machine;
mod page;
mod providers;
mod service;

use std::io::{IsTerminal, Write};

use clap::Args;
use serde::Serialize;
use serde_json::json;

use crate::{
    access::Gate,
    settings::{Settings, SettingsError},
    turn::prompt::Prompts,
};

/// How to look.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Tell what was found as JSON.
    #[arg(long)]
    json: bool,
    /// Ask no server of a model.
    #[arg(long)]
    no_calls: bool,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should be.
    Ok,
    /// A service runs all the same.
    Warning,
    /// A service would not start, or would answer nobody.
    Failure,
}

/// What was found about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub name: String,
    /// How it is.
    pub status: Status,
    /// What was found.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    fn new(name: &str, status: Status, message: impl Into<String>) -> Self {
        Self { name: name.to_owned(), status, message: message.into(), advice: None }
    }

    fn ok(name: &str, message: impl Into<String>) -> Self {
        Self::new(name, Status::Ok, message)
    }

    fn warning(name: &str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..Self::new(name, Status::Warning, message) }
    }

    fn failure(name: &str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..Self::new(name, Status::Failure, message) }
    }
}

/// Looks at everything, tells what was found, and whether a service would run.
///
/// # Errors
/// When it would not, or nothing can be told.
pub async fn run(
    options: &Options,
    settings: Result<Settings, SettingsError>,
) -> anyhow::Result<()> {
    let findings = look(options, settings).await;
    let mut out = std::io::stdout();
    let count = |status| findings.iter().filter(|finding| finding.status == status).count();
    let (failures, warnings) = (count(Status::Failure), count(Status::Warning));
    if options.json {
        let report = json!({
            "ok": failures == 0, "failures": failures, "warnings": warnings, "findings": findings,
        });
        writeln!(out, "{report:#}")?;
    } else {
        write!(out, "{}", page::render(&findings, out.is_terminal()))?;
    }
    if failures > 0 {
        anyhow::bail!(
            "a service would not run well here; {failures} of {} need work",
            findings.len()
        );
    }
    Ok(())
}

async fn look(options: &Options, settings: Result<Settings, SettingsError>) -> Vec<Finding> {
    let mut findings = Vec::new();
    match settings {
        Ok(settings) => {
            let (folder, profile) = (settings.source.folder.display(), &settings.source.profile);
            findings.push(Finding::ok("configuration", format!("{folder}, profile {profile}")));
            findings.push(access(&settings));
            findings.push(prompts(&settings));
            findings.extend(service::ports(&settings).await);
            findings.extend(service::store(&settings).await);
            findings.extend(service::traces(&settings).await);
            findings.extend(providers::look(&settings, !options.no_calls).await);
            findings.extend(machine::files(&settings.server));
        }
        Err(error) => {
            let advice =
                "put it right in the file or variable, and see config/base.toml for what there is";
            findings.push(Finding::failure("configuration", error.to_string(), advice));
        }
    }
    findings.extend(machine::look().await);
    findings
}

/// Who gets in, and whether that is meant.
fn access(settings: &Settings) -> Finding {
    let name = "access";
    let advice = "put the key where the settings look for it; `openssl rand -hex 32` makes one";
    if let Err(error) = Gate::new(settings) {
        return Finding::failure(name, error.to_string(), advice);
    }
    if let Err(error) = settings.admin_key() {
        return Finding::failure(name, error.to_string(), advice);
    }
    let server = &settings.server;
    let mut hosts = server.listen.iter().map(std::net::SocketAddr::ip).chain([server.host]);
    let open = hosts.any(|host| !host.is_loopback());
    match settings.keys.len() {
        0 if open => Finding::warning(
            name,
            "whoever reaches the port gets in, without a key",
            "add [keys.NAME], or let a proxy before it check who calls",
        ),
        0 => Finding::ok(name, "this machine only, without keys"),
        keys if settings.access.anonymous => {
            Finding::ok(name, format!("{keys} keys, and callers without one"))
        }
        keys => Finding::ok(name, format!("{keys} keys; nobody gets in without one")),
    }
}

/// The prompts folder, every style of which is rendered for every persona.
fn prompts(settings: &Settings) -> Finding {
    let name = "prompts";
    let folder = settings.resolve(&settings.turn.prompts);
    let loaded = Prompts::load(&folder).and_then(|prompts| {
        prompts.persona(&settings.turn.persona).map(|_| prompts.personas().count())
    });
    match loaded {
        Ok(personas) => Finding::ok(name, format!("{personas} personas in {}", folder.display())),
        Err(error) => {
            let advice = "put the file right, or name another folder or persona in [turn]";
            Finding::failure(name, error.to_string(), advice)
        }
    }
}
