//! Where the service keeps what was said.

#[path = "../redis/server.rs"]
#[expect(dead_code, reason = "other tests do more with a server than these")]
mod server;

use server::RedisServer;

/// A store.
pub(crate) enum Store {
    /// The file in the service's data folder.
    Embedded,
    /// A Redis of the test's own, which writes everything to disk before it answers.
    Redis(Box<RedisServer>),
}

impl Store {
    /// A Redis that was just started.
    pub(crate) fn redis() -> Self {
        let durable = ["--appendonly", "yes", "--appendfsync", "always"];
        Self::Redis(Box::new(RedisServer::start(&durable)))
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded store",
            Self::Redis(_) => "Redis",
        }
    }

    /// Whether a service finds it as it left it, with nobody else's turns in it: then nothing is
    /// refused, and nothing fails.
    pub(crate) fn is_its_own(&self) -> bool {
        matches!(self, Self::Embedded)
    }

    /// The variables that tell the service about it.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Embedded => Vec::new(),
            Self::Redis(server) => vec![
                ("ANIMA__HISTORY__STORE", "redis".to_owned()),
                ("ANIMA__HISTORY__REDIS__URL", server.url()),
                // What a killed service was answering is left to it for so long.
                ("ANIMA__HISTORY__REDIS__LEASE_MS", "1000".to_owned()),
            ],
        }
    }

    /// Kills the server of the store.
    pub(crate) fn kill(&mut self) {
        match self {
            Self::Embedded => panic!("it has no server of its own"),
            Self::Redis(server) => server.kill(),
        }
    }

    /// Starts it again with what it has on disk.
    pub(crate) fn restart(&mut self) {
        if let Self::Redis(server) = self {
            server.restart();
        }
    }
}
