//! What a service stands on: its ports, its store, and whoever takes its traces.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    time::Duration,
};

use rustix::fs::statvfs;
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};

use super::{Finding, machine::size};
use crate::{
    app::open_redis,
    settings::{Settings, StoreKind},
};

/// How long something on the network may take to answer.
const DEADLINE: Duration = Duration::from_secs(3);

/// Less free space than this is worth a word, in bytes.
const LITTLE_SPACE: u64 = 1 << 30;

/// So little that writing soon fails, in bytes.
const NO_SPACE: u64 = 64 << 20;

/// Whether each port is free, or Anima's already.
pub(super) async fn ports(settings: &Settings) -> Vec<Finding> {
    let server = &settings.server;
    let first = SocketAddr::new(server.host, server.port);
    let mut findings = Vec::new();
    for address in std::iter::once(first).chain(server.listen.iter().copied()) {
        let name = format!("port {}", address.port());
        findings.push(match TcpListener::bind(address) {
            Ok(_) => Finding::ok(&name, format!("free on {}", address.ip())),
            Err(_) if is_anima(address).await => {
                Finding::ok(&name, format!("Anima runs there, on {}", address.ip()))
            }
            Err(error) => Finding::failure(
                &name,
                format!("cannot listen on {address}: {error}"),
                "end what listens there (`ss -ltnp`), or set server.port",
            ),
        });
    }
    findings
}

/// Whether a service of ours listens on an address.
async fn is_anima(mut address: SocketAddr) -> bool {
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build() else {
        return false;
    };
    let Ok(answer) = client.get(format!("http://{address}/healthz")).send().await else {
        return false;
    };
    answer.json::<Value>().await.is_ok_and(|health| health["status"] == "ok")
}

/// Where conversations are kept.
pub(super) async fn store(settings: &Settings) -> Vec<Finding> {
    match settings.history.store {
        StoreKind::Embedded => {
            let folder = settings.resolve(&settings.history.data);
            vec![folder_for_data(&folder)]
        }
        StoreKind::Redis => vec![redis(settings).await],
    }
}

fn folder_for_data(folder: &Path) -> Finding {
    let name = "store";
    // It is made at the first start; until then its nearest parent says what is possible.
    let there = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    if let Err(error) = tempfile_in(there) {
        return Finding::failure(
            name,
            format!("{} cannot be written: {error}", there.display()),
            "let the user of the service own the folder, or set history.data",
        );
    }
    let Ok(space) = statvfs(there) else { return Finding::ok(name, folder.display().to_string()) };
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let message = format!("{}, {} free", folder.display(), size(free));
    let advice = "make room: what is accepted has to be written, and is refused when it cannot be";
    match free {
        0..NO_SPACE => Finding::failure(name, message, advice),
        NO_SPACE..LITTLE_SPACE => Finding::warning(name, message, advice),
        _ => Finding::ok(name, message),
    }
}

/// Writes a file and takes it away.
fn tempfile_in(folder: &Path) -> std::io::Result<()> {
    let path = folder.join(format!(".anima-doctor-{}", std::process::id()));
    fs::write(&path, b"")?;
    fs::remove_file(path)
}

async fn redis(settings: &Settings) -> Finding {
    let name = "redis";
    let advice = "start Redis, or put history.redis right (docs/redis.md)";
    let store = match open_redis(&settings.history) {
        Ok(store) => store,
        Err(error) => return Finding::failure(name, format!("{error:#}"), advice),
    };
    match timeout(DEADLINE, store.health()).await {
        Ok(Ok(())) => Finding::ok(name, "can be written"),
        Ok(Err(error)) => {
            let reason = std::error::Error::source(&error).map(|source| format!(": {source}"));
            Finding::failure(name, format!("{error}{}", reason.unwrap_or_default()), advice)
        }
        Err(_) => Finding::failure(name, "no answer in 3 s", advice),
    }
}

/// Whoever takes traces.
pub(super) async fn traces(settings: &Settings) -> Option<Finding> {
    let name = "traces";
    let endpoint = settings.telemetry.otlp_endpoint.as_ref()?;
    let advice = "start the collector, or take telemetry.otlp_endpoint out; turns go on without it";
    let Ok(url) = reqwest::Url::parse(endpoint) else {
        return Some(Finding::failure(name, "telemetry.otlp_endpoint is no address", advice));
    };
    let (host, port) =
        (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(4318));
    let connected = timeout(DEADLINE, TcpStream::connect((host, port))).await;
    Some(match connected {
        Ok(Ok(_)) => Finding::ok(name, format!("{host}:{port} listens")),
        Ok(Err(error)) => Finding::warning(name, format!("{host}:{port}: {error}"), advice),
        Err(_) => Finding::warning(name, format!("{host}:{port} does not answer"), advice),
    })
}
