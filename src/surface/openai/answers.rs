//! The answers to a call, one after the other.

use actix_web::web::Data;
use anima_provider::Usage;

use super::{super::House, call::Call};
use crate::turn::{
    TurnError, TurnErrorCode, TurnEvent,
    pipeline::{Place, TurnStream},
};

/// The answers to a call as they come. Dropping them stops the one that is under way.
pub(super) struct Answers {
    house: Data<House>,
    pub(super) call: Call,
    /// Which of the answers is under way, from 0.
    pub(super) choice: u32,
    stream: TurnStream,
    usage: Option<Usage>,
}

impl Answers {
    /// Begins the first answer.
    pub(super) fn begin(house: Data<House>, call: Call, place: Place) -> Self {
        let stream = call.begin(&house.conversation, place);
        Self { house, call, choice: 0, stream, usage: None }
    }

    /// What the answer under way did next; its end is the last of it.
    pub(super) async fn next(&mut self) -> Vec<TurnEvent> {
        self.stream.next().await.unwrap_or_else(|| {
            let message = "the turn has no end";
            vec![TurnEvent::Failed(TurnError::new(TurnErrorCode::Internal, message))]
        })
    }

    /// The same, if it has come already.
    pub(super) fn ready(&mut self) -> Option<Vec<TurnEvent>> {
        self.stream.try_next()
    }

    /// Begins the next answer; `false` when all have been given.
    pub(super) fn go_on(&mut self) -> bool {
        self.choice += 1;
        let wanted = self.choice < self.call.choices;
        if wanted {
            // The call has one place, which the answer before has just left.
            let place = self.house.conversation.replace();
            self.stream = self.call.begin(&self.house.conversation, place);
        }
        wanted
    }

    /// Adds what an answer cost. All of them have the same prompt, which is paid for once.
    pub(super) fn add(&mut self, usage: Option<Usage>) {
        let Some(usage) = usage else { return };
        self.usage = Some(match self.usage {
            None => usage,
            Some(sum) => Usage {
                completion_tokens: sum.completion_tokens.saturating_add(usage.completion_tokens),
                estimated: sum.estimated || usage.estimated,
                ..sum
            },
        });
    }

    /// What they cost so far, where that is known.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Who answers, by the name that a caller can ask for: the persona, or this provider.
    pub(super) fn model(&self, provider: String) -> String {
        self.call.persona().map_or(provider, str::to_owned)
    }
}
