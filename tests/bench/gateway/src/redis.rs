//! A Redis for the arms that keep conversations, on the rig's processor.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::Command,
};

use anyhow::Context;

use crate::process::Group;

/// When Redis puts on the disk what it acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// Every second, its own default.
    EverySecond,
    /// Before it acknowledges.
    Always,
}

/// A running server, with its data in a folder that outlives it.
#[derive(Debug)]
pub(crate) struct Redis {
    address: SocketAddr,
    pub(crate) sync: Sync,
    _group: Group,
}

impl Redis {
    /// Starts a server with an append-only file in `folder`.
    pub(crate) fn start(folder: &Path, sync: Sync) -> anyhow::Result<Self> {
        let folder = folder.join(match sync {
            Sync::EverySecond => "redis-everysec",
            Sync::Always => "redis-always",
        });
        std::fs::create_dir_all(&folder)?;
        let address = free_address()?;
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync"])
            .arg(if sync == Sync::Always { "always" } else { "everysec" })
            .arg("--dir")
            .arg(&folder);
        // It inherits the rig's processor.
        let group = Group::start(&mut command, &folder.join("log"))?;
        Ok(Self { address, sync, _group: group })
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// What `redis-server` says of itself; nothing where there is none.
    pub(crate) fn version() -> Option<String> {
        let output = Command::new("redis-server").arg("--version").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        text.split_whitespace().find_map(|word| word.strip_prefix("v=").map(str::to_owned))
    }
}

/// An address that nobody listens on at present.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?)
}
