//! The events of a session, kept for a while so that a client can catch up.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::turn::{Sentence, Span, TurnEvent, TurnId, Verdict};

/// One event with its place in the session.
#[derive(Debug)]
pub struct Entry {
    /// Rises by one with each event. A log begins at the Unix time in microseconds, so that a
    /// number is never used twice, even after a restart.
    pub seq: u64,
    /// The turn it belongs to.
    pub turn: TurnId,
    /// What happened.
    pub event: TurnEvent,
    at: Instant,
    bytes: usize,
}

/// The answer of [`EventLog::read`].
#[derive(Debug)]
pub enum Read {
    /// What is there from the asked place on; empty when nothing is new.
    Entries(Vec<Arc<Entry>>),
    /// The place has been forgotten, or was never in this log.
    Lost,
}

/// The events of a session: written by its actor alone, read by any number of readers.
#[derive(Debug)]
pub struct EventLog {
    state: Mutex<State>,
    head: watch::Sender<u64>,
    cuts: watch::Sender<u64>,
    epoch: u64,
    keep_bytes: usize,
    keep_for: Duration,
}

#[derive(Debug)]
struct State {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    next: u64,
    /// Entries from here on belong to the running turn and are not forgotten.
    pinned: Option<u64>,
    /// What came before this is told to nobody who comes back.
    sealed: u64,
}

impl EventLog {
    /// An empty log that keeps at most `keep_bytes` of events, for at most `keep_for`.
    pub(super) fn new(keep_bytes: usize, keep_for: Duration) -> Self {
        let epoch = u64::try_from(Timestamp::now().as_microsecond()).unwrap_or(0);
        let state =
            State { entries: VecDeque::new(), bytes: 0, next: epoch, pinned: None, sealed: epoch };
        Self {
            state: Mutex::new(state),
            head: watch::Sender::new(epoch),
            cuts: watch::Sender::new(epoch),
            epoch,
            keep_bytes,
            keep_for,
        }
    }

    /// Identifies this log: another value means that the events before it are gone.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The number that the next event will have.
    pub fn next(&self) -> u64 {
        self.lock().next
    }

    /// What happened from `seq` on, at most `limit` events.
    pub fn read(&self, seq: u64, limit: usize) -> Read {
        let state = self.lock();
        let first = state.entries.front().map_or(state.next, |entry| entry.seq);
        if seq < first || seq > state.next {
            return Read::Lost;
        }
        let skip = usize::try_from(seq - first).unwrap_or(usize::MAX);
        Read::Entries(state.entries.iter().skip(skip).take(limit).cloned().collect())
    }

    /// Tells whenever an event was added; the value is that of [`EventLog::next`].
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// A place for somebody who says aloud what is said here, and acknowledges what was heard of it: as
    /// long as there is one, only what was acknowledged counts as heard in the turns that begin. The
    /// value rises when the person cuts in, on a turn that has finished, too: of what has a lower
    /// number, nothing more is to be said.
    pub fn voice(&self) -> watch::Receiver<u64> {
        self.cuts.subscribe()
    }

    /// Whether somebody says aloud what is said here.
    pub(super) fn has_voice(&self) -> bool {
        self.cuts.receiver_count() > 0
    }

    /// The person cuts in on whatever is still being said.
    pub(super) fn cut(&self) {
        self.cuts.send_replace(self.next());
    }

    /// Whether a client that comes back can be told everything from `seq` on.
    pub(super) fn can_resume(&self, seq: u64) -> bool {
        let sealed = self.lock().sealed;
        seq >= sealed && matches!(self.read(seq, 0), Read::Entries(_))
    }

    /// What has happened so far is told to nobody who comes back; those who are here read on.
    pub(super) fn seal(&self) {
        let mut state = self.lock();
        state.sealed = state.next;
    }

    /// Whether anybody follows this log.
    pub(super) fn has_readers(&self) -> bool {
        self.head.receiver_count() > 0
    }

    /// Adds an event and forgets old ones.
    pub(super) fn append(&self, turn: &TurnId, event: TurnEvent) -> u64 {
        let now = Instant::now();
        let mut state = self.lock();
        let seq = state.next;
        let bytes = size_of::<Entry>() + weight(&event);
        state.next += 1;
        state.bytes += bytes;
        state.entries.push_back(Arc::new(Entry { seq, turn: turn.clone(), event, at: now, bytes }));
        // What was just added is kept for those who follow.
        let pinned = state.pinned.unwrap_or(seq);
        while let Some(oldest) = state.entries.front() {
            let expendable = state.bytes > self.keep_bytes || now - oldest.at > self.keep_for;
            if !expendable || oldest.seq >= pinned {
                break;
            }
            state.bytes -= oldest.bytes;
            state.entries.pop_front();
        }
        drop(state);
        self.head.send_replace(seq + 1);
        seq
    }

    /// Keeps everything from `seq` on, whatever its size, until the next call.
    pub(super) fn pin(&self, seq: Option<u64>) {
        self.lock().pinned = seq;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an event weighs beside its fixed size, in bytes.
fn weight(event: &TurnEvent) -> usize {
    match event {
        TurnEvent::Delta(text) | TurnEvent::Reasoning(text) => text.len(),
        TurnEvent::Sentence(Sentence { text, speech, actions, sources, .. }) => {
            let actions: usize = actions.iter().map(|action| action.0.len()).sum();
            text.len() + speech.len() + actions + sources.iter().map(String::len).sum::<usize>()
        }
        TurnEvent::Finished(outcome) => {
            outcome.text.len() + outcome.heard.as_ref().map_or(0, String::len)
        }
        TurnEvent::Failed(error) => error.message.len(),
        TurnEvent::Started { provider, model } => provider.len() + model.len(),
        TurnEvent::Verdict(verdict) => weight_of_verdict(verdict),
        TurnEvent::Tool(delta) => delta.arguments.len(),
        TurnEvent::Logprobs(tokens) => tokens.iter().map(|token| token.token.token.len()).sum(),
        TurnEvent::Accepted { .. } | TurnEvent::Queued { .. } => 0,
    }
}

fn weight_of_verdict(verdict: &Verdict) -> usize {
    let texts = verdict.reasons.iter().chain(&verdict.sources).map(String::len).sum::<usize>();
    let span = |span: &Span| {
        let nearest = span.nearest.as_ref().map_or(0, String::len);
        size_of::<Span>() + span.reason.len() + span.value.len() + nearest
    };
    let correction = verdict.correction.as_ref().map_or(0, |correction| {
        correction.text.len() + correction.quote.as_ref().map_or(0, String::len)
    });
    texts + verdict.spans.iter().map(span).sum::<usize>() + correction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(text: &str) -> TurnEvent {
        TurnEvent::Delta(text.to_owned())
    }

    fn seqs(read: Read) -> Option<Vec<u64>> {
        match read {
            Read::Entries(entries) => Some(entries.iter().map(|entry| entry.seq).collect()),
            Read::Lost => None,
        }
    }

    #[test]
    fn a_reader_finds_what_it_missed_and_nothing_else() {
        let log = EventLog::new(1 << 20, Duration::from_mins(1));
        let (turn, first) = (TurnId::generate(), log.next());
        for text in ["a", "b", "c"] {
            log.append(&turn, delta(text));
        }
        assert_eq!(seqs(log.read(first + 1, 10)), Some(vec![first + 1, first + 2]));
        assert_eq!(seqs(log.read(first + 3, 10)), Some(vec![]));
        assert_eq!(seqs(log.read(first + 4, 10)), None);
        assert_eq!(seqs(log.read(first - 1, 10)), None);
    }

    #[test]
    fn old_events_are_forgotten_but_not_those_of_the_running_turn() {
        let log = EventLog::new(4096, Duration::from_mins(1));
        let (turn, first) = (TurnId::generate(), log.next());
        for _ in 0..100 {
            log.append(&turn, delta(&"x".repeat(100)));
        }
        assert_eq!(seqs(log.read(first, 10)), None);
        let running = log.next();
        log.pin(Some(running));
        for _ in 0..100 {
            log.append(&turn, delta(&"x".repeat(100)));
        }
        assert_eq!(seqs(log.read(running, 1000)).map(|seqs| seqs.len()), Some(100));
        log.pin(None);
        log.append(&turn, delta("end"));
        assert_eq!(seqs(log.read(running, 10)), None);
    }
}
