//! The history in one file of this machine.
//!
//! ```text
//! begin, finish, … ─▶ queue ─▶ writer thread: one transaction for all that wait, one fsync ─▶ answers
//! recent, list, …  ─▶ a view of what was committed last, on a thread that may block
//! ```
//!
//! The file belongs to one process at a time. What was acknowledged survives a crash and a loss of
//! power; a turn that was being answered then is [`ExchangeState::Incomplete`] afterwards.
//!
//! [`ExchangeState::Incomplete`]: super::ExchangeState::Incomplete

mod begin;
mod clock;
mod fault;
mod file;
mod finish;
mod job;
mod load;
mod operations;
mod retention;
mod schema;
mod slot;
mod tables;
#[cfg(test)]
mod tests;
mod usage;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::Timestamp;
use redb::ReadTransaction;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::spawn_blocking;

use self::clock::{Clock, TimeSource};
use self::fault::{Failure, Fault};
use self::job::{Change, Job};
use self::slot::{Opener, Slot};
use self::tables::Tables;
use self::writer::Writer;
use super::HistoryError;

/// How much an [`EmbeddedStore`] keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbeddedOptions {
    /// Sessions that were not used for so long are forgotten.
    pub ttl: Duration,
    /// How many exchanges of a session are kept; the oldest make way. At least one is.
    pub max_exchanges: u64,
    /// How many operations may wait to be written; more are refused as
    /// [`HistoryError::Overloaded`].
    pub queue: usize,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self { ttl: Duration::from_hours(7 * 24), max_exchanges: 1000, queue: 1024 }
    }
}

/// Keeps sessions in one file.
///
/// An operation that was queued is done even when its caller goes away. Dropping the store writes
/// what is queued and then lets go of the file; it blocks for as long as that takes.
pub struct EmbeddedStore {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    writer: Option<JoinHandle<()>>,
    slot: Arc<Slot>,
    max_exchanges: u64,
}

impl EmbeddedStore {
    /// Opens the history file at `path`, and makes it and its folder where they are not there.
    ///
    /// Reads the whole file when the service did not end in order the last time.
    ///
    /// # Errors
    /// [`HistoryError::Unavailable`], whose source says what is to be done: the file is in use by
    /// another process, was written by a newer version, is damaged or something else altogether,
    /// or cannot be read and written.
    pub fn open(path: &Path, options: EmbeddedOptions) -> Result<Self, HistoryError> {
        let name = path.display().to_string();
        let path = PathBuf::from(path);
        Self::start(&name, Box::new(move || file::open(&path)), options, Arc::new(Timestamp::now))
    }

    fn start(
        name: &str,
        opener: Opener,
        options: EmbeddedOptions,
        time: TimeSource,
    ) -> Result<Self, HistoryError> {
        let mut clock = Clock::new(time);
        let slot = Arc::new(Slot::open(opener, name, &mut clock, options.ttl)?);
        let (jobs, queue) = mpsc::channel(options.queue.max(1));
        let writer = Writer::new(Arc::clone(&slot), clock, options.ttl);
        let writer = thread::Builder::new()
            .name("history".to_owned())
            .spawn(move || writer.run(queue))
            .map_err(|error| HistoryError::Unavailable(Box::new(error)))?;
        Ok(Self {
            jobs: Some(jobs),
            writer: Some(writer),
            slot,
            max_exchanges: options.max_exchanges,
        })
    }

    /// Has the writer do `operation`, and waits until that is durable.
    async fn write<T: Send + 'static>(
        &self,
        operation: impl Fn(&mut Tables<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let (change, answer) = Change::new(operation);
        let jobs = self.jobs.as_ref().ok_or(Fault::Closed)?;
        jobs.try_send(Box::new(change)).map_err(|error| match error {
            TrySendError::Full(_) => HistoryError::Overloaded,
            TrySendError::Closed(_) => Fault::Closed.into(),
        })?;
        answer.await.unwrap_or_else(|_| Err(Fault::Closed.into()))
    }

    /// Reads from what has been committed.
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&ReadTransaction) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let slot = Arc::clone(&self.slot);
        let answer = spawn_blocking(move || query(&slot.read()?));
        Ok(answer.await.map_err(|error| HistoryError::Unavailable(Box::new(error)))??)
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            // The writer catches what its jobs may do; there is nobody left to tell of more.
            drop(writer.join());
        }
        self.slot.close();
    }
}
