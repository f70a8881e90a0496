//! `anima providers`: how the providers of a running service are doing, as a live table.

mod table;

use std::{
    io::{IsTerminal, Write},
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, bail};
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::{signal::ctrl_c, time::sleep};

use crate::settings::Settings;

/// How long a service may take to tell.
const DEADLINE: Duration = Duration::from_secs(3);

/// How often the table is written anew.
const REFRESH: Duration = Duration::from_secs(1);

/// What to show, and how.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Show the table once, as is done where it does not go to a terminal.
    #[arg(long)]
    once: bool,
    /// Show what the service tells, as JSON.
    #[arg(long)]
    json: bool,
}

/// Shows how the providers of the service that `settings` describe are doing; on a terminal again and
/// again, until Ctrl-C.
///
/// # Errors
/// When no service listens there, or it does not tell.
pub async fn show(options: &Options, settings: &Settings) -> anyhow::Result<()> {
    let service = Service::of(settings)?;
    let mut out = std::io::stdout();
    if options.json {
        return Ok(writeln!(out, "{:#}", service.ask().await?)?);
    }
    if options.once || !out.is_terminal() {
        return Ok(write!(out, "{}", table::render(&service.ask().await?))?);
    }
    let mut last = table::render(&service.ask().await?);
    // A screen of its own, so that the terminal is afterwards what it was before.
    write!(out, "\u{1b}[?1049h")?;
    let watched = async {
        loop {
            write!(out, "\u{1b}[H\u{1b}[2J{last}\nCtrl-C ends.\n")?;
            out.flush()?;
            sleep(REFRESH).await;
            last = table::render(&service.ask().await?);
        }
    };
    let ended = tokio::select! {
        ended = watched => ended,
        pressed = ctrl_c() => Ok(pressed?),
    };
    let mut out = std::io::stdout();
    write!(out, "\u{1b}[?1049l{last}")?;
    ended
}

/// A running service.
struct Service {
    address: SocketAddr,
    client: reqwest::Client,
    key: Option<SecretString>,
}

impl Service {
    fn of(settings: &Settings) -> anyhow::Result<Self> {
        let server = &settings.server;
        // A service that is bound to every address is asked on this machine's own.
        let host =
            if server.host.is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { server.host };
        let client = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build()?;
        let address = SocketAddr::new(host, server.port);
        Ok(Self { address, client, key: settings.admin_key()? })
    }

    async fn ask(&self) -> anyhow::Result<Value> {
        let Self { address, client, key } = self;
        let mut request = client.get(format!("http://{address}/admin/providers"));
        if let Some(key) = key {
            request = request.bearer_auth(key.expose_secret());
        }
        let answer = request.send().await;
        let answer = match answer.map_err(reqwest::Error::without_url) {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => bail!(
                "no service listens on {address}; start one with `anima serve`, or name its port with --port"
            ),
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("the service on {address} does not tell"));
            }
        };
        let status = answer.status();
        let told: Value = answer
            .json()
            .await
            .with_context(|| format!("what listens on {address} is no Anima"))?;
        match told["error"]["message"].as_str() {
            Some(message) => bail!("the service on {address} does not tell: {message}"),
            None if !status.is_success() => bail!("the service on {address} answers {status}"),
            None => Ok(told),
        }
    }
}
