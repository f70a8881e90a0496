//! Services that keep their sessions in Redis. Each test starts what it needs; `make quick` leaves
//! them out.

mod lost;
mod outage;
mod proxy;
mod sharing;
mod without;

#[path = "../redis/server.rs"]
#[expect(dead_code, reason = "other tests do more with a server than these")]
mod server;

use anima::settings::{Settings, StoreKind};
use uuid::Uuid;

use crate::helpers::{Providers, TestApp};
use server::RedisServer;

/// A turn is renewed four times in it, also on a busy machine.
const LEASE_MS: u64 = 2000;

/// A group of keys that nobody else has.
#[derive(Clone)]
struct Place {
    url: String,
    prefix: String,
}

impl Place {
    fn on(server: &RedisServer) -> Self {
        Self { url: server.url(), prefix: Uuid::new_v4().simple().to_string() }
    }

    /// Has a service keep its sessions here.
    fn settle(&self, settings: &mut Settings) {
        settings.history.store = StoreKind::Redis;
        settings.history.redis.url = self.url.as_str().into();
        settings.history.redis.prefix.clone_from(&self.prefix);
        settings.history.redis.lease_ms = LEASE_MS;
    }

    /// A service that keeps its sessions here.
    async fn start(&self, providers: Providers) -> TestApp {
        TestApp::start_with(providers, |settings| self.settle(settings)).await
    }
}
