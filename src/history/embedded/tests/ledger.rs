//! A record of what a store acknowledged, to be compared with what it kept.

use crate::history::contract::{all, answer, failed, id, interrupted, question, settling, turn};
use crate::history::{
    Amendment, Begun, Exchange, ExchangeState, Fence, HistoryError, HistoryStore, NewTurn,
    Settlement,
};
use crate::turn::SessionId;

/// Numbers that look random and are the same in each run.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// What a value may be: one more for each change that nobody knows to have been made.
type Possible<T> = Vec<T>;

/// A turn whose beginning was acknowledged.
#[derive(Debug, Clone)]
struct Entry {
    name: String,
    position: u64,
    /// Its answer; `None` where it has none that could be told again.
    answer: Possible<Option<String>>,
    heard: Possible<Option<String>>,
}

/// What one session was told.
pub(super) struct Ledger {
    session: SessionId,
    entries: Vec<Entry>,
    /// A turn that may have begun.
    maybe: Option<String>,
    /// Everything may have been forgotten.
    maybe_cleared: bool,
    /// The turn begun last, and whether it is being answered.
    current: Option<(usize, Fence, bool)>,
    said: u64,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            session: SessionId::generate(),
            entries: Vec::new(),
            maybe: None,
            maybe_cleared: false,
            current: None,
            said: 0,
        }
    }

    /// Does one operation; `false` when the store could not.
    pub(super) async fn step(&mut self, store: &impl HistoryStore, choice: u64) -> bool {
        let running = self.current.as_ref().filter(|(.., running)| *running).map(|(at, ..)| *at);
        let open = (0..self.entries.len())
            .find(|at| self.entries[*at].answer == [None] && Some(*at) != running);
        match (self.current.clone(), choice) {
            (Some((at, fence, true)), 0..6) => self.finish(store, at, fence, choice == 0).await,
            (Some((at, fence, false)), 0..3) if self.entries[at].answer != [None] => {
                self.amend(store, at, &fence).await
            }
            (Some((_, _, false)), 3) if self.said.is_multiple_of(3) => self.clear(store).await,
            (_, 4..6) if open.is_some() => self.begin(store, open).await,
            _ => self.begin(store, None).await,
        }
    }

    async fn finish(
        &mut self,
        store: &impl HistoryStore,
        at: usize,
        fence: Fence,
        fails: bool,
    ) -> bool {
        let entry = &mut self.entries[at];
        let text = format!("answer of {}", entry.name);
        let given = if fails { failed() } else { answer(&text) };
        let kept = store.finish(&fence, &id(&entry.name), &given).await.is_ok();
        if !fails {
            note(&mut entry.answer, Some(text), kept);
            note(&mut entry.heard, None, kept);
        }
        self.current = Some((at, fence, false));
        kept
    }

    async fn amend(&mut self, store: &impl HistoryStore, at: usize, fence: &Fence) -> bool {
        let entry = &mut self.entries[at];
        self.said += 1;
        let heard = Some(format!("heard {}", self.said));
        let change = Amendment::Heard(heard.clone());
        let kept = store.amend(fence, &id(&entry.name), &change).await.is_ok();
        note(&mut entry.heard, heard, kept);
        kept
    }

    async fn clear(&mut self, store: &impl HistoryStore) -> bool {
        let cleared = store.clear(&self.session).await.is_ok();
        if cleared {
            self.entries.clear();
        }
        self.maybe_cleared = !cleared;
        self.current = None;
        cleared
    }

    /// Begins a new turn, or one that has no answer once more, and settles what runs.
    async fn begin(&mut self, store: &impl HistoryStore, again: Option<usize>) -> bool {
        let before = self.current.take();
        let settles = before.as_ref().map(|(at, _, running)| self.settle(*at, *running));
        let name = if let Some(at) = again {
            self.entries[at].name.clone()
        } else {
            self.said += 1;
            format!("turn{:05}", self.said)
        };
        let asked =
            NewTurn { settles: settles.clone(), running_here: false, ..turn(&name, "Go on") };
        let begun = match store.begin(&self.session, &asked).await {
            Ok(Begun::New(opened)) => Some(*opened),
            Ok(other) => panic!("{name}: {other:?}"),
            Err(_) => None,
        };
        if let (Some((at, ..)), Some(settled)) = (before, settles) {
            let entry = &mut self.entries[at];
            if let Some(answer) = &settled.running {
                let text = answer.outcome.as_ref().map(|outcome| outcome.text.clone());
                note(&mut entry.answer, text, begun.is_some());
            }
            if entry.answer != [None] {
                note(&mut entry.heard, settled.heard, begun.is_some());
            }
        }
        let Some(opened) = begun else {
            self.maybe = again.is_none().then_some(name);
            return false;
        };
        let at = again.unwrap_or(self.entries.len());
        match again {
            Some(at) => assert_eq!(self.entries[at].position, opened.position, "{name} has moved"),
            None => self.entries.push(Entry {
                name,
                position: opened.position,
                answer: vec![None],
                heard: vec![None],
            }),
        }
        self.current = Some((at, opened.fence, true));
        true
    }

    /// How the turn before stands when the next one begins.
    fn settle(&mut self, at: usize, running: bool) -> Settlement {
        self.said += 1;
        let heard = format!("heard {}", self.said);
        let name = &self.entries[at].name;
        let released = running.then(|| interrupted(&format!("half of {name}")));
        settling(name, Some(&heard), released)
    }

    /// Compares the store with what it acknowledged.
    pub(super) async fn check(&mut self, store: &impl HistoryStore) {
        self.current = None;
        let kept = match store.recent(&self.session, usize::MAX).await {
            Err(HistoryError::SessionNotFound) if self.entries.is_empty() => Vec::new(),
            kept => kept.unwrap(),
        };
        if std::mem::take(&mut self.maybe_cleared) && kept.is_empty() {
            self.entries.clear();
        }
        if let Some(name) = self.maybe.take()
            && let Some(last) = kept.last().filter(|last| last.turn.as_str() == name)
        {
            let (answer, heard) = (vec![None], vec![None]);
            self.entries.push(Entry { name, position: last.position, answer, heard });
        }
        assert!(kept.is_sorted_by(|one, other| one.position < other.position), "{kept:?}");
        let names = |exchange: &Exchange| (exchange.turn.to_string(), exchange.position);
        let expected = self.entries.iter().map(|entry| (entry.name.clone(), entry.position));
        assert_eq!(kept.iter().map(names).collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        for (entry, exchange) in self.entries.iter_mut().zip(&kept) {
            entry.check(exchange);
        }
        if !kept.is_empty() {
            assert_eq!(all(store, &self.session).await, kept);
        }
    }
}

impl Entry {
    /// What is kept is one of the things that it may be; from here on it is known.
    fn check(&mut self, exchange: &Exchange) {
        let answered = exchange.state == ExchangeState::Finished;
        let text = exchange.answer.outcome.as_ref().map(|outcome| outcome.text.clone());
        let text = text.filter(|_| answered);
        assert_eq!(exchange.task, question("Go on"));
        assert_ne!(exchange.state, ExchangeState::Running);
        assert!(self.answer.contains(&text), "{self:?} is kept as {exchange:?}");
        assert!(!answered || self.heard.contains(&exchange.heard), "{self:?}: {exchange:?}");
        (self.answer, self.heard) = (vec![text], vec![exchange.heard.clone()]);
    }
}

/// Takes note of a change that was made, or that may have been.
fn note<T>(possible: &mut Possible<T>, changed: T, made: bool) {
    if made {
        possible.clear();
    }
    possible.push(changed);
}
