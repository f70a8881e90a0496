//! Why what a client sent was not done.

use super::End;
use crate::{session::CommandError, surface::error::HttpError};

/// Why what a client sent was not done.
pub(in crate::surface) enum Failure {
    /// The socket ends.
    End(End),
    /// The client is told.
    Refused(HttpError),
}

impl From<End> for Failure {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        Self::Refused(error)
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        Self::Refused(error.into())
    }
}
