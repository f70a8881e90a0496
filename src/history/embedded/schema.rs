//! What the file holds.
//!
//! What was asked and what was answered are separate rows, so that the words (and the images
//! beside them) are written once and an answer may be written many times.

use jiff::Timestamp;
use redb::TableDefinition;
use serde::{Deserialize, Serialize};

use crate::history::{Answer, ExchangeState, NewTurn, Replaces, SessionRecord};
use crate::turn::{Task, TurnId};

/// The version of the tables below.
pub(super) const SCHEMA: u64 = 1;

/// Where [`META`] keeps the schema version.
pub(super) const SCHEMA_KEY: &str = "schema";

/// Where [`META`] keeps the fence given out last. It is one for all sessions, so that a session
/// that is deleted and made again never meets a fence of its former life.
pub(super) const FENCE_KEY: &str = "fence";

/// Where [`META`] is written to by a health check.
pub(super) const PROBE_KEY: &str = "probe";

/// A few numbers by name.
pub(super) const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");

/// Session → [`SessionRow`].
pub(super) const SESSIONS: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("sessions");

/// Session and turn → [`TurnRow`].
pub(super) const TURNS: TableDefinition<'static, (&str, &str), &[u8]> =
    TableDefinition::new("turns");

/// Session and position → [`ExchangeRow`].
pub(super) const EXCHANGES: TableDefinition<'static, (&str, u64), &[u8]> =
    TableDefinition::new("exchanges");

/// When a session was last used, in microseconds, and the session.
pub(super) const USED: TableDefinition<'static, (i64, &str), ()> = TableDefinition::new("used");

/// A tenant's name (empty for the default one), when one of its sessions was last used, in microseconds,
/// and the session: [`USED`] for those who ask for the sessions of one tenant.
pub(super) const LISTED: TableDefinition<'static, (&str, i64, &str), ()> =
    TableDefinition::new("listed");

/// A day, counted from the beginning of 1970, and a name → turns and tokens used.
pub(super) const USAGE: TableDefinition<'static, (i64, &str), (u64, u64)> =
    TableDefinition::new("usage");

/// A day, a name and who adds to it → the number of what was added last.
pub(super) const ADDED: TableDefinition<'static, (i64, &str, u64), u64> =
    TableDefinition::new("added");

/// A session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SessionRow {
    /// What people see of it.
    pub record: SessionRecord,
    /// The position that the next exchange takes; positions are never used twice.
    pub next: u64,
    /// The number of the valid fence.
    pub fence: u64,
    /// What the valid fence was given for.
    pub attempt: Option<Attempt>,
}

/// An attempt to answer; a session has at most one that is running.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Attempt {
    /// The turn.
    pub turn: TurnId,
    /// Where its exchange is, or will be.
    pub position: u64,
    /// Whether there is an older answer.
    pub stands: Stands,
    /// When it was opened.
    pub begun_at: Timestamp,
    /// Whether it has not ended.
    pub running: bool,
}

/// Where an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stands {
    /// In its place.
    InPlace,
    /// Beside the exchange that it is to replace.
    Beside,
}

/// What was asked under an id.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TurnRow {
    /// Where its exchange is.
    pub position: u64,
    /// The task; `None` when that of another turn was to be done again.
    pub task: Option<Task>,
    /// The turn whose task that is.
    pub task_of: Option<TurnId>,
    /// See [`NewTurn::options`].
    pub options: String,
    /// See [`NewTurn::replaces`].
    pub replaces: Replaces,
    /// It was to replace an exchange and has not: the exchange at its position is another's.
    pub waiting: bool,
}

impl TurnRow {
    /// Whether `turn` asks for the same.
    pub(super) fn is_for(&self, turn: &NewTurn) -> bool {
        self.task == turn.task && self.options == turn.options && self.replaces == turn.replaces
    }
}

/// How an exchange stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ExchangeRow {
    /// The turn that is answered here.
    pub turn: TurnId,
    /// How it stands.
    pub state: ExchangeState,
    /// When the words were kept.
    pub asked_at: Timestamp,
    /// What was answered.
    pub answer: Answer,
    /// What was heard of it.
    pub heard: Option<String>,
    /// Other ids that belong here: of answers replaced, and of such as did not come to be.
    pub others: Vec<TurnId>,
}

impl ExchangeRow {
    /// A turn of which nothing is answered yet.
    pub(super) fn running(turn: TurnId, asked_at: Timestamp) -> Self {
        Self {
            turn,
            state: ExchangeState::Running,
            asked_at,
            answer: Answer::default(),
            heard: None,
            others: Vec::new(),
        }
    }
}
