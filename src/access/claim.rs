//! From the claim on a turn to its end.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::account::Account;
use crate::turn::TurnError;

/// A turn that was counted. When nobody holds it any more and it never began, it counts no longer.
#[derive(Debug)]
struct Taken {
    account: Arc<Account>,
    begun: AtomicBool,
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !*self.begun.get_mut() {
            self.account.give_back();
        }
    }
}

/// A turn's claim on what its caller may use: it was counted, and does not run yet. What is claimed and
/// never begins to be answered is given back.
#[derive(Debug, Clone)]
pub struct Claim(Option<Arc<Taken>>);

/// A turn that runs on its caller's account, until this is dropped.
#[derive(Debug)]
pub struct Running(Option<Arc<Taken>>);

impl Claim {
    /// The claim of a turn that this account has counted.
    pub(super) fn new(account: Arc<Account>) -> Self {
        Self(Some(Arc::new(Taken { account, begun: AtomicBool::new(false) })))
    }

    /// The claim of the house itself, which nobody counts.
    pub fn of_the_house() -> Self {
        Self(None)
    }

    /// Begins to run.
    ///
    /// # Errors
    /// When so many of the caller's turns run already; the error says when to come back.
    pub fn begin(&self) -> Result<Running, TurnError> {
        if let Some(taken) = &self.0 {
            taken.account.begin()?;
        }
        Ok(Running(self.0.clone()))
    }

    /// Begins to run in the place of a turn that is about to end: whoever cuts in is not refused.
    pub fn take_over(&self) -> Running {
        if let Some(taken) = &self.0 {
            taken.account.take_over();
        }
        Running(self.0.clone())
    }
}

impl Running {
    /// A claim for what belongs to the same turn.
    pub fn claim(&self) -> Claim {
        Claim(self.0.clone())
    }

    /// The turn is answered from now on, and not given back any more.
    pub fn spend(&self) {
        if let Some(taken) = &self.0
            && !taken.begun.swap(true, Ordering::SeqCst)
        {
            taken.account.spend();
        }
    }

    /// Counts tokens that were spent on the turn.
    pub fn charge(&self, tokens: u64) {
        if let Some(taken) = &self.0 {
            taken.account.charge(tokens);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(taken) = &self.0 {
            taken.account.end();
        }
    }
}
