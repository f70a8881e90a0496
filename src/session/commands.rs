//! What can be asked of a session, and what it answers.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::oneshot;
use tracing::Span;

use super::{EventLog, Playback};
use crate::{
    access::Claim,
    history::{Exchange, HistoryError, Replaces, SessionSettings},
    turn::{SessionId, Turn, TurnError, TurnId},
};

/// How a socket comes to a session.
#[derive(Debug, Clone, Default)]
pub struct Hello {
    /// It only watches.
    pub observes: bool,
    /// What it tells about playback.
    pub playback: Playback,
    /// The last event it received before.
    pub resume_from: Option<u64>,
    /// The log that event was in; unknown to clients that do not keep it.
    pub epoch: Option<u64>,
    /// Settings it asks for.
    pub settings: SessionSettings,
}

/// A socket's place in a session.
#[derive(Debug)]
pub struct Attached {
    /// The session.
    pub session: SessionId,
    /// Its events.
    pub log: Arc<EventLog>,
    /// The first event to send.
    pub from: u64,
    /// Whether everything since [`Hello::resume_from`] is still there.
    pub resumed: bool,
    /// The session's settings.
    pub settings: SessionSettings,
    /// Changes when a newer socket takes the session over; for observers it never does.
    pub taken_over: tokio::sync::watch::Receiver<u64>,
    /// The value of `taken_over` that is this socket's own.
    pub ticket: u64,
}

/// A turn handed to a session.
#[derive(Debug)]
pub struct Submission {
    /// The turn; its task is that of the last exchange when it replaces one.
    pub turn: Turn,
    /// Whether the answer takes the place of the last one.
    pub replaces: Replaces,
    /// What was heard of the answer before, when the client says so.
    pub heard: Option<String>,
    /// What whoever asks may use, or why nothing; a stored answer is told all the same.
    pub claim: Result<Claim, TurnError>,
}

/// A turn that the session has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submitted {
    /// Where its `accepted` is in the log.
    pub from: u64,
    /// How it was taken.
    pub replayed: Replayed,
}

/// How a turn was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replayed {
    /// It is new.
    No,
    /// It was answered before and its answer is told again.
    Stored,
    /// It is being answered, and the caller joins.
    Joined,
}

/// What was heard of a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The turn.
    pub turn: TurnId,
    /// What was heard of it.
    pub text: String,
}

/// Why a session did not do as asked.
#[derive(Debug, Error)]
pub enum CommandError {
    /// The turn id belongs to other content.
    #[error("this turn id was used for something else")]
    TurnIdConflict,
    /// There is no such turn, or nothing to answer again.
    #[error("there is no such turn")]
    TurnNotFound,
    /// There is no answer that another could take the place of.
    #[error("there is no question to answer again")]
    NothingToRegenerate,
    /// The turn is being answered by another process of the service.
    #[error("another process is answering this turn")]
    RunningElsewhere {
        /// When to ask again: it will have been answered, or left to us.
        wait: Duration,
    },
    /// The request is wrong.
    #[error(transparent)]
    Turn(#[from] TurnError),
    /// The store did not do its part.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The service is ending.
    #[error("the service is shutting down")]
    ShuttingDown,
}

/// Where the answer to a command goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, CommandError>>;

/// What the actor of a session is told.
#[derive(Debug)]
pub(super) enum Command {
    Attach { hello: Hello, reply: Reply<Attached> },
    Submit { submission: Box<Submission>, asked: Span, reply: Reply<Submitted> },
    Spoken { turn: TurnId, sentence: u32, reply: Reply<()> },
    Interrupt { turn: Option<TurnId>, heard: Option<String>, reply: Reply<Told> },
    Configure { settings: SessionSettings, reply: Reply<SessionSettings> },
    Recent { limit: usize, reply: Reply<Vec<Exchange>> },
    Clear { reply: Reply<()> },
    Delete { reply: Reply<()> },
}
