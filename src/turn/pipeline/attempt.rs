//! One provider's attempt at a turn, up to its end or its failure.

use std::time::{Duration, Instant};

use anima_provider::{EventStream, FinishReason, ProviderError, ProviderEvent, Request, Usage};
use futures::StreamExt;
use tokio::{sync::mpsc, time::timeout};

use super::milliseconds;
use crate::{
    registry::Entry,
    turn::{EndReason, Outcome, Timing, TurnError, TurnErrorCode, TurnEvent, stages::Stages},
};

/// How an attempt failed.
#[derive(Debug)]
pub(super) enum AttemptError {
    /// Nothing has left yet and another provider may do better.
    Transferable(TurnError),
    /// The turn has failed.
    Final(TurnError),
}

impl From<TurnError> for AttemptError {
    fn from(error: TurnError) -> Self {
        match error.code {
            TurnErrorCode::InvalidRequest | TurnErrorCode::NotFound | TurnErrorCode::Internal => {
                Self::Final(error)
            }
            _ => Self::Transferable(error),
        }
    }
}

/// One provider's attempt at a turn.
pub(super) struct Attempt<'a> {
    entry: &'a Entry,
    stages: Stages,
    began: Instant,
    events: &'a mpsc::Sender<Vec<TurnEvent>>,
    /// What waits for the commit point; `None` after it.
    pending: Option<Vec<TurnEvent>>,
    timing: Timing,
    /// Tokens asked and given, as far as we can tell without the provider.
    counted: Usage,
    admitted: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(
        entry: &'a Entry,
        stages: Stages,
        began: Instant,
        events: &'a mpsc::Sender<Vec<TurnEvent>>,
    ) -> Self {
        Self {
            entry,
            stages,
            began,
            events,
            pending: Some(Vec::new()),
            timing: Timing::default(),
            counted: Usage { estimated: true, ..Usage::default() },
            admitted: false,
        }
    }

    pub(super) async fn run(mut self, request: Request) -> Result<Outcome, AttemptError> {
        let prompt_tokens = self.entry.provider.count_tokens(&request).unwrap_or(0);
        self.counted.prompt_tokens = u32::try_from(prompt_tokens).unwrap_or(u32::MAX);
        let mut stream = match self.entry.provider.generate(request).await {
            Ok(stream) => stream,
            Err(error) => return Err(self.failure(&error)),
        };
        loop {
            match self.next(&mut stream).await {
                Ok(ProviderEvent::Queued { ahead }) => {
                    self.send(vec![TurnEvent::Queued { ahead }]).await;
                }
                Ok(ProviderEvent::Admitted { model }) => {
                    self.admitted = true;
                    self.timing.queued_ms = milliseconds(self.began);
                    let provider = self.entry.provider.name().to_owned();
                    self.tell(vec![TurnEvent::Started { provider, model }]).await;
                }
                Ok(ProviderEvent::Reasoning(text)) => {
                    self.tell(vec![TurnEvent::Reasoning(text)]).await;
                }
                // Neither is asked for in a conversation that is spoken.
                Ok(ProviderEvent::Logprobs(_) | ProviderEvent::Tool(_)) => {}
                Ok(ProviderEvent::Text(text)) => {
                    self.timing.first_token_ms.get_or_insert(milliseconds(self.began));
                    self.counted.completion_tokens += 1;
                    let released = self.stages.push(&text);
                    self.release(released).await;
                    if self.stages.is_full() {
                        // Dropping the stream stops the generation.
                        let usage = self.counted;
                        return Ok(self.outcome(EndReason::Complete, Some(usage)));
                    }
                }
                Ok(ProviderEvent::Done { reason, usage }) => return self.end(reason, usage).await,
                Err(error) => return Err(self.failure(&error)),
            }
        }
    }

    /// The next event. Once the provider works on the request, it has a deadline.
    async fn next(&self, stream: &mut EventStream) -> Result<ProviderEvent, ProviderError> {
        let patience = if self.admitted { self.entry.first_token } else { PATIENCE };
        let next = timeout(patience, stream.next()).await;
        let next = next.map_err(|_| ProviderError::Timeout(patience))?;
        next.unwrap_or_else(|| Err(ProviderError::Protocol("the answer has no end".into())))
    }

    async fn end(
        mut self,
        reason: FinishReason,
        usage: Option<Usage>,
    ) -> Result<Outcome, AttemptError> {
        let released = self.stages.finish();
        self.release(released).await;
        if self.pending.is_some() && reason != FinishReason::Filtered {
            return Err(self.failure(&ProviderError::Protocol("the answer is empty".into())));
        }
        self.commit().await;
        let reason = match reason {
            FinishReason::Stop | FinishReason::ToolCalls => EndReason::Complete,
            FinishReason::Length => EndReason::Length,
            FinishReason::Filtered => EndReason::Filtered,
        };
        Ok(self.outcome(reason, usage))
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

    async fn release(&mut self, events: Vec<TurnEvent>) {
        if events.iter().any(|event| matches!(event, TurnEvent::Delta(_))) {
            self.timing.first_sentence_ms.get_or_insert(milliseconds(self.began));
            self.commit().await;
        }
        self.tell(events).await;
    }

    /// From here on the turn belongs to this provider.
    async fn commit(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.send(pending).await;
        }
    }

    async fn tell(&mut self, events: Vec<TurnEvent>) {
        match &mut self.pending {
            Some(pending) => pending.extend(events),
            None => self.send(events).await,
        }
    }

    async fn send(&self, events: Vec<TurnEvent>) {
        if !events.is_empty() {
            // The turn was given up: its task ends at the next await.
            let _ = self.events.send(events).await;
        }
    }

    fn failure(&self, error: &ProviderError) -> AttemptError {
        let transferable = self.pending.is_some() && error.is_transferable();
        let error = TurnError::from_provider(self.entry.provider.name(), error);
        if transferable { AttemptError::Transferable(error) } else { AttemptError::Final(error) }
    }
}

/// How long a turn waits for a change of its place in a queue, before the provider counts as dead.
const PATIENCE: Duration = Duration::from_mins(10);

/// How long to stay away from a provider that is at its limit and does not say.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(2);
