//! How an attempt fails, and what that means for its turn.

use std::time::Duration;

use anima_provider::ProviderError;

use crate::{
    registry::{Entry, health::Pass},
    turn::{TurnError, TurnErrorCode},
};

/// How an attempt failed.
#[derive(Debug)]
pub(in super::super) enum AttemptError {
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

/// What a failure of the provider means for the turn; it is noted.
pub(super) fn failure(
    entry: &Entry,
    pass: Option<&mut Pass>,
    error: &ProviderError,
    admitted: bool,
    committed: bool,
) -> AttemptError {
    let told = TurnError::from_provider(entry.provider.name(), error);
    if let Some(pass) = pass {
        pass.failed(error, told.loggable());
    }
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

/// How long to stay away from a provider that is at its limit and does not say.
pub(in super::super) const RETRY_AFTER: Duration = Duration::from_secs(2);

/// How long a turn waits at most for a provider that is at its limit.
const SHORT_WAIT: Duration = Duration::from_secs(2);
