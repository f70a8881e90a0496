//! What the loop is to find an answer for.

use super::{Job, Relay};
use crate::turn::{Task, TurnId, UserText, knowledge::Passage};

/// What is to be done.
pub(super) enum Errand {
    /// Answer a turn, or speak.
    Turn {
        /// The turn.
        job: Box<Job>,
        /// What the persona's knowledge has on it; `None` where nothing was looked up.
        known: Option<Vec<Passage>>,
    },
    /// Pass a request through.
    Relay(Relay),
}

impl Errand {
    /// Notes what the persona's knowledge has on a turn.
    pub(super) fn rest_on(&mut self, passages: Option<Vec<Passage>>) {
        if let Self::Turn { known, .. } = self {
            *known = passages;
        }
    }

    /// What it is called.
    pub(super) fn id(&self) -> &TurnId {
        match self {
            Self::Turn { job, .. } => &job.turn.id,
            Self::Relay(relay) => &relay.id,
        }
    }

    /// What is to be spoken as it stands.
    pub(super) fn words(&self) -> Option<&UserText> {
        match self {
            Self::Turn { job, .. } => match &job.turn.task {
                Task::Speak { text } => Some(text),
                Task::Answer { .. } => None,
            },
            Self::Relay(_) => None,
        }
    }
}
