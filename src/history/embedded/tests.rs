//! Tests of the embedded store: the contract of every store, and what is its own.

mod crash;
mod disk;
mod file;
mod ledger;
mod load;
mod retention;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

use self::disk::Disk;
use super::{EmbeddedOptions, EmbeddedStore};
use crate::history::HistoryError;
use crate::history::contract::check_contract;
use crate::history::embedded::file::open_on;

check_contract!(store_in_memory);

async fn store_in_memory() -> EmbeddedStore {
    Disk::default().open().unwrap()
}

impl Disk {
    /// Opens the store that is on this disk.
    fn open(&self) -> Result<EmbeddedStore, HistoryError> {
        self.open_with(EmbeddedOptions::default())
    }

    fn open_with(&self, options: EmbeddedOptions) -> Result<EmbeddedStore, HistoryError> {
        self.open_at(options, Arc::new(Timestamp::now))
    }

    fn open_at(
        &self,
        options: EmbeddedOptions,
        time: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    ) -> Result<EmbeddedStore, HistoryError> {
        let disk = self.clone();
        EmbeddedStore::start("(memory)", Box::new(move || open_on(disk.mount())), options, time)
    }
}

/// A time of day that a test sets.
#[derive(Clone, Default)]
struct Time(Arc<AtomicI64>);

impl Time {
    fn pass(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    fn source(&self) -> Arc<dyn Fn() -> Timestamp + Send + Sync> {
        let seconds = Arc::clone(&self.0);
        Arc::new(move || {
            Timestamp::from_second(1_800_000_000 + seconds.load(Ordering::SeqCst)).unwrap()
        })
    }
}

/// What went wrong, down to its source.
fn explain(error: &HistoryError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
