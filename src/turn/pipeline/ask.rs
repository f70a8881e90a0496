//! Who is asked, in which order and how often: the one retry loop of the service.
//!
//! First the candidates in their order, each as soon as the one before has failed; going on to the
//! next one is what they are there for and costs nothing of the budget. Then, while the budget and
//! the time allow it, those whose failure may be over by now. Whoever is asked, the turn is given to
//! the first one that has a sentence, and from then on it is its alone.

mod race;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc,
    time::{Instant as Moment, sleep_until, timeout_at},
};
use tracing::{info, warn};

use super::{
    Lineup,
    admission::{Meter, random},
    attempt::{Attempt, AttemptError},
    budget::Budget,
    errand::Errand,
};
use crate::{
    registry::{
        Entry,
        health::{Ending, Resting},
    },
    turn::{Outcome, TurnError, TurnErrorCode, TurnEvent, check::Grounds},
};

/// How long to wait before the first repetition at least; the next one waits twice as long.
const BACKOFF: Duration = Duration::from_millis(200);

/// Someone who may answer.
struct Candidate {
    entry: Entry,
    stands: Stands,
}

/// Whether a candidate is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// It was not asked yet.
    Fresh,
    /// It may be asked again from then on.
    Again(Moment),
    /// It is not asked any more.
    Out,
}

/// A turn that looks for its answer.
pub(super) struct Asking<'a> {
    lineup: &'a Lineup,
    budget: &'a Budget,
    errand: &'a Errand,
    began: Instant,
    events: &'a mpsc::Sender<Vec<TurnEvent>>,
    meter: &'a Meter,
    candidates: Vec<Candidate>,
    /// What the answer is held against; the same whoever gives it.
    grounds: Option<Arc<Grounds>>,
    /// After this nothing is repeated.
    deadline: Moment,
    repeats: u32,
    hedged: bool,
    /// What the turn has failed with, if nobody answers.
    error: Option<TurnError>,
}

impl<'a> Asking<'a> {
    pub(super) fn new(
        lineup: &'a Lineup,
        budget: &'a Budget,
        errand: &'a Errand,
        began: Instant,
        (events, meter): (&'a mpsc::Sender<Vec<TurnEvent>>, &'a Meter),
    ) -> Result<Self, TurnError> {
        let candidates = lineup.asked(errand)?;
        let fresh = |entry| Candidate { entry, stands: Stands::Fresh };
        let patience = Duration::from_millis(lineup.asking().first_sentence_ms);
        Ok(Self {
            lineup,
            budget,
            errand,
            began,
            events,
            meter,
            candidates: candidates.into_iter().map(fresh).collect(),
            grounds: lineup.grounds(errand)?,
            deadline: Moment::now() + patience,
            repeats: 0,
            hedged: false,
            error: None,
        })
    }

    /// Asks until somebody answers.
    ///
    /// # Errors
    /// When nobody does, or the one with the first sentence fails after it.
    pub(super) async fn run(mut self) -> Result<Outcome, TurnError> {
        self.budget.add_turn(Moment::now());
        while let Some((index, repeated)) = self.next().await {
            let found = if repeated {
                let deadline = self.deadline;
                match timeout_at(deadline, self.ask(index)).await {
                    Ok(found) => found?,
                    Err(_) => break,
                }
            } else {
                self.ask(index).await?
            };
            let Some(attempt) = found else { continue };
            let name = attempt.name().to_owned();
            let outcome = attempt.finish(self.events).await?;
            let (total, first) = (outcome.timing.total_ms, outcome.timing.first_sentence_ms);
            info!(provider.name = name, reason = ?outcome.reason, total_ms = total, first_sentence_ms = first,
                "Answered turn {} with {name}", self.errand.id());
            return Ok(outcome);
        }
        let nobody = || TurnError::new(TurnErrorCode::Internal, "no provider is configured");
        Err(self.error.unwrap_or_else(nobody))
    }

    /// Who is asked next, and whether it is a repetition, which waits for its time.
    async fn next(&mut self) -> Option<(usize, bool)> {
        let fresh = |candidate: &Candidate| candidate.stands == Stands::Fresh;
        if let Some(index) = self.candidates.iter().position(fresh) {
            return Some((index, false));
        }
        let retry = &self.lineup.asking().retry;
        if self.repeats >= retry.per_turn {
            return None;
        }
        let again = self.candidates.iter().enumerate().filter_map(|(index, candidate)| {
            match candidate.stands {
                Stands::Again(at) if !candidate.entry.health.is_resting(at) => Some((at, index)),
                _ => None,
            }
        });
        let (at, index) = again.min().filter(|(at, _)| *at < self.deadline)?;
        if !self.budget.take(retry, Moment::now()) {
            return None;
        }
        sleep_until(at).await;
        self.repeats += 1;
        let name = self.candidates[index].entry.provider.name().to_owned();
        metrics::counter!("anima_retries_total", "provider" => name).increment(1);
        Some((index, true))
    }

    /// Opens an attempt; `None` when it comes to nothing.
    ///
    /// # Errors
    /// When nobody else is to be asked either.
    async fn open(&mut self, index: usize) -> Result<Option<Attempt>, TurnError> {
        let Some(opening) = self.opening(index) else { return Ok(None) };
        match opening.await {
            Ok(attempt) => Ok(Some(attempt)),
            Err(error) => self.failed(index, error).map(|()| None),
        }
    }

    /// What opens an attempt; `None` when the candidate is left alone.
    fn opening(
        &mut self,
        index: usize,
    ) -> Option<impl Future<Output = Result<Attempt, AttemptError>> + Send + use<'a>> {
        self.candidates[index].stands = Stands::Out;
        let entry = self.candidates[index].entry.clone();
        let pass = match entry.health.enter(self.lineup.asking().breaker) {
            Ok(pass) => pass,
            Err(resting) => {
                let name = entry.provider.name().to_owned();
                let error = left_alone(&name, resting);
                metrics::counter!("anima_provider_skipped_total", "provider" => name).increment(1);
                self.error =
                    Some(self.error.take().map_or(error.clone(), |known| sooner(known, error)));
                return None;
            }
        };
        let (lineup, errand, grounds) = (self.lineup, self.errand, self.grounds.clone());
        let (began, meter) = (self.began, self.meter.clone());
        Some(async move {
            let prepared = lineup.prepare(errand, &entry, grounds.as_ref())?;
            Attempt::open(entry, pass, prepared, (began, meter)).await
        })
    }

    /// Notes that an attempt came to nothing.
    ///
    /// # Errors
    /// When nobody else is to be asked either.
    fn failed(&mut self, index: usize, error: AttemptError) -> Result<(), TurnError> {
        let (error, repeat_after) = match error {
            AttemptError::Final(error) => return Err(error),
            AttemptError::Transferable { error, repeat_after } => (error, repeat_after),
        };
        let candidate = &mut self.candidates[index];
        let name = candidate.entry.provider.name();
        let turn = self.errand.id();
        warn!(
            provider.name = name,
            error = error.loggable(),
            "{name} gave no answer to turn {turn}"
        );
        candidate.stands = repeat_after.map_or(Stands::Out, |wait| {
            Stands::Again(Moment::now() + wait + backoff(self.repeats))
        });
        if self.repeats == 0 {
            self.error = Some(error);
        }
        Ok(())
    }
}

/// How long to wait before a repetition: half of it is chance, or all turns would come back at once.
fn backoff(repeats: u32) -> Duration {
    let most = BACKOFF.saturating_mul(2 << repeats.min(8));
    most / 2 + most / 2 * u32::from(random().to_le_bytes()[0]) / 256
}

/// The failure of a turn whose provider is left alone.
fn left_alone(name: &str, resting: Resting) -> TurnError {
    let code = match resting.cause {
        Ending::Unauthorized => TurnErrorCode::ProviderUnauthorized,
        Ending::RateLimited => TurnErrorCode::Overloaded,
        _ => TurnErrorCode::ProviderUnavailable,
    };
    let message = format!("{name} is not asked for a while: {}", resting.cause.words());
    let wait = u64::try_from(resting.remaining.as_millis()).unwrap_or(u64::MAX);
    TurnError { retry_after_ms: Some(wait.max(1)), ..TurnError::new(code, message) }
}

/// Of two failures the one after which another attempt makes sense sooner.
fn sooner(known: TurnError, other: TurnError) -> TurnError {
    match (known.retry_after_ms, other.retry_after_ms) {
        (Some(one), Some(two)) if two < one => other,
        _ => known,
    }
}
