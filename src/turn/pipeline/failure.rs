//! What a failure below means for the turn.

use std::{error::Error, time::Duration};

use anima_provider::ProviderError;
use tracing::debug;

use super::attempt::RETRY_AFTER;
use crate::turn::{TurnError, TurnErrorCode, prompt::PromptError};

impl TurnError {
    /// The failure of a turn whose provider failed. What the provider said of itself may hold
    /// addresses or keys, so it goes to the log (at debug) and not into the message.
    pub(crate) fn from_provider(name: &str, error: &ProviderError) -> Self {
        debug!(provider.name = name, source = ?error.source(), "{name} failed: {error}");
        let code = match error {
            ProviderError::Unauthorized => TurnErrorCode::ProviderUnauthorized,
            ProviderError::RateLimited { .. } => TurnErrorCode::Overloaded,
            ProviderError::ContextOverflow { .. } => TurnErrorCode::ContextOverflow,
            ProviderError::Refused(_) => TurnErrorCode::Refused,
            ProviderError::InvalidRequest { .. } => TurnErrorCode::InvalidRequest,
            ProviderError::Unsupported { .. } => TurnErrorCode::Unsupported,
            ProviderError::Timeout(_) => TurnErrorCode::ProviderTimeout,
            ProviderError::Unavailable(_) | ProviderError::Protocol(_) => {
                TurnErrorCode::ProviderUnavailable
            }
        };
        let wait = match error {
            ProviderError::RateLimited { retry_after } => Some(retry_after.unwrap_or(RETRY_AFTER)),
            ProviderError::Timeout(_) | ProviderError::Unavailable(_) => Some(RETRY_AFTER),
            _ => None,
        };
        let retry_after_ms =
            wait.map(|wait: Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        Self { code, message: format!("{name}: {error}"), retry_after_ms }
    }
}

impl From<PromptError> for TurnError {
    fn from(error: PromptError) -> Self {
        let code = match &error {
            PromptError::Unknown(_) => TurnErrorCode::NotFound,
            PromptError::Unsupported { .. } => TurnErrorCode::Unsupported,
            PromptError::Template { .. } | PromptError::File { .. } => TurnErrorCode::Internal,
        };
        Self::new(code, error.to_string())
    }
}
