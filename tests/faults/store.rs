//! Where the service keeps what was said.

#[path = "../redis/server.rs"]
#[expect(dead_code, reason = "other tests do more with a server than these")]
mod server;

pub(crate) use server::RedisServer;

use crate::relay::Relay;

/// A store.
pub(crate) enum Store {
    /// The file in the service's data folder.
    Embedded,
    /// A Redis of the test's own, which writes everything to disk before it answers, and the way to it
    /// where that can be made bad.
    Redis(Box<RedisServer>, Option<Relay>),
}

impl Store {
    /// A Redis that was just started.
    pub(crate) fn redis() -> Self {
        let durable = ["--appendonly", "yes", "--appendfsync", "always"];
        Self::Redis(Box::new(RedisServer::start(&durable)), None)
    }

    /// The same behind a way that can be made bad.
    pub(crate) async fn far_redis() -> Self {
        let Self::Redis(server, _) = Self::redis() else { unreachable!() };
        let relay = Relay::before(server.address()).await;
        Self::Redis(server, Some(relay))
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded store",
            Self::Redis(..) => "Redis",
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
            Self::Redis(server, relay) => {
                let address = relay.as_ref().map_or(server.address(), |relay| relay.address);
                vec![
                    ("ANIMA__HISTORY__STORE", "redis".to_owned()),
                    ("ANIMA__HISTORY__REDIS__URL", format!("redis://{address}")),
                    // What a killed service was answering is left to it for so long.
                    ("ANIMA__HISTORY__REDIS__LEASE_MS", "1000".to_owned()),
                ]
            }
        }
    }

    /// The server of the store, and the way to it.
    pub(crate) fn parts(&mut self) -> (&mut RedisServer, Option<&Relay>) {
        match self {
            Self::Embedded => panic!("it has no server of its own"),
            Self::Redis(server, relay) => (server, relay.as_ref()),
        }
    }
}
