//! Two attempts side by side, of which the first one with a sentence has the turn.

use std::{future::pending, time::Duration};

use futures::future::BoxFuture;
use tokio::time::Instant as Moment;

use super::{Asking, Candidate, Stands};
use crate::turn::{
    TurnError, TurnEvent,
    pipeline::{
        attempt::{Attempt, AttemptError, Step},
        until,
    },
};

/// Who is asked beside the first one.
enum Beside<'a> {
    Nobody,
    /// The candidate of this number, which is being opened.
    Opening(usize, BoxFuture<'a, Result<Attempt, AttemptError>>),
    /// The same, opened.
    Open(usize, Box<Attempt>),
}

impl Beside<'_> {
    fn is_nobody(&self) -> bool {
        matches!(self, Self::Nobody)
    }

    /// Its next step, once it is open; nothing is lost where that is not waited for to its end.
    async fn step(&mut self) -> Result<Step, AttemptError> {
        if let Self::Opening(index, opening) = self {
            let attempt = opening.await?;
            *self = Self::Open(*index, Box::new(attempt));
        }
        match self {
            Self::Open(_, attempt) => attempt.step().await,
            Self::Nobody | Self::Opening(..) => pending().await,
        }
    }

    /// Leaves nobody, and gives who it was, once that is open.
    async fn take(&mut self) -> Option<(usize, Result<Attempt, AttemptError>)> {
        match std::mem::replace(self, Self::Nobody) {
            Self::Nobody => None,
            Self::Opening(index, opening) => Some((index, opening.await)),
            Self::Open(index, attempt) => Some((index, Ok(*attempt))),
        }
    }
}

impl<'a> Asking<'a> {
    /// Asks a candidate, and another one beside it where that is wanted, up to the first sentence
    /// of one of them; `None` when nobody comes to it.
    ///
    /// # Errors
    /// When nobody else is to be asked either.
    pub(super) async fn ask(&mut self, index: usize) -> Result<Option<Attempt>, TurnError> {
        let Some(mut first) = self.open(index).await? else { return Ok(None) };
        let mut leading = index;
        let mut second = Beside::Nobody;
        let mut hedge_at = None;
        // An error of the second one that would end the turn, if the first one did not go on.
        let mut held = None;
        loop {
            let (is_first, step) = tokio::select! {
                biased;
                step = first.step() => (true, step),
                step = second.step() => (false, step),
                () = until(hedge_at) => {
                    hedge_at = None;
                    second = self.hedge();
                    continue;
                }
            };
            match (is_first, step) {
                (true, Ok(Step::Queued(ahead))) => {
                    if second.is_nobody() {
                        // The turn was given up: its task ends at the next await.
                        let _ = self.events.send(vec![TurnEvent::Queued { ahead }]).await;
                    }
                }
                (true, Ok(Step::Admitted)) if second.is_nobody() => hedge_at = self.hedge_at(),
                (true, Ok(Step::Spoke)) => hedge_at = None,
                (true, Ok(Step::Ready)) => return Ok(Some(first)),
                (false, Ok(Step::Ready)) => {
                    let Some((_, Ok(attempt))) = second.take().await else { continue };
                    let name = attempt.name().to_owned();
                    metrics::counter!("anima_hedges_won_total", "provider" => name).increment(1);
                    return Ok(Some(attempt));
                }
                (_, Ok(_)) => {}
                (true, Err(error)) => {
                    hedge_at = None;
                    self.failed(leading, error)?;
                    match second.take().await {
                        Some((index, Ok(attempt))) => (leading, first) = (index, attempt),
                        Some((index, Err(error))) => {
                            return self.failed(index, error).map(|()| None);
                        }
                        None => return held.map_or(Ok(None), Err),
                    }
                }
                (false, Err(error)) => {
                    let (Beside::Opening(index, _) | Beside::Open(index, _)) = second else {
                        continue;
                    };
                    second = Beside::Nobody;
                    held = self.failed(index, error).err();
                }
            }
        }
    }

    /// When somebody is asked beside the first one, if it says nothing until then.
    fn hedge_at(&self) -> Option<Moment> {
        let after = self.lineup.asking().hedge_ms;
        let wanted = after > 0 && !self.hedged && self.repeats == 0;
        wanted.then(|| Moment::now() + Duration::from_millis(after))
    }

    /// Begins to ask the next candidate that is free, beside the one that is being asked, which goes on
    /// meanwhile.
    fn hedge(&mut self) -> Beside<'a> {
        let free = |candidate: &Candidate| {
            candidate.stands == Stands::Fresh && candidate.entry.health.is_free()
        };
        let Some(index) = self.candidates.iter().position(free) else { return Beside::Nobody };
        if !self.budget.take(&self.lineup.asking().retry, Moment::now()) {
            return Beside::Nobody;
        }
        self.hedged = true;
        let name = self.candidates[index].entry.provider.name().to_owned();
        metrics::counter!("anima_hedges_total", "provider" => name).increment(1);
        match self.opening(index) {
            Some(opening) => Beside::Opening(index, Box::pin(opening)),
            None => Beside::Nobody,
        }
    }
}
