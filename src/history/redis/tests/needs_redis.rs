//! The contract of every store, and what is this one's own.

mod damage;
mod keeping;
mod kills;
mod leases;
mod outage;

use std::time::Duration;

use uuid::Uuid;

use super::server::RedisServer;
use crate::history::contract::check_contract;
use crate::history::redis::{RedisOptions, RedisStore};

/// Exchanges that a session keeps.
const MOST_EXCHANGES: usize = 1000;

check_contract!(store_of_its_own);

/// A store in the shared Redis that nobody else is in.
async fn store_of_its_own() -> RedisStore {
    open_at(&RedisServer::shared().url())
}

/// A store whose keys are nobody else's.
fn open_at(url: &str) -> RedisStore {
    RedisStore::open(&options(url)).unwrap()
}

fn options(url: &str) -> RedisOptions {
    RedisOptions {
        url: url.into(),
        username: None,
        password: None,
        prefix: Uuid::new_v4().simple().to_string(),
        deadline: Duration::from_millis(600),
        lease: Duration::from_secs(10),
        ttl: Duration::from_hours(24),
        max_exchanges: MOST_EXCHANGES as u64,
    }
}

/// What went wrong, down to its source.
fn explain(error: &crate::history::HistoryError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
