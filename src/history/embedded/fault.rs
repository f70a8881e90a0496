//! What can go wrong with a history file, in words for the operator.

use std::io;

use anima_provider::BoxError;
use redb::{CommitError, DatabaseError, StorageError, TableError, TransactionError};
use thiserror::Error;

use crate::history::HistoryError;

/// Why a history file cannot be used.
#[derive(Debug, Error)]
pub(super) enum Fault {
    #[error("the history file {path} is in use by another process")]
    Locked { path: String },
    #[error(
        "the history file {path} was written by a newer version: it has schema {found}, this one knows {known}"
    )]
    Newer { path: String, found: u64, known: u64 },
    #[error(
        "{path} is not a history file, or is damaged; move it away to start with an empty one: {reason}"
    )]
    Damaged { path: String, reason: String },
    #[error("the history file {path} cannot be opened")]
    Inaccessible {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("the history could not be written: {0}")]
    Unwritten(String),
    #[error("nobody knows whether the history was written: {0}")]
    Unacknowledged(String),
    #[error("the history file is being opened again after an error")]
    Reopening,
    #[error("the history has been closed")]
    Closed,
}

impl Fault {
    /// Tells what redb found wrong while it opened `path`.
    pub(super) fn opening(path: &str, error: DatabaseError) -> Self {
        let path = path.to_owned();
        match error {
            DatabaseError::DatabaseAlreadyOpen => Self::Locked { path },
            DatabaseError::Storage(StorageError::Io(source)) if !is_about_content(&source) => {
                Self::Inaccessible { path, source }
            }
            other => Self::Damaged { path, reason: other.to_string() },
        }
    }
}

/// Whether an I/O error says that the file holds something else than it should.
fn is_about_content(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof
    )
}

impl From<Fault> for HistoryError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unacknowledged(_) => Self::Unacknowledged(Box::new(fault)),
            fault => Self::Unavailable(Box::new(fault)),
        }
    }
}

/// Why an operation was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was refused before it changed anything: the transaction goes on.
    Refused(HistoryError),
    /// A row makes no sense: the transaction is given up, the file stays open.
    Damaged(BoxError),
    /// The file failed: it has to be opened again.
    Storage(BoxError),
}

impl Failure {
    /// A row is missing that another one speaks of.
    pub(super) fn missing(what: &str) -> Self {
        Self::Damaged(format!("the {what} is missing").into())
    }
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        Self::Refused(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Damaged(Box::new(error))
    }
}

impl From<Failure> for HistoryError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => error,
            Failure::Damaged(source) | Failure::Storage(source) => Self::Unavailable(source),
        }
    }
}

macro_rules! storage_failure {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::Storage(Box::new(error))
            }
        })*
    };
}

storage_failure!(StorageError, TableError, TransactionError, CommitError);
