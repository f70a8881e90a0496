//! Two attempts side by side, of which the first one with a sentence has the turn.

use std::{future::pending, time::Duration};

use tokio::time::Instant as Moment;

use super::{Asking, Candidate, Stands};
use crate::turn::{
    TurnError, TurnEvent,
    pipeline::{
        attempt::{Attempt, AttemptError, Step},
        until,
    },
};

impl Asking<'_> {
    /// Asks a candidate, and another one beside it where that is wanted, up to the first sentence
    /// of one of them; `None` when nobody comes to it.
    ///
    /// # Errors
    /// When nobody else is to be asked either.
    pub(super) async fn ask(&mut self, index: usize) -> Result<Option<Attempt>, TurnError> {
        let Some(mut first) = self.open(index).await? else { return Ok(None) };
        let mut leading = index;
        let mut second: Option<(usize, Attempt)> = None;
        let mut hedge_at = None;
        // An error of the second one that would end the turn, if the first one did not go on.
        let mut held = None;
        loop {
            let (is_first, step) = tokio::select! {
                biased;
                step = first.step() => (true, step),
                step = step_of(&mut second) => (false, step),
                () = until(hedge_at) => {
                    hedge_at = None;
                    match self.hedge().await {
                        Ok(opened) => second = opened,
                        Err(error) => held = Some(error),
                    }
                    continue;
                }
            };
            match (is_first, step) {
                (true, Ok(Step::Queued(ahead))) => {
                    if second.is_none() {
                        // The turn was given up: its task ends at the next await.
                        let _ = self.events.send(vec![TurnEvent::Queued { ahead }]).await;
                    }
                }
                (true, Ok(Step::Admitted)) if second.is_none() => hedge_at = self.hedge_at(),
                (true, Ok(Step::Spoke)) => hedge_at = None,
                (true, Ok(Step::Ready)) => return Ok(Some(first)),
                (false, Ok(Step::Ready)) => {
                    let Some((_, attempt)) = second else { continue };
                    let name = attempt.name().to_owned();
                    metrics::counter!("anima_hedges_won_total", "provider" => name).increment(1);
                    return Ok(Some(attempt));
                }
                (_, Ok(_)) => {}
                (true, Err(error)) => {
                    hedge_at = None;
                    self.failed(leading, error)?;
                    match second.take() {
                        Some((index, attempt)) => (leading, first) = (index, attempt),
                        None => return held.map_or(Ok(None), Err),
                    }
                }
                (false, Err(error)) => {
                    let Some((index, _)) = second.take() else { continue };
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

    /// Asks the next candidate that is free, beside the one that is being asked.
    ///
    /// # Errors
    /// When nobody else is to be asked either.
    async fn hedge(&mut self) -> Result<Option<(usize, Attempt)>, TurnError> {
        let free = |candidate: &Candidate| {
            candidate.stands == Stands::Fresh && candidate.entry.health.is_free()
        };
        let Some(index) = self.candidates.iter().position(free) else { return Ok(None) };
        if !self.budget.take(&self.lineup.asking().retry, Moment::now()) {
            return Ok(None);
        }
        self.hedged = true;
        let name = self.candidates[index].entry.provider.name().to_owned();
        metrics::counter!("anima_hedges_total", "provider" => name).increment(1);
        Ok(self.open(index).await?.map(|attempt| (index, attempt)))
    }
}

/// The next step of the attempt that was opened beside the first one, if one was.
async fn step_of(second: &mut Option<(usize, Attempt)>) -> Result<Step, AttemptError> {
    match second {
        Some((_, attempt)) => attempt.step().await,
        None => pending().await,
    }
}
