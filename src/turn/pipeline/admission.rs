//! How many turns are answered at a time, and when to come back where there are too many.

use std::{
    hash::{BuildHasher, RandomState},
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use crate::{
    access::{Claim, Running},
    turn::{TurnError, TurnErrorCode},
};

/// When a caller that was refused may come back, in milliseconds.
const COME_BACK_MS: Range<u64> = 1_000..5_000;

/// The places of turns.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    limit: usize,
    taken: Arc<AtomicUsize>,
}

/// A turn's place; it is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    taken: Arc<AtomicUsize>,
    running: Running,
    /// Whether somebody has said what the turn has cost.
    charged: AtomicBool,
    meter: Meter,
}

/// Tokens that a turn has cost up to now, as far as we can tell without its provider: what counts where
/// it is given up or fails.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter(Arc<AtomicU64>);

impl Meter {
    pub(super) fn add(&self, tokens: u32) {
        self.0.fetch_add(u64::from(tokens), Ordering::Relaxed);
    }
}

impl Place {
    /// A claim for what belongs to the same turn.
    pub fn claim(&self) -> Claim {
        self.running.claim()
    }

    /// The turn is answered from now on: it counts, whatever becomes of it.
    pub(super) fn spend(&self) {
        self.running.spend();
    }

    /// What counts the turn's tokens while they come.
    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Counts what the turn has cost; without that it is what the meter says.
    pub(super) fn charge(&self, tokens: u64) {
        self.charged.store(true, Ordering::Relaxed);
        self.running.charge(tokens);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let tokens = self.meter.0.load(Ordering::Relaxed);
        if tokens > 0 && !*self.charged.get_mut() {
            self.running.charge(tokens);
        }
        self.taken.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Admission {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, taken: Arc::default() }
    }

    /// How many places are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    /// A place, unless all are taken, or all that the caller may have.
    pub(super) fn admit(&self, claim: &Claim) -> Result<Place, TurnError> {
        let place = self.place(claim.begin()?);
        if self.taken() > self.limit {
            metrics::counter!("anima_turns_refused_total").increment(1);
            return Err(TurnError {
                retry_after_ms: Some(come_back_ms()),
                ..TurnError::new(TurnErrorCode::Overloaded, "the service is at its limit of turns")
            });
        }
        Ok(place)
    }

    /// A place for a turn that takes over from another, whose own is about to be free.
    pub(super) fn replace(&self, claim: &Claim) -> Place {
        self.place(claim.take_over())
    }

    fn place(&self, running: Running) -> Place {
        self.taken.fetch_add(1, Ordering::SeqCst);
        Place {
            taken: Arc::clone(&self.taken),
            running,
            charged: AtomicBool::new(false),
            meter: Meter::default(),
        }
    }
}

/// When to come back, in milliseconds: not the same for everybody, or all would come at once.
pub fn come_back_ms() -> u64 {
    COME_BACK_MS.start + random() % (COME_BACK_MS.end - COME_BACK_MS.start)
}

/// A random number. A fresh `RandomState` is random, which saves a generator.
pub(super) fn random() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_place_that_is_free_again_can_be_taken() {
        let admission = Admission::new(2);
        let first = admission.admit(&Claim::of_the_house()).unwrap();
        let _second = admission.admit(&Claim::of_the_house()).unwrap();
        let refused = admission.admit(&Claim::of_the_house()).unwrap_err();
        assert_eq!(refused.code, TurnErrorCode::Overloaded);
        assert!(COME_BACK_MS.contains(&refused.retry_after_ms.unwrap()));
        // A refusal takes none, and a turn that takes over needs none to be free.
        assert_eq!(admission.taken(), 2);
        let replacing = admission.replace(&Claim::of_the_house());
        drop(first);
        assert!(admission.admit(&Claim::of_the_house()).is_err());
        drop(replacing);
        assert!(admission.admit(&Claim::of_the_house()).is_ok());
    }

    #[test]
    fn not_everybody_comes_back_at_once() {
        let moments: HashSet<_> = (0..100).map(|_| come_back_ms()).collect();
        assert!(moments.len() > 50, "{moments:?}");
    }
}
