//! What became of an attempt at a provider.

use std::time::Duration;

use anima_provider::ProviderError;
use serde::{Deserialize, Serialize};

/// What became of an attempt at a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It answered.
    Answered,
    /// It was given up: the person cut in, or another provider was faster.
    GivenUp,
    /// The queue before it was full.
    QueueFull,
    /// It refused our key or our account.
    Unauthorized,
    /// It is at its limit.
    RateLimited,
    /// The prompt does not fit.
    ContextOverflow,
    /// It declined on grounds of content.
    Refused,
    /// The request is wrong.
    InvalidRequest,
    /// It cannot do what was asked.
    Unsupported,
    /// Nothing came in time.
    Timeout,
    /// It is down.
    Unavailable,
    /// What it said is no answer.
    Protocol,
}

impl Ending {
    /// All of them, in the order in which they are counted.
    pub(super) const ALL: [Self; 12] = [
        Self::Answered,
        Self::GivenUp,
        Self::QueueFull,
        Self::Unauthorized,
        Self::RateLimited,
        Self::ContextOverflow,
        Self::Refused,
        Self::InvalidRequest,
        Self::Unsupported,
        Self::Timeout,
        Self::Unavailable,
        Self::Protocol,
    ];

    /// The ending that an error is. A limit that is told before admission is that of our own queue.
    pub(super) fn of(error: &ProviderError, admitted: bool) -> Self {
        match error {
            ProviderError::Unauthorized => Self::Unauthorized,
            ProviderError::RateLimited { .. } if admitted => Self::RateLimited,
            ProviderError::RateLimited { .. } => Self::QueueFull,
            ProviderError::ContextOverflow { .. } => Self::ContextOverflow,
            ProviderError::Refused(_) => Self::Refused,
            ProviderError::InvalidRequest { .. } => Self::InvalidRequest,
            ProviderError::Unsupported { .. } => Self::Unsupported,
            ProviderError::Timeout(_) => Self::Timeout,
            ProviderError::Unavailable(_) => Self::Unavailable,
            ProviderError::Protocol(_) => Self::Protocol,
        }
    }

    /// Its name in metrics and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::GivenUp => "given_up",
            Self::QueueFull => "queue_full",
            Self::Unauthorized => "unauthorized",
            Self::RateLimited => "rate_limited",
            Self::ContextOverflow => "context_overflow",
            Self::Refused => "refused",
            Self::InvalidRequest => "invalid_request",
            Self::Unsupported => "unsupported",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Protocol => "protocol",
        }
    }

    /// Why a provider is left alone, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Unauthorized => "it refuses our key or our account",
            Self::RateLimited => "it is at its limit",
            Self::Timeout => "it gave nothing in time",
            Self::Protocol => "its answers could not be understood",
            _ => "it is unavailable",
        }
    }

    /// Whether it says that something is wrong with the provider. Content that is refused and
    /// requests that are wrong say nothing about it, and neither does our own queue.
    pub fn is_failure(self) -> bool {
        matches!(
            self,
            Self::Unauthorized
                | Self::RateLimited
                | Self::Timeout
                | Self::Unavailable
                | Self::Protocol
        )
    }

    /// Whether it says that the provider is well: it declined, as it would have answered.
    pub(super) fn is_answer(self) -> bool {
        matches!(self, Self::Answered | Self::Refused)
    }
}

/// How long a provider asked us to stay away.
pub(super) fn asked_rest(error: &ProviderError) -> Option<Duration> {
    match error {
        ProviderError::RateLimited { retry_after } => *retry_after,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_has_a_place_of_its_own_and_one_name() {
        for (place, ending) in Ending::ALL.into_iter().enumerate() {
            assert_eq!(ending as usize, place);
            assert_eq!(serde_json::to_value(ending).unwrap(), ending.name());
        }
    }

    #[test]
    fn a_limit_before_admission_is_our_own() {
        let limit = ProviderError::RateLimited { retry_after: None };
        assert_eq!(Ending::of(&limit, false), Ending::QueueFull);
        assert_eq!(Ending::of(&limit, true), Ending::RateLimited);
        assert!(!Ending::QueueFull.is_failure() && Ending::RateLimited.is_failure());
    }
}
