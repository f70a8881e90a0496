//! The one thread that writes.
//!
//! It takes whatever is queued, does all of it in one transaction, commits that durably, and only
//! then answers: a hundred callers wait for one fsync and not for a hundred.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::clock::Clock;
use super::fault::{Failure, Fault};
use super::job::Job;
use super::retention::sweep;
use super::slot::Slot;
use super::tables::Tables;

/// Most operations of one transaction.
const BATCH: usize = 256;

/// How often sessions that are too old are looked for.
const SWEEP_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// How often opening the database is tried after an error.
const REOPEN_EVERY: Duration = Duration::from_secs(1);

/// How a transaction ended that was not committed.
enum Undone {
    /// Before the commit: nothing of it was written, and some of its operations may be good.
    Before(Failure),
    /// In the commit: nobody knows whether it was written.
    Within(Failure),
}

impl From<Failure> for Undone {
    fn from(failure: Failure) -> Self {
        Self::Before(failure)
    }
}

/// Does the jobs.
pub(super) struct Writer {
    slot: Arc<Slot>,
    clock: Clock,
    ttl: Duration,
    swept_at: Timestamp,
    committed_at: Option<Instant>,
    /// The last fence that was committed.
    fence: u64,
    /// Whether the database has to be opened again.
    broken: bool,
    /// When that was last tried.
    reopened_at: Option<Instant>,
}

impl Writer {
    pub(super) fn new(slot: Arc<Slot>, mut clock: Clock, ttl: Duration) -> Self {
        let swept_at = clock.tick();
        Self {
            slot,
            clock,
            ttl,
            swept_at,
            committed_at: None,
            fence: 0,
            broken: false,
            reopened_at: None,
        }
    }

    /// Does jobs until no more can come, and all that have come.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut batch = vec![first];
            while batch.len() < BATCH
                && let Ok(job) = jobs.try_recv()
            {
                batch.push(job);
            }
            self.write(batch);
        }
    }

    /// Does a batch and answers each caller; an operation that fails fails alone.
    fn write(&mut self, mut batch: Vec<Box<dyn Job>>) {
        match self.commit(&mut batch) {
            Ok(()) => batch.into_iter().for_each(|job| job.answer(None)),
            Err(Undone::Before(_)) if batch.len() > 1 => {
                for job in batch {
                    self.write(vec![job]);
                }
            }
            Err(Undone::Before(failure)) => tell(batch, &failure, Fault::Unwritten),
            Err(Undone::Within(failure)) => tell(batch, &failure, Fault::Unacknowledged),
        }
    }

    /// Does a batch in one transaction, whatever becomes of it.
    fn commit(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), Undone> {
        self.recover()?;
        let ended = catch_unwind(AssertUnwindSafe(|| self.transact(batch)));
        let ended = ended.unwrap_or_else(|_| {
            Err(Undone::Within(Failure::Storage("the storage failed in an unforeseen way".into())))
        });
        match &ended {
            Ok(()) | Err(Undone::Before(Failure::Refused(_))) => {}
            Err(
                Undone::Before(Failure::Damaged(reason)) | Undone::Within(Failure::Damaged(reason)),
            ) => {
                warn!(%reason, "A row of the history makes no sense");
            }
            Err(Undone::Before(failure) | Undone::Within(failure)) => {
                error!(reason = reason(failure), "The history cannot be written");
                self.broken = true;
                self.committed_at = None;
            }
        }
        ended
    }

    fn transact(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), Undone> {
        let database =
            self.slot.database().ok_or_else(|| Failure::Storage(Box::new(Fault::Reopening)))?;
        let transaction = database.begin_write().map_err(Failure::from)?;
        let (changed, fence) = {
            let mut tables = Tables::open(&transaction)?;
            tables.now = self.clock.tick();
            tables.committed_at = self.committed_at;
            self.sweep(&mut tables)?;
            for job in batch {
                tables.now = self.clock.tick();
                job.apply(&mut tables)?;
            }
            (tables.changed, tables.fence()?)
        };
        if !changed {
            return Ok(transaction.abort().map_err(Failure::from)?);
        }
        transaction.commit().map_err(|error| Undone::Within(error.into()))?;
        self.committed_at = Some(Instant::now());
        self.fence = fence;
        Ok(())
    }

    /// Forgets what is too old, once in a while.
    fn sweep(&mut self, tables: &mut Tables<'_>) -> Result<(), Failure> {
        if tables.now.duration_since(self.swept_at) >= SWEEP_EVERY && sweep(tables, self.ttl)? {
            self.swept_at = tables.now;
        }
        Ok(())
    }

    /// Opens the database again after an error, not too often.
    fn recover(&mut self) -> Result<(), Failure> {
        if !self.broken {
            return Ok(());
        }
        if self.reopened_at.is_some_and(|time| time.elapsed() < REOPEN_EVERY) {
            return Err(Failure::Storage(Box::new(Fault::Reopening)));
        }
        self.reopened_at = Some(Instant::now());
        catch_unwind(AssertUnwindSafe(|| self.slot.reopen(self.fence)))
            .unwrap_or_else(|_| Err(Failure::Storage("the storage cannot be opened".into())))?;
        self.broken = false;
        info!("The history can be written again");
        Ok(())
    }
}

/// Tells every caller what went wrong.
fn tell(batch: Vec<Box<dyn Job>>, failure: &Failure, fault: impl Fn(String) -> Fault) {
    for job in batch {
        job.answer(Some(fault(reason(failure))));
    }
}

/// What went wrong, in words.
fn reason(failure: &Failure) -> String {
    match failure {
        Failure::Refused(error) => error.to_string(),
        Failure::Damaged(error) | Failure::Storage(error) => error.to_string(),
    }
}
