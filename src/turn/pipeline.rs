//! The one path of a turn.
//!
//! ```text
//! knowledge ─▶ registry.pick ─▶ prompt (persona, style, knowledge, history that fits) ─▶ provider.generate
//!   ─▶ think ─▶ cut ─▶ emotion ─▶ filter ─▶ sentence ─▶ brevity ─▶ check ─▶ speech ─▶ Finished | Failed
//! ```
//!
//! Nothing of an attempt leaves before its commit point, the first sentence: until then another
//! provider may take over, and nobody notices. After it a failure is the turn's failure.

mod admission;
mod ask;
mod attempt;
mod bell;
mod budget;
mod checking;
mod embed;
mod errand;
mod evidence;
mod failure;
mod lineup;
mod patience;
mod relay;
mod request;
mod retrieval;
mod stream;

use std::{future::pending, sync::Arc, time::Instant};

use anima_provider::LaneId;
use arc_swap::ArcSwap;
use tokio::{
    runtime::Handle,
    sync::mpsc,
    time::{Instant as Moment, sleep_until},
};
use tracing::{Instrument, Span, field::Empty, info_span, warn};

use super::{
    Earlier, EndReason, Outcome, Task, Timing, Turn, TurnError, TurnErrorCode, TurnEvent, TurnId,
    stages::Stages,
};
use crate::{access::Claim, history::SessionSettings, telemetry::trace};
use admission::{Admission, Meter};
use ask::Asking;
use budget::Budget;
use errand::Errand;
use retrieval::{Retrieved, speak_fixed};

pub use admission::{Place, come_back_ms};
pub use embed::Embedded;
pub use lineup::Lineup;
pub use patience::Patience;
pub use relay::Relay;
pub use stream::TurnStream;

/// Everything that answers.
pub struct Conversation {
    lineup: ArcSwap<Lineup>,
    runtime: Handle,
    admission: Admission,
    budget: Budget,
}

/// A turn that is ready to be answered.
#[derive(Debug, Clone)]
pub struct Job {
    /// The turn.
    pub turn: Turn,
    /// Earlier exchanges, oldest first.
    pub earlier: Vec<Earlier>,
    /// What the session has chosen.
    pub settings: SessionSettings,
    /// Whose turn it is, for fair queueing.
    pub lane: LaneId,
}

impl Conversation {
    /// A conversation whose turns run on the current runtime.
    pub fn new(lineup: Lineup) -> Self {
        Self {
            lineup: ArcSwap::from_pointee(lineup),
            runtime: Handle::current(),
            admission: Admission::new(usize::MAX),
            budget: Budget::new(),
        }
    }

    /// The same, answering at most `turns` at a time.
    #[must_use]
    pub fn with_max_turns(self, turns: usize) -> Self {
        Self { admission: Admission::new(turns), ..self }
    }

    /// Who answers at present.
    pub fn lineup(&self) -> Arc<Lineup> {
        self.lineup.load_full()
    }

    /// Lets others answer from now on; running turns keep those that they began with.
    pub fn exchange(&self, lineup: Lineup) {
        self.lineup.store(Arc::new(lineup));
    }

    /// The runtime that turns run on.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// How many turns are being answered, those included that are about to be.
    pub fn running(&self) -> usize {
        self.admission.taken()
    }

    /// A place for a turn of the caller whose claim this is; every turn needs one before it is accepted.
    ///
    /// # Errors
    /// When all places are taken, or all that the caller may have; the error says when to come back.
    pub fn admit(&self, claim: &Claim) -> Result<Place, TurnError> {
        self.admission.admit(claim)
    }

    /// A place for a turn that takes over from a running one.
    pub fn replace(&self, claim: &Claim) -> Place {
        self.admission.replace(claim)
    }

    /// Answers a turn. It runs on its own task and keeps its place to the end; nothing waits for a
    /// slow reader but the turn.
    pub fn run(self: &Arc<Self>, job: Job, place: Place) -> TurnStream {
        self.run_within(turn_span(&job.turn.id), job, place)
    }

    /// The same as a part of `span`, where something was done for the turn before.
    pub fn run_within(self: &Arc<Self>, span: Span, job: Job, place: Place) -> TurnStream {
        place.spend();
        let errand = Errand::Turn { job: Box::new(job), known: None };
        TurnStream::spawn(&self.runtime, |events| {
            Arc::clone(self).tell(errand, place, events).instrument(span)
        })
    }

    /// Answers, and tells everything up to the end.
    async fn tell(
        self: Arc<Self>,
        errand: Errand,
        place: Place,
        events: mpsc::Sender<Vec<TurnEvent>>,
    ) {
        let end = self.answer(errand, &events, place.meter()).await;
        if let TurnEvent::Finished(outcome) = &end {
            place.charge(cost(outcome));
        }
        // Nobody listens any more: the turn was given up, and its end with it.
        let _ = events.send(vec![end]).await;
    }

    /// Looks whether everything that a turn names is there, before it is accepted.
    ///
    /// # Errors
    /// When its persona, its style or its provider does not exist, or the persona takes no such words.
    pub fn vet(&self, turn: &Turn, settings: &SessionSettings) -> Result<(), TurnError> {
        let lineup = self.lineup();
        let persona = lineup.persona(turn, settings)?;
        if persona.refuses(turn.task.text()) {
            let message = format!("{} does not take a word of this", persona.title);
            return Err(TurnError::new(TurnErrorCode::Refused, message));
        }
        if matches!(turn.task, Task::Answer { .. }) {
            lineup.style(turn, persona)?;
            lineup.candidates(turn, settings, persona)?;
        }
        Ok(())
    }

    /// `settings` with the `wanted` ones changed, by the names of the configuration.
    ///
    /// # Errors
    /// When a wanted persona or provider does not exist.
    pub fn with_changes(
        &self,
        settings: &SessionSettings,
        wanted: SessionSettings,
    ) -> Result<SessionSettings, TurnError> {
        let (lineup, mut settings) = (self.lineup(), settings.clone());
        if let Some(name) = wanted.persona {
            lineup.prompts().persona(&name)?;
            settings.persona = Some(name);
        }
        if let Some(name) = wanted.provider {
            settings.provider = Some(lineup.registry().resolve(&name)?.to_owned());
        }
        Ok(settings)
    }

    /// How many earlier exchanges a turn is shown at most.
    ///
    /// # Errors
    /// When its persona does not exist.
    pub fn turns_shown(&self, turn: &Turn, settings: &SessionSettings) -> Result<usize, TurnError> {
        let lineup = self.lineup();
        let shown = turn.context.turns.unwrap_or(lineup.persona(turn, settings)?.turns);
        Ok(usize::try_from(shown).unwrap_or(usize::MAX).min(100))
    }

    /// The length that the answer to a turn has to stay below, where it has to.
    ///
    /// # Errors
    /// When its persona or its style does not exist.
    pub fn limit(&self, turn: &Turn, settings: &SessionSettings) -> Result<Option<u32>, TurnError> {
        let lineup = self.lineup();
        let persona = lineup.persona(turn, settings)?;
        Ok(persona.limit.or(lineup.style(turn, persona)?.limit))
    }

    async fn answer(
        &self,
        mut errand: Errand,
        events: &mpsc::Sender<Vec<TurnEvent>>,
        meter: &Meter,
    ) -> TurnEvent {
        let began = Instant::now();
        let result = if let Some(text) = errand.words() {
            let stages = Stages::for_speech().without(self.lineup().words_of(&errand));
            Ok(speak(stages, text.as_str(), began, events).await)
        } else {
            self.find(&mut errand, began, events, meter).await
        };
        match result {
            Ok(outcome) => {
                record(&outcome);
                TurnEvent::Finished(outcome)
            }
            Err(error) => {
                metrics::counter!("anima_turns_total", "outcome" => "failed").increment(1);
                warn!(error = error.loggable(), code = ?error.code, "Turn {} failed", errand.id());
                TurnEvent::Failed(error)
            }
        }
    }

    /// Finds an answer: a fixed one of the persona's, or a provider's.
    async fn find(
        &self,
        errand: &mut Errand,
        began: Instant,
        events: &mpsc::Sender<Vec<TurnEvent>>,
        meter: &Meter,
    ) -> Result<Outcome, TurnError> {
        let lineup = self.lineup();
        match lineup.retrieve(errand).await? {
            Retrieved::Answer(answer) => {
                let stages = Stages::for_speech().without(lineup.words_of(errand));
                return Ok(speak_fixed(&answer, stages, errand.id(), began, events).await);
            }
            Retrieved::Passages(passages) => errand.rest_on(passages),
        }
        Asking::new(&lineup, &self.budget, errand, began, (events, meter))?.run().await
    }
}

/// What is done for a turn, from here on.
pub fn turn_span(id: &TurnId) -> Span {
    // The lane is the session's id, with which anybody could go on with the conversation.
    let span = info_span!("turn", turn.id = %id, trace_id = Empty);
    if let Some(trace) = trace::id_of(&span) {
        span.record("trace_id", trace);
    }
    span
}

/// Tokens that an answer has cost: as the provider says, or else as long as texts mostly are.
fn cost(outcome: &Outcome) -> u64 {
    outcome.usage.map_or_else(
        || outcome.text.len().div_ceil(3) as u64,
        |usage| u64::from(usage.prompt_tokens) + u64::from(usage.completion_tokens),
    )
}

/// Speaks a text as it stands.
async fn speak(
    mut stages: Stages,
    text: &str,
    began: Instant,
    events: &mpsc::Sender<Vec<TurnEvent>>,
) -> Outcome {
    let mut timing = Timing::default();
    let mut released = stages.push(text);
    released.extend(stages.finish());
    if !released.is_empty() {
        timing.first_sentence_ms = Some(milliseconds(began));
        // The turn was given up: there is nobody to tell.
        let _ = events.send(released).await;
    }
    timing.total_ms = milliseconds(began);
    let filtered = stages.is_filtered();
    Outcome {
        reason: if filtered { EndReason::Filtered } else { EndReason::Complete },
        text: stages.released().to_owned(),
        heard: None,
        usage: None,
        timing,
    }
}

/// Waits until then; for ever without a time.
async fn until(moment: Option<Moment>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

/// Milliseconds since `began`.
fn milliseconds(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Counts an answered turn.
fn record(outcome: &Outcome) {
    let reason = match outcome.reason {
        EndReason::Complete => "complete",
        EndReason::Interrupted => "interrupted",
        EndReason::Length => "length",
        EndReason::Filtered => "filtered",
        EndReason::ToolCalls => "tool_calls",
    };
    metrics::counter!("anima_turns_total", "outcome" => reason).increment(1);
    let seconds = |milliseconds: u64| std::time::Duration::from_millis(milliseconds).as_secs_f64();
    if let Some(first) = outcome.timing.first_token_ms {
        metrics::histogram!("anima_first_token_seconds").record(seconds(first));
    }
    if let Some(first) = outcome.timing.first_sentence_ms {
        metrics::histogram!("anima_first_sentence_seconds").record(seconds(first));
    }
    metrics::histogram!("anima_turn_seconds").record(seconds(outcome.timing.total_ms));
    if let Some(usage) = outcome.usage {
        metrics::counter!("anima_tokens_total", "kind" => "prompt")
            .increment(u64::from(usage.prompt_tokens));
        metrics::counter!("anima_tokens_total", "kind" => "completion")
            .increment(u64::from(usage.completion_tokens));
    }
}
