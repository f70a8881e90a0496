//! A record of what a store acknowledged, to be compared with what it kept.

use std::collections::BTreeMap;

use crate::history::contract::{answer, failed, told, turn};
use crate::history::{Begun, ExchangeState, Fence, HistoryError, HistoryStore, NewTurn};
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

/// What one session was told.
pub(super) struct Ledger {
    session: SessionId,
    /// Acknowledged turns, and where they are.
    begun: BTreeMap<String, u64>,
    /// Answers acknowledged; `None` where nobody knows whether the answer was kept.
    answered: BTreeMap<String, Option<String>>,
    running: Option<(NewTurn, Fence)>,
    next: u64,
}

impl Ledger {
    pub(super) fn new() -> Self {
        let session = SessionId::generate();
        Self { session, begun: BTreeMap::new(), answered: BTreeMap::new(), running: None, next: 0 }
    }

    /// Does one operation; `false` when the store could not.
    pub(super) async fn step(&mut self, store: &impl HistoryStore, choice: u64) -> bool {
        match self.running.take() {
            Some((asked, fence)) if choice < 7 => {
                let text = format!("answer of {}", asked.id);
                let given = if choice == 0 { failed() } else { answer(&text) };
                let kept = given.error.is_none();
                let finished = store.finish(&fence, &asked.id, &given).await.is_ok();
                if kept {
                    self.answered.insert(asked.id.to_string(), finished.then_some(text));
                }
                finished
            }
            _ => {
                self.next += 1;
                let asked = turn(&format!("turn{:04}", self.next), "Go on");
                match store.begin(&self.session, &asked).await {
                    Ok(Begun::New(opened)) => {
                        self.begun.insert(asked.id.to_string(), opened.position);
                        self.running = Some((asked, opened.fence));
                        true
                    }
                    Ok(other) => panic!("{other:?}"),
                    Err(_) => false,
                }
            }
        }
    }

    /// Compares the store with what it acknowledged.
    pub(super) async fn check(&mut self, store: &impl HistoryStore) {
        self.running = None;
        let kept = match store.recent(&self.session, usize::MAX).await {
            Err(HistoryError::SessionNotFound) if self.begun.is_empty() => return,
            kept => kept.unwrap(),
        };
        let positions: Vec<u64> = kept.iter().map(|exchange| exchange.position).collect();
        assert_eq!(positions, (0..kept.len() as u64).collect::<Vec<_>>());
        assert!(
            kept.is_sorted_by_key(|exchange| exchange.turn.clone()),
            "out of order: {:?}",
            told(&kept)
        );
        for (name, position) in &self.begun {
            let exchange = &kept[usize::try_from(*position).unwrap()];
            assert_eq!(exchange.turn.as_str(), name);
            assert_ne!(exchange.state, ExchangeState::Running);
            match self.answered.get(name) {
                Some(Some(text)) => assert_eq!(
                    told(std::slice::from_ref(exchange)),
                    [(name.as_str(), text.as_str())]
                ),
                Some(None) => {}
                None => assert_ne!(exchange.state, ExchangeState::Finished),
            }
        }
    }
}
