//! The sessions by their last use, apart from the sessions themselves.
//!
//! A turn does not wait for it: uses are noted here and written in one batch a moment later. It may
//! therefore miss a session after a crash, until that is used again or the next process that starts
//! has looked through the keys; and it may name one that is gone, until somebody lists it.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{FromRedisValue, Value, cmd};
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::call::LIST;
use super::fault::Fault;
use super::keys::Keys;
use super::link::{Link, Request};
use crate::turn::{SessionId, Tenant};

/// How long uses are gathered before they are written.
const GATHER: Duration = Duration::from_millis(20);

/// How long to wait after Redis could not be written.
const RETRY: Duration = Duration::from_secs(1);

/// Most uses that wait to be written; when there are more, the sessions are found at their next use.
const NOTES: usize = 100_000;

/// How many sessions are written at a time.
const BATCH: usize = 500;

/// Keys looked at in one step, and most steps, when a process starts.
const SCAN_COUNT: usize = 1000;
const SCAN_STEPS: usize = 10_000;

/// The index of a store.
pub(super) struct Index {
    link: Arc<Link>,
    keys: Keys,
    ttl: Duration,
    /// Sessions and when they were used, in microseconds; not written yet.
    notes: Mutex<HashMap<String, u64>>,
    noted: Notify,
    /// Whoever writes holds this, so that whoever waits for it finds everything written.
    writing: AsyncMutex<()>,
}

impl Index {
    pub(super) fn new(link: Arc<Link>, keys: Keys, ttl: Duration) -> Self {
        Self {
            link,
            keys,
            ttl,
            notes: Mutex::default(),
            noted: Notify::new(),
            writing: AsyncMutex::default(),
        }
    }

    /// A session was used.
    pub(super) fn note(&self, session: &SessionId, used: u64) {
        self.remember([(session.key().to_owned(), used)]);
        self.noted.notify_one();
    }

    /// A session is gone.
    pub(super) async fn forget(&self, session: &SessionId) -> Result<(), Fault> {
        let _writing = self.writing.lock().await;
        self.notes().remove(session.key());
        self.remove(&session.tenant(), &[session.key().to_owned()]).await
    }

    /// The sessions that a tenant used last: at most `limit` after skipping `skip`. Not all need to be
    /// there.
    pub(super) async fn list(
        &self,
        tenant: &Tenant,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<String>, Fault> {
        self.write().await?;
        let mut call = LIST.prepare_invoke();
        call.key(self.keys.index(tenant)).arg(self.ttl.as_secs()).arg(skip).arg(limit);
        read(self.link.ask(Request::Script(call)).await?)
    }

    /// Takes sessions of a tenant out that are not there.
    pub(super) async fn remove(&self, tenant: &Tenant, sessions: &[String]) -> Result<(), Fault> {
        if sessions.is_empty() {
            return Ok(());
        }
        let mut command = cmd("ZREM");
        command.arg(self.keys.index(tenant)).arg(sessions);
        self.link.ask(Request::Command(command)).await.map(drop)
    }

    /// Writes what is noted, for as long as the store lives.
    pub(super) async fn keep(self: Arc<Self>) {
        while let Err(fault) = self.repair().await {
            debug!(reason = %fault, "The index of sessions could not be repaired yet");
            sleep(RETRY).await;
        }
        loop {
            self.noted.notified().await;
            sleep(GATHER).await;
            if let Err(fault) = self.write().await {
                debug!(reason = %fault, "The index of sessions could not be written yet");
                sleep(RETRY).await;
                self.noted.notify_one();
            }
        }
    }

    /// Writes what is noted now.
    async fn write(&self) -> Result<(), Fault> {
        let _writing = self.writing.lock().await;
        let mut notes: Vec<_> = mem::take(&mut *self.notes()).into_iter().collect();
        while !notes.is_empty() {
            let batch = notes.split_off(notes.len().saturating_sub(BATCH));
            if let Err(fault) = self.add(&batch).await {
                self.remember(notes.into_iter().chain(batch));
                return Err(fault);
            }
        }
        Ok(())
    }

    async fn add(&self, used: &[(String, u64)]) -> Result<(), Fault> {
        let mut indexes: HashMap<String, Vec<&(String, u64)>> = HashMap::new();
        for noted in used {
            // What is no name of a session is none of ours.
            let Ok(session) = SessionId::stored(&noted.0) else { continue };
            indexes.entry(self.keys.index(&session.tenant())).or_default().push(noted);
        }
        for (index, used) in indexes {
            let mut command = cmd("ZADD");
            // A use that comes late does not set the clock back.
            command.arg(index).arg("GT");
            for (session, used) in used {
                command.arg(*used).arg(session);
            }
            self.link.ask(Request::Command(command)).await?;
        }
        Ok(())
    }

    /// Puts sessions in that a crash kept from being written.
    pub(super) async fn repair(&self) -> Result<(), Fault> {
        let mut cursor = "0".to_owned();
        let mut found = 0;
        for _ in 0..SCAN_STEPS {
            let mut command = cmd("SCAN");
            command.arg(&cursor).arg("MATCH").arg(self.keys.any_meta());
            command.arg("COUNT").arg(SCAN_COUNT);
            let (next, metas): (String, Vec<String>) =
                read(self.link.ask(Request::Command(command)).await?)?;
            found += metas.len();
            self.put_back(&metas).await?;
            cursor = next;
            if cursor == "0" {
                info!("{found} sessions are kept in Redis");
                return Ok(());
            }
        }
        warn!(
            "Redis holds more keys than are looked at when the service starts; sessions that a \
             crash kept out of the list come back into it when they are used"
        );
        Ok(())
    }

    async fn put_back(&self, metas: &[String]) -> Result<(), Fault> {
        let mut used = Vec::new();
        for meta in metas {
            let Some(session) = self.keys.session_of(meta) else { continue };
            let mut command = cmd("HGET");
            command.arg(meta).arg("updated");
            match self.link.ask(Request::Command(command)).await {
                Ok(updated) => used.extend(
                    read::<Option<u64>>(updated).ok().flatten().map(|at| (session.to_owned(), at)),
                ),
                // A session that makes no sense must not keep the others out.
                Err(Fault::Damaged(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        if used.is_empty() { Ok(()) } else { self.add(&used).await }
    }

    /// Notes uses, unless too many wait already.
    fn remember(&self, used: impl IntoIterator<Item = (String, u64)>) {
        let mut notes = self.notes();
        for (session, used) in used {
            if notes.len() < NOTES || notes.contains_key(&session) {
                let last = notes.entry(session).or_insert(used);
                *last = used.max(*last);
            }
        }
    }

    fn notes(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read<T: FromRedisValue>(value: Value) -> Result<T, Fault> {
    redis::from_redis_value(value).map_err(|_| Fault::reply("what was asked for"))
}
