//! One provider's attempt at a turn: step by step to its first sentence, then to its end.

use std::time::{Duration, Instant};

use anima_provider::{EventStream, FinishReason, ProviderError, ProviderEvent, Request, Usage};
use futures::StreamExt;
use tokio::{
    sync::mpsc,
    time::{Instant as Moment, timeout_at},
};

use tracing::{
    Span, debug_span,
    field::{Empty, debug},
};

use super::milliseconds;
use crate::{
    registry::{Entry, health::Pass},
    telemetry::trace,
    turn::{EndReason, Outcome, Timing, TurnError, TurnErrorCode, TurnEvent, stages::Stages},
};

/// How an attempt failed.
#[derive(Debug)]
pub(super) enum AttemptError {
    /// Nothing has left yet and another provider may do better.
    Transferable {
        /// What the turn has failed with, if nobody does better.
        error: TurnError,
        /// How long to wait before the same provider may do better, if it may.
        repeat_after: Option<Duration>,
    },
    /// The turn has failed.
    Final(TurnError),
}

impl From<TurnError> for AttemptError {
    fn from(error: TurnError) -> Self {
        match error.code {
            TurnErrorCode::InvalidRequest | TurnErrorCode::NotFound | TurnErrorCode::Internal => {
                Self::Final(error)
            }
            _ => Self::Transferable { error, repeat_after: None },
        }
    }
}

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

/// One provider's attempt at a turn.
///
/// It keeps everything for itself until it is given the turn by [`Attempt::finish`].
pub(super) struct Attempt {
    entry: Entry,
    pass: Pass,
    stream: EventStream,
    stages: Stages,
    began: Instant,
    /// What waits to be told.
    held: Vec<TurnEvent>,
    timing: Timing,
    /// Tokens asked and given, as far as we can tell without the provider.
    counted: Usage,
    admitted: bool,
    /// Until when the next event has to come; set when it is first waited for.
    patience: Option<Moment>,
    /// Whether the turn is its.
    committed: bool,
    /// How it ended.
    end: Option<(EndReason, Option<Usage>)>,
    spans: Spans,
}

/// What is traced of an attempt: the wait for the provider, and that for the first sentence.
struct Spans {
    whole: Span,
    queue: Option<Span>,
    first: Option<Span>,
}

impl Spans {
    fn begin(provider: &str) -> Self {
        let whole =
            debug_span!("attempt", provider.name = provider, model = Empty, error.code = Empty);
        let queue = debug_span!(parent: &whole, "queue");
        Self { whole, queue: Some(queue), first: None }
    }

    fn admitted(&mut self, model: &str) {
        self.whole.record("model", model);
        self.queue = None;
        self.first = Some(debug_span!(parent: &self.whole, "first_sentence"));
    }

    fn failed(&self, error: &AttemptError) {
        let (AttemptError::Final(error) | AttemptError::Transferable { error, .. }) = error;
        self.whole.record("error.code", debug(error.code));
        trace::mark_failed(&self.whole);
    }
}

impl Attempt {
    /// Asks the provider.
    pub(super) async fn open(
        entry: Entry,
        mut pass: Pass,
        stages: Stages,
        mut request: Request,
        began: Instant,
    ) -> Result<Self, AttemptError> {
        let spans = Spans::begin(entry.provider.name());
        request.traceparent = trace::to_continue(&spans.whole);
        let prompt_tokens = entry.provider.count_tokens(&request).unwrap_or(0);
        let prompt_tokens = u32::try_from(prompt_tokens).unwrap_or(u32::MAX);
        pass.asked();
        let stream = match entry.provider.generate(request).await {
            Ok(stream) => stream,
            Err(error) => {
                let failure = failure(&entry, &mut pass, &error, false, false);
                spans.failed(&failure);
                return Err(failure);
            }
        };
        Ok(Self {
            entry,
            pass,
            stream,
            stages,
            began,
            held: Vec::new(),
            timing: Timing::default(),
            counted: Usage { prompt_tokens, completion_tokens: 0, estimated: true },
            admitted: false,
            patience: None,
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
        let event = self.next().await;
        event.and_then(|event| self.take(event)).map_err(|error| {
            let failure =
                failure(&self.entry, &mut self.pass, &error, self.admitted, self.committed);
            self.spans.failed(&failure);
            failure
        })
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
            let held = std::mem::take(&mut self.held);
            if !held.is_empty() {
                // The turn was given up: its task ends at the next await.
                let _ = events.send(held).await;
            }
            if let Some((reason, usage)) = self.end.take() {
                return Ok(self.outcome(reason, usage));
            }
            match self.step().await {
                Ok(_) => {}
                Err(AttemptError::Final(error) | AttemptError::Transferable { error, .. }) => {
                    return Err(error);
                }
            }
        }
    }

    /// The next event. Once the provider works on the request, it has a deadline.
    async fn next(&mut self) -> Result<ProviderEvent, ProviderError> {
        let patience = if self.admitted { self.entry.first_token } else { PATIENCE };
        let until = *self.patience.get_or_insert_with(|| Moment::now() + patience);
        let next = timeout_at(until, self.stream.next()).await;
        self.patience = None;
        let next = next.map_err(|_| ProviderError::Timeout(patience))?;
        next.unwrap_or_else(|| Err(ProviderError::Protocol("the answer has no end".into())))
    }

    fn take(&mut self, event: ProviderEvent) -> Result<Step, ProviderError> {
        match event {
            ProviderEvent::Queued { ahead } => {
                self.pass.queued();
                Ok(Step::Queued(ahead))
            }
            ProviderEvent::Admitted { model } => {
                self.admitted = true;
                self.pass.admitted(&model);
                self.spans.admitted(&model);
                self.timing.queued_ms = milliseconds(self.began);
                let provider = self.entry.provider.name().to_owned();
                self.held.push(TurnEvent::Started { provider, model });
                Ok(Step::Admitted)
            }
            ProviderEvent::Reasoning(text) => {
                self.pass.works();
                let thought = self.stages.think(text);
                Ok(self.release(thought))
            }
            ProviderEvent::Text(text) => Ok(self.hear(&text)),
            ProviderEvent::Logprobs(tokens) => Ok(self.release(vec![TurnEvent::Logprobs(tokens)])),
            ProviderEvent::Tool(delta) => Ok(self.release(vec![TurnEvent::Tool(delta)])),
            ProviderEvent::Done { reason, usage } => self.close(reason, usage),
        }
    }

    /// Puts a piece of text through the stages.
    fn hear(&mut self, text: &str) -> Step {
        if self.timing.first_token_ms.is_none() {
            self.timing.first_token_ms = Some(milliseconds(self.began));
            self.pass.first_token();
        }
        self.counted.completion_tokens += 1;
        let released = self.stages.push(text);
        let step = self.release(released);
        if self.stages.is_full() {
            // Dropping the stream stops the generation.
            let filtered = self.stages.is_filtered();
            let reason = if filtered { EndReason::Filtered } else { EndReason::Complete };
            self.end = Some((reason, Some(self.counted)));
            return Step::Ready;
        }
        if step == Step::Other { Step::Spoke } else { step }
    }

    /// Lets the stages say the rest.
    fn close(&mut self, reason: FinishReason, usage: Option<Usage>) -> Result<Step, ProviderError> {
        let released = self.stages.finish();
        let is_empty = self.release(released) == Step::Other && !self.stages.may_be_empty();
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
        self.end = Some((reason, usage));
        Ok(Step::Ready)
    }

    /// Keeps events to be told. It is ready from the first one on that a listener would notice.
    fn release(&mut self, events: Vec<TurnEvent>) -> Step {
        if events.iter().any(|event| self.stages.commits(event)) {
            self.timing.first_sentence_ms.get_or_insert(milliseconds(self.began));
            self.pass.first_sentence();
            self.spans.first = None;
        }
        self.held.extend(events);
        if self.timing.first_sentence_ms.is_some() { Step::Ready } else { Step::Other }
    }

    fn outcome(mut self, reason: EndReason, usage: Option<Usage>) -> Outcome {
        self.pass.answered();
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

/// What a failure of the provider means for the turn; it is noted.
fn failure(
    entry: &Entry,
    pass: &mut Pass,
    error: &ProviderError,
    admitted: bool,
    committed: bool,
) -> AttemptError {
    let told = TurnError::from_provider(entry.provider.name(), error);
    pass.failed(error, told.loggable());
    if committed || !error.is_transferable() {
        return AttemptError::Final(told);
    }
    let repeat_after = match error {
        ProviderError::Unavailable(_) => Some(Duration::ZERO),
        // Before admission it is our own queue that is full, and that is no place to come back to soon.
        ProviderError::RateLimited { retry_after: Some(wait) } if admitted => {
            Some(*wait).filter(|wait| *wait <= SHORT_WAIT)
        }
        _ => None,
    };
    AttemptError::Transferable { error: told, repeat_after }
}

/// How long a turn waits for a change of its place in a queue, before the provider counts as dead.
const PATIENCE: Duration = Duration::from_mins(10);

/// How long to stay away from a provider that is at its limit and does not say.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(2);

/// How long a turn waits at most for a provider that is at its limit.
const SHORT_WAIT: Duration = Duration::from_secs(2);
