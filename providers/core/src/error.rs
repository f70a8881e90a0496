//! Why a provider did not answer, told apart by what the caller can do about it.

use std::time::Duration;

use thiserror::Error;

/// An underlying error of any kind, kept as the source.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a provider did not answer.
#[derive(Debug, Error)]
pub enum ProviderError {
    /// The key is missing or refused, or the account is blocked or in arrears: an operator must act,
    /// another provider may answer.
    #[error("the provider refused our key or our account")]
    Unauthorized,
    /// Too much is asked at present, by us or by our account: wait, or ask another provider.
    #[error("the provider is at its limit")]
    RateLimited {
        /// How long the provider asked us to stay away.
        retry_after: Option<Duration>,
    },
    /// The prompt does not fit: shorten the history or the question.
    #[error("the prompt has {prompt_tokens} tokens and the model's context holds {context_length}")]
    ContextOverflow {
        /// Tokens of the prompt as rendered.
        prompt_tokens: usize,
        /// Tokens that prompt and answer may have together.
        context_length: usize,
    },
    /// The provider declined on grounds of content; another attempt changes nothing.
    #[error("the provider refused to answer: {0}")]
    Refused(String),
    /// The request itself is wrong, whichever provider gets it.
    #[error("invalid request: {message}")]
    InvalidRequest {
        /// What is wrong with it.
        message: String,
    },
    /// This provider cannot do what was asked; another one may.
    #[error("the provider does not support {feature}")]
    Unsupported {
        /// What was asked for.
        feature: String,
    },
    /// Nothing came in time.
    #[error("the provider gave nothing for {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The provider is down or unreachable; another attempt may succeed.
    #[error("the provider is unavailable")]
    Unavailable(#[source] BoxError),
    /// The provider answered with something that is not an answer.
    #[error("the provider's answer could not be understood")]
    Protocol(#[source] BoxError),
}

impl ProviderError {
    /// Whether another provider may succeed where this one failed.
    pub fn is_transferable(&self) -> bool {
        !matches!(self, Self::InvalidRequest { .. } | Self::Refused(_))
    }
}
