//! The history in Redis, which several processes of the service may share.
//!
//! ```text
//! begin, finish, … ─▶ one Lua function each, atomic for the session ─▶ answers
//! begin, finish, … ─▶ index of sessions, a moment later and in one batch for all
//! ```
//!
//! Everything of a session is in one hash slot. Whoever answers a turn holds a lease on it: as long
//! as that is renewed, no other process answers the same turn. A *new* turn of the session, at
//! whichever process, ends it.
//!
//! What was acknowledged is as durable as the Redis behind it: see `docs/redis.md`.

mod begin;
mod call;
mod fault;
mod index;
mod keys;
mod link;
mod operations;
mod rows;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use secrecy::SecretString;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use uuid::Uuid;

use self::call::Call;
use self::fault::Fault;
use self::index::Index;
use self::keys::Keys;
use self::link::{Link, Request};
use super::HistoryError;

/// Where a [`RedisStore`] is, and how much it keeps.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// `redis://[user:password@]host[:port][/database]`, `rediss://…` for TLS, or
    /// `redis+unix:///path`.
    pub url: SecretString,
    /// The user, where it is not in the address.
    pub username: Option<String>,
    /// The password, where it is not in the address.
    pub password: Option<SecretString>,
    /// What every key begins with.
    pub prefix: String,
    /// How long a call may take, with everything that belongs to it.
    pub deadline: Duration,
    /// How long a turn is left to the process that answers it without a sign of life.
    pub lease: Duration,
    /// Sessions that were not used for so long are forgotten.
    pub ttl: Duration,
    /// How many exchanges of a session are kept; the oldest make way. At least one is.
    pub max_exchanges: u64,
}

/// Keeps sessions in Redis.
///
/// An operation that was begun is done even when its caller goes away.
pub struct RedisStore {
    link: Arc<Link>,
    keys: Keys,
    index: Arc<Index>,
    /// Tells this process from the others.
    owner: String,
    lease: Duration,
    ttl: Duration,
    max_exchanges: u64,
    housekeeping: JoinHandle<()>,
}

impl RedisStore {
    /// A store that connects when it is first used; it need not be reachable yet. Must be called on
    /// the runtime that its connection is to live on.
    ///
    /// # Errors
    /// [`HistoryError::Unavailable`] when the address cannot be one.
    pub fn open(options: &RedisOptions) -> Result<Self, HistoryError> {
        let keys = Keys::new(&options.prefix);
        let link = Link::new(options, &keys, Handle::current())?;
        let index = Arc::new(Index::new(Arc::clone(&link), keys.clone(), options.ttl));
        // Aborted when the store is dropped.
        let housekeeping = tokio::spawn(Arc::clone(&index).keep());
        Ok(Self {
            link,
            keys,
            index,
            owner: Uuid::new_v4().simple().to_string(),
            lease: options.lease,
            ttl: options.ttl,
            max_exchanges: options.max_exchanges,
            housekeeping,
        })
    }

    /// Runs a function in Redis.
    async fn run(&self, call: Call) -> Result<Value, Fault> {
        self.link.ask(Request::Script(call.into())).await
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.housekeeping.abort();
    }
}
