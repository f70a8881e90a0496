//! One provider's attempt at a turn: step by step to its first sentence, then to its end.

mod error;
mod spans;

use std::{
    future::pending,
    time::{Duration, Instant},
};

use anima_provider::{EventStream, FinishReason, ProviderError, ProviderEvent, Usage};
use futures::StreamExt;
use tokio::{sync::mpsc, time::Instant as Moment};

use super::{
    Patience, admission::Meter, checking::Checking, milliseconds, request::Prepared, until,
};
use crate::{
    registry::{Entry, health::Pass},
    telemetry::trace,
    turn::{EndReason, Outcome, Timing, TurnError, TurnEvent, check::Reply, stages::Stages},
};
use error::failure;
use spans::Spans;

pub(super) use error::{AttemptError, RETRY_AFTER};

/// What a step of an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// So many are served before it.
    Queued(u32),
    /// The provider works on it from now on.
    Admitted,
    /// It has begun to speak, and has no sentence yet.
    Spoke,
    /// Nothing that anybody waits for.
    Other,
    /// Its first sentence is there, or its end: the turn may be given to it.
    Ready,
}

/// What an attempt waits for.
enum Happened {
    /// The provider did something, or nothing for too long.
    Said(Result<ProviderEvent, ProviderError>),
    /// Somebody who helps to check has answered.
    Replied(Reply),
    /// A sentence has waited long enough.
    Expired,
}

/// One provider's attempt at a turn.
///
/// It keeps everything for itself until it is given the turn by [`Attempt::finish`].
pub(super) struct Attempt {
    entry: Entry,
    /// Gone once the provider has answered.
    pass: Option<Pass>,
    /// Gone at its end; dropping it stops the generation.
    stream: Option<EventStream>,
    stages: Stages,
    checking: Checking,
    began: Instant,
    /// What waits to be told.
    held: Vec<TurnEvent>,
    timing: Timing,
    /// Tokens asked and given, as far as we can tell without the provider.
    counted: Usage,
    /// Where they are counted for the caller.
    meter: Meter,
    admitted: bool,
    /// How long the next event is waited for.
    patience: Patience,
    /// Whether the turn is its.
    committed: bool,
    /// How it ended.
    end: Option<(EndReason, Option<Usage>)>,
    spans: Spans,
}

impl Attempt {
    /// Asks the provider.
    pub(super) async fn open(
        entry: Entry,
        mut pass: Pass,
        prepared: Prepared,
        (began, meter): (Instant, Meter),
    ) -> Result<Self, AttemptError> {
        let Prepared { mut request, stages, checking } = prepared;
        let spans = Spans::begin(entry.provider.name());
        request.traceparent = trace::to_continue(&spans.whole);
        let prompt_tokens = entry.provider.count_tokens(&request).unwrap_or(0);
        let prompt_tokens = u32::try_from(prompt_tokens).unwrap_or(u32::MAX);
        pass.asked();
        let stream = match entry.provider.generate(request).await {
            Ok(stream) => stream,
            Err(error) => {
                let failure = failure(&entry, Some(&mut pass), &error, false, false);
                spans.failed(&failure);
                return Err(failure);
            }
        };
        Ok(Self {
            entry,
            pass: Some(pass),
            stream: Some(stream),
            stages,
            checking,
            began,
            held: Vec::new(),
            timing: Timing::default(),
            meter,
            counted: Usage { prompt_tokens, completion_tokens: 0, estimated: true },
            admitted: false,
            patience: Patience::default(),
            committed: false,
            end: None,
            spans,
        })
    }

    /// The provider's name.
    pub(super) fn name(&self) -> &str {
        self.entry.provider.name()
    }

    /// Waits for what comes next. Giving up waiting loses nothing.
    ///
    /// # Errors
    /// When the attempt fails, which ends it.
    pub(super) async fn step(&mut self) -> Result<Step, AttemptError> {
        let hold_until = self.stages.hold_until().map(Moment::from_std);
        let limit = if self.admitted { self.entry.first_token } else { PATIENCE };
        let happened = tokio::select! {
            biased;
            reply = self.checking.next() => Happened::Replied(reply),
            () = until(hold_until) => Happened::Expired,
            event = next(self.stream.as_mut(), &mut self.patience, limit) => Happened::Said(event),
        };
        let released = match happened {
            Happened::Replied(reply) => self.stages.reply(reply),
            Happened::Expired => self.stages.expire(),
            Happened::Said(event) => {
                return event.and_then(|event| self.take(event)).map_err(|error| {
                    let pass = self.pass.as_mut();
                    let failure = failure(&self.entry, pass, &error, self.admitted, self.committed);
                    self.spans.failed(&failure);
                    failure
                });
            }
        };
        Ok(self.release(released))
    }

    /// Gives the turn to this attempt, and tells everything up to its end.
    ///
    /// # Errors
    /// When it fails, which is the turn's failure.
    pub(super) async fn finish(
        mut self,
        events: &mpsc::Sender<Vec<TurnEvent>>,
    ) -> Result<Outcome, TurnError> {
        self.committed = true;
        loop {
            self.tell(events).await;
            if self.stages.is_settled()
                && let Some((reason, usage)) = self.end.take()
            {
                return Ok(self.outcome(reason, usage));
            }
            match self.step().await {
                Ok(_) => {}
                Err(AttemptError::Final(error) | AttemptError::Transferable { error, .. }) => {
                    // What is whole is said all the same, and nobody is asked about it any more.
                    self.checking.stop();
                    let rest = self.stages.give_up();
                    self.release(rest);
                    self.tell(events).await;
                    return Err(error);
                }
            }
        }
    }

    /// Tells what waits to be told.
    async fn tell(&mut self, events: &mpsc::Sender<Vec<TurnEvent>>) {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() {
            return;
        }
        for event in &held {
            if let TurnEvent::Verdict(verdict) = event {
                let layer = verdict.layer.map_or("none", |layer| layer.name());
                metrics::counter!("anima_verdicts_total",
                    "status" => verdict.status.name(), "layer" => layer)
                .increment(1);
            }
        }
        // The turn was given up: its task ends at the next await.
        let _ = events.send(held).await;
    }

    fn take(&mut self, event: ProviderEvent) -> Result<Step, ProviderError> {
        match event {
            ProviderEvent::Queued { ahead } => {
                self.with_pass(Pass::queued);
                Ok(Step::Queued(ahead))
            }
            ProviderEvent::Admitted { model } => {
                self.admitted = true;
                self.meter.add(self.counted.prompt_tokens);
                self.with_pass(|pass| pass.admitted(&model));
                self.spans.admitted(&model);
                self.timing.queued_ms = milliseconds(self.began);
                let provider = self.entry.provider.name().to_owned();
                self.held.push(TurnEvent::Started { provider, model });
                Ok(Step::Admitted)
            }
            ProviderEvent::Reasoning(text) => {
                self.meter.add(1);
                self.with_pass(Pass::works);
                let thought = self.stages.think(text);
                Ok(self.release(thought))
            }
            ProviderEvent::Text(text) => Ok(self.hear(&text)),
            ProviderEvent::Logprobs(tokens) => Ok(self.release(vec![TurnEvent::Logprobs(tokens)])),
            ProviderEvent::Tool(delta) => {
                self.meter.add(1);
                Ok(self.release(vec![TurnEvent::Tool(delta)]))
            }
            ProviderEvent::Done { reason, usage } => self.close(reason, usage),
        }
    }

    /// Puts a piece of text through the stages.
    fn hear(&mut self, text: &str) -> Step {
        if self.timing.first_token_ms.is_none() {
            self.timing.first_token_ms = Some(milliseconds(self.began));
            self.with_pass(|pass| pass.first_token());
        }
        self.counted.completion_tokens += 1;
        self.meter.add(1);
        let released = self.stages.push(text);
        if self.stages.is_full() {
            let filtered = self.stages.is_filtered();
            let reason = if filtered { EndReason::Filtered } else { EndReason::Complete };
            self.end_with(reason, Some(self.counted));
        }
        let step = self.release(released);
        if step == Step::Other { Step::Spoke } else { step }
    }

    /// The provider has said all that is wanted of it.
    fn end_with(&mut self, reason: EndReason, usage: Option<Usage>) {
        self.end = Some((reason, usage));
        // Dropping the stream stops the generation.
        self.stream = None;
        if let Some(pass) = self.pass.take() {
            pass.answered();
        }
    }

    /// Lets the stages say the rest.
    fn close(&mut self, reason: FinishReason, usage: Option<Usage>) -> Result<Step, ProviderError> {
        let released = self.stages.finish();
        let is_empty = !self.stages.has_sentences() && !self.stages.may_be_empty();
        let filtered = reason == FinishReason::Filtered || self.stages.is_filtered();
        if is_empty && !filtered {
            return Err(ProviderError::Protocol("the answer is empty".into()));
        }
        let reason = match reason {
            _ if self.stages.is_filtered() => EndReason::Filtered,
            FinishReason::Stop => EndReason::Complete,
            FinishReason::ToolCalls => EndReason::ToolCalls,
            FinishReason::Length => EndReason::Length,
            FinishReason::Filtered => EndReason::Filtered,
        };
        self.end_with(reason, usage);
        Ok(self.release(released))
    }

    /// Keeps events to be told, and has done what the check asks for. It is ready from the first event
    /// on that a listener would notice, or at its end.
    fn release(&mut self, events: Vec<TurnEvent>) -> Step {
        let effects = self.stages.effects();
        self.checking.perform(effects);
        if events.iter().any(|event| self.stages.commits(event)) {
            self.timing.first_sentence_ms.get_or_insert(milliseconds(self.began));
            self.with_pass(Pass::first_sentence);
            self.spans.first = None;
        }
        self.held.extend(events);
        let is_over = self.end.is_some() && self.stages.is_settled();
        if self.timing.first_sentence_ms.is_some() || is_over { Step::Ready } else { Step::Other }
    }

    fn with_pass(&mut self, tell: impl FnOnce(&mut Pass)) {
        if let Some(pass) = &mut self.pass {
            tell(pass);
        }
    }

    fn outcome(mut self, reason: EndReason, usage: Option<Usage>) -> Outcome {
        self.timing.total_ms = milliseconds(self.began);
        Outcome {
            reason,
            text: self.stages.released().to_owned(),
            heard: None,
            usage,
            timing: self.timing,
        }
    }
}

/// The next event of a stream; none comes of one that has ended. Once the provider works on the
/// request, it has a deadline.
async fn next(
    stream: Option<&mut EventStream>,
    patience: &mut Patience,
    limit: Duration,
) -> Result<ProviderEvent, ProviderError> {
    let Some(stream) = stream else { return pending().await };
    patience.begin(limit);
    let next = tokio::select! {
        biased;
        next = stream.next() => next,
        () = patience.runs_out() => Some(Err(ProviderError::Timeout(limit))),
    };
    patience.end();
    next.unwrap_or_else(|| Err(ProviderError::Protocol("the answer has no end".into())))
}

/// How long a turn waits for a change of its place in a queue, before the provider counts as dead.
const PATIENCE: Duration = Duration::from_mins(10);
