//! What was said, kept.
//!
//! A [`HistoryStore`] keeps sessions and their exchanges. It is the one place that decides
//! whether a turn is new: [`HistoryStore::begin`] is atomic, and what it acknowledged survives a
//! crash.

#[cfg(test)]
pub(crate) mod contract;
pub mod embedded;
pub mod redis;
mod rules;
mod usage;

use std::time::Duration;

use anima_provider::BoxError;
use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

pub use usage::{Addition, MOST_COUNTERS, Used};

use crate::turn::{
    Earlier, Outcome, Sentence, SessionId, Task, Tenant, TurnError, TurnId, Verdict,
};

/// A turn about to begin.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTurn {
    /// Its id.
    pub id: TurnId,
    /// What it is to do. `None` does that of the exchange named in `replaces` again.
    pub task: Option<Task>,
    /// What else of the request must be equal for it to be the same turn (style, provider, …), as
    /// canonical text.
    pub options: String,
    /// The exchange that the new answer takes the place of, once it has finished.
    pub replaces: Replaces,
    /// What was heard of the last exchange; it is settled with this when the turn is opened. When
    /// that exchange is still running it ends with what had been released.
    pub settles: Option<Settlement>,
    /// How many earlier exchanges [`Begun::New`] brings along at most.
    pub recent: usize,
    /// Settings of the session, should this turn be its first.
    pub settings: SessionSettings,
    /// Whether the caller is answering this very turn. When it is not and the store holds the turn
    /// as running, its answer was lost on the way (the acknowledgement of its `begin` came too
    /// late, say), and it opens again.
    pub running_here: bool,
}

/// Whether a new answer takes the place of an old one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replaces {
    /// A new exchange.
    #[default]
    Nothing,
    /// The last exchange of the session, which stands until the new answer has finished.
    Last,
}

/// How an exchange stands when the next turn begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    /// The exchange.
    pub turn: TurnId,
    /// What was heard; `None` means all of it.
    pub heard: Option<String>,
    /// What had been released, when the turn is still running.
    pub running: Option<Answer>,
    /// The [`Fence::number`] under which this is known. Once that is void somebody else has settled
    /// the exchange, and this is passed over; without one it is believed.
    pub fence: Option<u64>,
}

/// The answer of [`HistoryStore::begin`].
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    /// The turn is kept and to be answered.
    New(Box<Opened>),
    /// It was answered before: tell the stored answer again.
    Replay(Box<Exchange>),
    /// It is being answered now, by the caller.
    Running,
    /// It is being answered now by another process, which has shown a sign of life within its lease.
    Elsewhere {
        /// When the lease runs out, if it is not renewed.
        wait: Duration,
    },
    /// The id belongs to other content.
    Conflict,
    /// There is no exchange to answer again, or it is not an answer but a text that was spoken.
    NothingToReplace,
}

/// A turn that was opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// Its place in the session, from 0.
    pub position: u64,
    /// What it is to do; that of the old exchange for an answer that replaces one.
    pub task: Task,
    /// Earlier exchanges, oldest first, with their settlement applied; none that is still running
    /// or was never answered at all.
    pub recent: Vec<Exchange>,
    /// The session's settings.
    pub settings: SessionSettings,
    /// What [`HistoryStore::finish`] must show.
    pub fence: Fence,
}

/// Proof of being the one who runs a session's current turn; a later `begin` makes it void, at
/// whichever process, and so does [`HistoryStore::clear`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The session.
    pub session: SessionId,
    /// Rises with each turn begun, and is never given out twice, not even after
    /// [`HistoryStore::delete`].
    pub number: u64,
}

/// The stored form of a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// Its id.
    pub turn: TurnId,
    /// Its place in the session, from 0.
    pub position: u64,
    /// What it was to do.
    pub task: Task,
    /// See [`NewTurn::options`].
    #[serde(default)]
    pub options: String,
    /// How it stands.
    pub state: ExchangeState,
    /// When the person's words were kept.
    pub asked_at: Timestamp,
    /// What was answered; empty while it runs.
    #[serde(default)]
    pub answer: Answer,
    /// What was heard of the answer; `None` means all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<String>,
}

impl Exchange {
    /// The exchange as a later turn's model is shown it.
    pub fn as_earlier(&self) -> Earlier {
        let said = match &self.task {
            Task::Answer { said, .. } => said.as_str().to_owned(),
            Task::Speak { .. } => String::new(),
        };
        Earlier {
            said,
            heard: self.heard().to_owned(),
            emotion: self.answer.sentences.first().map(|sentence| sentence.emotion),
        }
    }

    /// What was heard of the answer.
    pub fn heard(&self) -> &str {
        let released = self.answer.outcome.as_ref().map_or("", |outcome| outcome.text.as_str());
        self.heard.as_deref().unwrap_or(released)
    }
}

/// How an exchange stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExchangeState {
    /// Being answered.
    Running,
    /// Answered, fully or until an interruption or limit; its answer can be told again.
    Finished,
    /// The answer failed; the same id runs again.
    Failed,
    /// The service ended while it was being answered; the same id runs again.
    Incomplete,
}

/// What was answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The sentences released.
    #[serde(default)]
    pub sentences: Vec<Sentence>,
    /// What the check said of them.
    #[serde(default)]
    pub verdicts: Vec<Verdict>,
    /// The provider that answered, by its name in the configuration.
    #[serde(default)]
    pub provider: String,
    /// The model, as the provider calls it.
    #[serde(default)]
    pub model: String,
    /// How it ended, when it was answered.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// Why it was not answered, when it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<TurnError>,
}

/// A change to an exchange after it finished.
#[derive(Debug, Clone, PartialEq)]
pub enum Amendment {
    /// What was heard of it; `None` means all.
    Heard(Option<String>),
    /// Verdicts that came late; they replace earlier ones on the same sentence.
    Verdicts(Vec<Verdict>),
}

/// Choices that hold for a session until changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionSettings {
    /// The persona by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persona: Option<String>,
    /// The provider by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

/// What is known of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SessionRecord {
    /// Its id.
    #[schema(value_type = String)]
    pub id: SessionId,
    /// A name for people; the beginning of the first words until somebody gives one.
    pub title: String,
    /// When it began.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// When something last happened in it.
    #[schema(value_type = String)]
    pub updated_at: Timestamp,
    /// Number of exchanges kept.
    pub exchanges: u64,
    /// Its settings.
    pub settings: SessionSettings,
}

/// Why the store did not do as asked.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// The session is not there.
    #[error("there is no such session")]
    SessionNotFound,
    /// The turn is not there.
    #[error("there is no such turn")]
    TurnNotFound,
    /// Another turn has begun since; the change was not made.
    #[error("another turn has begun since")]
    Fenced,
    /// More is being written than the store can keep up with: come back later.
    #[error("the store is overloaded")]
    Overloaded,
    /// The store cannot be reached, read or written; nothing was changed.
    #[error("the store is unavailable")]
    Unavailable(#[source] BoxError),
    /// The store gave no answer: nobody knows whether the change was made.
    #[error("the store did not acknowledge")]
    Unacknowledged(#[source] BoxError),
}

/// Keeps sessions and their exchanges.
///
/// Whatever a method acknowledges with `Ok` survives a crash of the service.
#[async_trait]
pub trait HistoryStore: Send + Sync {
    /// Opens a turn, atomically.
    ///
    /// A known id changes nothing and is told as [`Begun::Replay`], [`Begun::Running`],
    /// [`Begun::Elsewhere`] or [`Begun::Conflict`]; what else was asked under it decides which, also
    /// after its exchange was replaced. One whose exchange failed or was left incomplete opens again
    /// in its old position, and so does one whose process has let its lease run out.
    /// A new one takes the next position, or waits beside the exchange it replaces.
    ///
    /// Opening, for the first time or again, first settles what came before and makes earlier
    /// fences void. What is running without a settlement is left incomplete; a waiting answer
    /// takes its place if something of it had been released, and is dropped if not. The session
    /// is created when it is not there.
    ///
    /// # Errors
    /// [`HistoryError::Overloaded`], [`HistoryError::Unavailable`] and
    /// [`HistoryError::Unacknowledged`], as all that write. After the last one the turn may have begun,
    /// and what was running may have ended with its settlement: it must not go on. The same turn can
    /// be begun again.
    async fn begin(&self, session: &SessionId, turn: &NewTurn) -> Result<Begun, HistoryError>;

    /// Keeps the answer of a turn; the same answer may be kept twice.
    ///
    /// An answer with an error leaves the exchange as failed. One that replaces an exchange does so
    /// only when it has an outcome, and not when it was interrupted before anything was said;
    /// otherwise the old answer stands, and the same id runs again.
    ///
    /// # Errors
    /// [`HistoryError::Fenced`] when another turn has begun since, [`HistoryError::TurnNotFound`]
    /// when the fence is not this turn's, [`HistoryError::SessionNotFound`].
    async fn finish(
        &self,
        fence: &Fence,
        turn: &TurnId,
        answer: &Answer,
    ) -> Result<(), HistoryError>;

    /// Changes an exchange after it finished. With the fence of a later turn an earlier exchange can
    /// be changed, too.
    ///
    /// # Errors
    /// [`HistoryError::Fenced`] when another turn has begun since the fence was given,
    /// [`HistoryError::TurnNotFound`] when the turn is being answered or was replaced.
    async fn amend(
        &self,
        fence: &Fence,
        turn: &TurnId,
        change: &Amendment,
    ) -> Result<(), HistoryError>;

    /// How often a running turn has to be renewed; `None` where no other process could take it.
    fn renewal(&self) -> Option<Duration> {
        None
    }

    /// Says that the turn of this fence is still being answered.
    ///
    /// # Errors
    /// [`HistoryError::Fenced`] when another turn has begun since, [`HistoryError::SessionNotFound`].
    async fn renew(&self, _fence: &Fence) -> Result<(), HistoryError> {
        Ok(())
    }

    /// The newest `limit` exchanges, oldest first, however they stand.
    ///
    /// # Errors
    /// [`HistoryError::SessionNotFound`] when the session is not there.
    async fn recent(
        &self,
        session: &SessionId,
        limit: usize,
    ) -> Result<Vec<Exchange>, HistoryError>;

    /// The exchange of a turn, however it stands; `None` when there is none, or when another answer
    /// took its place.
    async fn exchange(
        &self,
        session: &SessionId,
        turn: &TurnId,
    ) -> Result<Option<Exchange>, HistoryError>;

    /// The exchange of the turn that was begun last, with the fence it was given: what somebody needs
    /// who goes on with a session that another began. `None` when that turn is still being answered,
    /// when its answer did not come to stand, or when there is no such turn any more.
    async fn last(&self, session: &SessionId) -> Result<Option<(Exchange, Fence)>, HistoryError>;

    /// What is known of a session.
    async fn session(&self, session: &SessionId) -> Result<Option<SessionRecord>, HistoryError>;

    /// Creates a session, or leaves one that is there as it is.
    async fn create(
        &self,
        session: &SessionId,
        settings: &SessionSettings,
    ) -> Result<SessionRecord, HistoryError>;

    /// Sessions of a tenant, the one last used first, at most `limit` of them after skipping `skip`.
    async fn list(
        &self,
        tenant: &Tenant,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<SessionRecord>, HistoryError>;

    /// Gives a session a name; that is not a use of it.
    ///
    /// # Errors
    /// [`HistoryError::SessionNotFound`] when the session is not there.
    async fn rename(&self, session: &SessionId, title: &str)
    -> Result<SessionRecord, HistoryError>;

    /// Changes the session's settings.
    ///
    /// # Errors
    /// [`HistoryError::SessionNotFound`] when the session is not there.
    async fn configure(
        &self,
        session: &SessionId,
        settings: &SessionSettings,
    ) -> Result<SessionRecord, HistoryError>;

    /// Forgets the exchanges of a session and keeps the session. Positions go on rising.
    ///
    /// # Errors
    /// [`HistoryError::SessionNotFound`] when the session is not there.
    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError>;

    /// Forgets a session.
    ///
    /// # Errors
    /// [`HistoryError::SessionNotFound`] when the session is not there.
    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError>;

    /// Adds to what was used under a name in a day, and tells the sum of all that was added to it. What
    /// was added already is not added again. What was used in earlier days is forgotten.
    ///
    /// # Errors
    /// As all that write; after [`HistoryError::Unacknowledged`] it may have been added.
    async fn count(&self, day: i64, name: &str, addition: Addition) -> Result<Used, HistoryError>;

    /// Whether the store can be written to now.
    async fn health(&self) -> Result<(), HistoryError>;
}
