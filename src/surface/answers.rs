//! Answers that belong to no session, one after the other: what the calls of other servers' APIs come
//! down to.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::web::Data;
use anima_provider::{TokenLogprob, ToolDelta, Usage};

use super::{House, checked::Checked, error::HttpError};
use crate::{
    access::Claim,
    turn::{
        EndReason, TurnError, TurnErrorCode, TurnEvent, TurnId,
        pipeline::{Conversation, Job, Place, Relay, TurnStream},
    },
};

/// Most answers to one question of a call.
pub(super) const MOST_CHOICES: i64 = 10;

/// What one question of a call comes down to.
pub(super) enum Asked {
    /// A provider is asked, which gets the call as it is.
    Provider(Relay),
    /// A persona is.
    Persona(Box<Job>),
}

impl Asked {
    fn begin(&self, conversation: &Arc<Conversation>, place: Place) -> TurnStream {
        match self {
            Self::Provider(relay) => conversation.relay(relay.clone(), place),
            Self::Persona(job) => conversation.run(Job::clone(job), place),
        }
    }
}

/// Everything that a call asks: at least one question, and how often each is answered.
pub(super) struct Asking {
    /// What the call and its answer are called.
    pub(super) id: TurnId,
    /// The questions.
    pub(super) asked: Vec<Asked>,
    /// How many answers each of them gets.
    pub(super) each: u32,
}

impl Asking {
    /// Which question the answer `choice` is to.
    pub(super) fn question(&self, choice: u32) -> usize {
        usize::try_from(choice / self.each.max(1)).unwrap_or(usize::MAX)
    }

    /// The persona that is asked.
    pub(super) fn persona(&self) -> Option<&str> {
        match self.asked.first()? {
            Asked::Provider(_) => None,
            Asked::Persona(job) => job.turn.choice.persona.as_deref(),
        }
    }

    /// Whether its answers are checked.
    pub(super) fn is_checked(&self) -> bool {
        self.asked.first().is_some_and(|asked| match asked {
            Asked::Provider(relay) => relay.checked_by.is_some(),
            Asked::Persona(_) => true,
        })
    }

    fn begin(
        &self,
        choice: u32,
        conversation: &Arc<Conversation>,
        place: Place,
    ) -> Option<TurnStream> {
        Some(self.asked.get(self.question(choice))?.begin(conversation, place))
    }
}

/// The answers to a call as they come. Dropping them stops the one that is under way.
pub(super) struct Answers {
    house: Data<House>,
    pub(super) asking: Asking,
    /// Which of the answers is under way, from 0.
    pub(super) choice: u32,
    /// `None` when all have been given.
    stream: Option<TurnStream>,
    /// On whose account they are given.
    claim: Claim,
    usage: Option<Usage>,
}

impl Answers {
    /// Begins the first answer.
    pub(super) fn begin(house: Data<House>, asking: Asking, place: Place) -> Self {
        let claim = place.claim();
        let stream = asking.begin(0, &house.conversation, place);
        Self { house, asking, choice: 0, stream, claim, usage: None }
    }

    /// What the answer under way did next; its end is the last of it.
    pub(super) async fn next(&mut self) -> Vec<TurnEvent> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The same for those who wait for other things, too.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Vec<TurnEvent>> {
        let next = self.stream.as_mut().map(|stream| stream.poll_next(context));
        next.unwrap_or(Poll::Ready(None)).map(|events| {
            events.unwrap_or_else(|| {
                let message = "the turn has no end";
                vec![TurnEvent::Failed(TurnError::new(TurnErrorCode::Internal, message))]
            })
        })
    }

    /// The same, if it has come already.
    pub(super) fn ready(&mut self) -> Option<Vec<TurnEvent>> {
        self.stream.as_mut()?.try_next()
    }

    /// The answer under way, as a whole.
    ///
    /// # Errors
    /// When it comes to nothing.
    pub(super) async fn whole(&mut self) -> Result<Answer, HttpError> {
        let checked = self.asking.is_checked().then(Checked::default);
        let mut answer = Answer { checked, ..Answer::default() };
        loop {
            for event in self.next().await {
                if let Some(checked) = &mut answer.checked {
                    checked.observe(&event);
                }
                match event {
                    TurnEvent::Started { provider, .. } => answer.model = self.model(provider),
                    TurnEvent::Reasoning(text) => answer.reasoning.push_str(&text),
                    TurnEvent::Logprobs(tokens) => answer.logprobs.extend(tokens),
                    TurnEvent::Tool(delta) => answer.call(delta),
                    TurnEvent::Finished(outcome) => {
                        (answer.text, answer.reason) = (outcome.text, outcome.reason);
                        self.add(outcome.usage);
                        if self.asking.persona().is_some() {
                            // A persona's is its own.
                            answer.reasoning.clear();
                        }
                        return Ok(answer);
                    }
                    TurnEvent::Failed(error) => return Err(error.into()),
                    _ => {}
                }
            }
        }
    }

    /// Begins the next answer; `false` when all have been given.
    pub(super) fn go_on(&mut self) -> bool {
        self.choice += 1;
        self.stream = None;
        if self.asking.question(self.choice) < self.asking.asked.len() {
            // The call has one place, which the answer before has just left.
            let place = self.house.conversation.replace(&self.claim);
            self.stream = self.asking.begin(self.choice, &self.house.conversation, place);
        }
        self.stream.is_some()
    }

    /// Adds what an answer cost. Those to one question have the same prompt, which is paid for once.
    pub(super) fn add(&mut self, usage: Option<Usage>) {
        let Some(usage) = usage else { return };
        let is_first = self.choice.is_multiple_of(self.asking.each.max(1));
        let prompt_tokens = if is_first { usage.prompt_tokens } else { 0 };
        self.usage = Some(match self.usage {
            None => usage,
            Some(sum) => Usage {
                prompt_tokens: sum.prompt_tokens.saturating_add(prompt_tokens),
                completion_tokens: sum.completion_tokens.saturating_add(usage.completion_tokens),
                estimated: sum.estimated || usage.estimated,
            },
        });
    }

    /// What they cost so far, where that is known.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Who answers, by the name that a caller can ask for: the persona, or this provider.
    pub(super) fn model(&self, provider: String) -> String {
        self.asking.persona().map_or(provider, str::to_owned)
    }
}

/// One answer.
pub(super) struct Answer {
    /// Who gave it.
    pub(super) model: String,
    pub(super) text: String,
    pub(super) reasoning: String,
    /// The functions that it calls, each in one piece.
    pub(super) calls: Vec<ToolDelta>,
    pub(super) logprobs: Vec<TokenLogprob>,
    pub(super) reason: EndReason,
    /// What the check says of it, where it is checked.
    pub(super) checked: Option<Checked>,
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            model: String::new(),
            text: String::new(),
            reasoning: String::new(),
            calls: Vec::new(),
            logprobs: Vec::new(),
            reason: EndReason::Complete,
            checked: None,
        }
    }
}

impl Answer {
    /// Adds a piece of a call to the call that it belongs to.
    fn call(&mut self, delta: ToolDelta) {
        match self.calls.iter_mut().find(|call| call.index == delta.index) {
            Some(call) => call.arguments.push_str(&delta.arguments),
            None => self.calls.push(delta),
        }
    }
}
