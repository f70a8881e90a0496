//! What the mock did for each stream, where the client that asked for it can read it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use crate::{
    clock::{self, Stamp},
    script::{Pace, Script},
};

/// What happened to one stream on the side of the model server.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) script: Script,
    pub(crate) text: String,
    /// How often the mock was asked for it.
    requests: AtomicU32,
    received: AtomicU64,
    sent: Box<[AtomicU64]>,
    closed: AtomicU64,
    /// Tokens of all streams.
    all: Arc<AtomicUsize>,
}

impl Record {
    fn new(script: Script, all: Arc<AtomicUsize>) -> Self {
        let sent = (0..script.tokens).map(|_| AtomicU64::new(0)).collect();
        let (requests, received, closed) = Default::default();
        Self { text: script.text(), script, requests, received, sent, closed, all }
    }

    /// The mock has the whole request.
    pub(crate) fn note_request(&self) -> Stamp {
        let now = clock::now();
        self.received.store(now, Relaxed);
        self.requests.fetch_add(1, Relaxed);
        now
    }

    /// The mock is about to send a token.
    pub(crate) fn note_token(&self, token: usize) {
        if let Some(sent) = self.sent.get(token) {
            sent.store(clock::now(), Relaxed);
            self.all.fetch_add(1, Relaxed);
        }
    }

    /// The mock sees that nobody listens any more; only the first time counts.
    pub(crate) fn note_close(&self) {
        let _ = self.closed.compare_exchange(0, clock::now(), Relaxed, Relaxed);
    }

    pub(crate) fn requests(&self) -> u32 {
        self.requests.load(Relaxed)
    }

    pub(crate) fn received(&self) -> Stamp {
        self.received.load(Relaxed)
    }

    /// When a token was sent; 0 where it was not.
    pub(crate) fn sent(&self, token: usize) -> Stamp {
        self.sent.get(token).map_or(0, |sent| sent.load(Relaxed))
    }

    /// When the mock saw the end of the connection; 0 where it did not.
    pub(crate) fn closed(&self) -> Stamp {
        self.closed.load(Relaxed)
    }
}

/// The streams that run at present.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    next: AtomicU64,
    sent: Arc<AtomicUsize>,
    records: Mutex<HashMap<u64, Arc<Record>>>,
}

impl Ledger {
    /// Begins a stream: from now on the mock answers to its number.
    pub(crate) fn open(self: &Arc<Self>, tokens: usize, sentence: usize, pace: Pace) -> Opened {
        let id = self.next.fetch_add(1, Relaxed) % 1_000_000;
        let record =
            Arc::new(Record::new(Script { id, tokens, sentence, pace }, Arc::clone(&self.sent)));
        self.lock().insert(id, Arc::clone(&record));
        Opened { record, ledger: Arc::clone(self) }
    }

    /// The stream of this number, as long as it is open.
    pub(crate) fn find(&self, id: u64) -> Option<Arc<Record>> {
        self.lock().get(&id).cloned()
    }

    /// How many tokens the mock has sent, of all streams.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Record>>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that the mock answers to until this is dropped.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) record: Arc<Record>,
    ledger: Arc<Ledger>,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.ledger.lock().remove(&self.record.script.id);
    }
}
