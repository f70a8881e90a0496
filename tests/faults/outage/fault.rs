//! What can be wrong with a Redis for a while, and how it is done and undone.

use std::{fs, time::Duration};

use crate::{
    relay::Way,
    size::Size,
    store::{RedisServer, Store},
};

/// Something that is wrong with Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nobody listens (SIGKILL).
    Refused,
    /// It takes connections and answers nothing (SIGSTOP).
    Stalled,
    /// It is a replica.
    ReadOnly,
    /// Its memory is full, and nothing may be dropped.
    OutOfMemory,
    /// It cannot write its snapshot.
    Misconfigured,
    /// Fewer replicas follow it than it needs.
    NoReplicas,
    /// It asks for a password that the service does not have.
    WrongPassword,
    /// Something is wrong on the way.
    OnTheWay(Way),
}

impl Fault {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Refused => "Redis refused (SIGKILL)",
            Self::Stalled => "Redis stalled (SIGSTOP)",
            Self::ReadOnly => "Redis read-only (READONLY)",
            Self::OutOfMemory => "Redis out of memory (OOM)",
            Self::Misconfigured => "Redis without a disk (MISCONF)",
            Self::NoReplicas => "Redis without replicas (NOREPLICAS)",
            Self::WrongPassword => "Redis with another password (NOAUTH)",
            Self::OnTheWay(Way::Hole) => "Redis in a black hole",
            Self::OnTheWay(Way::Slow) => "Redis slow (1 s a command)",
            Self::OnTheWay(Way::Resets) => "Redis reset each 100 commands",
            Self::OnTheWay(Way::Loading) => "Redis loading (LOADING)",
            Self::OnTheWay(Way::Open) => "Redis",
        }
    }

    /// Whether the store cannot be written as long as it lasts.
    pub(crate) fn is_outage(self) -> bool {
        self != Self::OnTheWay(Way::Resets)
    }

    /// How long it lasts.
    pub(crate) fn lasts(self, size: Size) -> Duration {
        let long = size.of(1500, 10_000);
        Duration::from_millis(if self == Self::Stalled { long } else { 1500 } as u64)
    }

    pub(crate) fn begin(self, store: &mut Store) {
        let (server, relay) = store.parts();
        match self {
            Self::Refused => server.kill(),
            Self::Stalled => server.freeze(),
            Self::ReadOnly => well(server, "REPLICAOF 127.0.0.1 1"),
            Self::OutOfMemory => well(server, "CONFIG SET maxmemory 1"),
            Self::NoReplicas => well(server, "CONFIG SET min-replicas-to-write 1"),
            Self::Misconfigured => {
                // A snapshot cannot take the place of a folder.
                fs::create_dir_all(server.path("dump.rdb")).unwrap();
                well(server, "CONFIG SET save \"3600 1000000\"");
                server.command("BGSAVE");
            }
            Self::WrongPassword => {
                well(server, "CONFIG SET requirepass other");
                server.command("AUTH other\r\nCLIENT KILL TYPE normal SKIPME yes");
            }
            Self::OnTheWay(way) => relay.expect("no way to go wrong").set(way),
        }
    }

    pub(crate) fn end(self, store: &mut Store) {
        let (server, relay) = store.parts();
        match self {
            Self::Refused => server.restart(),
            Self::Stalled => server.thaw(),
            Self::ReadOnly => well(server, "REPLICAOF NO ONE"),
            Self::OutOfMemory => well(server, "CONFIG SET maxmemory 0"),
            Self::NoReplicas => well(server, "CONFIG SET min-replicas-to-write 0"),
            Self::Misconfigured => well(server, "CONFIG SET save \"\""),
            Self::WrongPassword => well(server, "AUTH other\r\nCONFIG SET requirepass \"\""),
            Self::OnTheWay(_) => relay.expect("no way to go wrong").set(Way::Open),
        }
    }
}

/// Sends a command that Redis has to take.
fn well(server: &RedisServer, command: &str) {
    let answer = server.command(command);
    assert!(answer.starts_with("+OK") && !answer.contains("-ERR"), "{command}: {answer}");
}
