//! What a provider says while it answers.

use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ProviderError, TokenLogprob, ToolDelta};

/// The events of one answer; see [`crate::Provider::generate`] for their order.
pub type EventStream = BoxStream<'static, Result<ProviderEvent, ProviderError>>;

/// One step of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ProviderEvent {
    /// Waiting for a free place; comes again when the number changes.
    Queued {
        /// How many requests are served before this one.
        ahead: u32,
    },
    /// The provider works on this request from now on; deadlines start here.
    Admitted {
        /// The model as the provider calls it.
        model: String,
    },
    /// A piece of the answer; never empty, cut anywhere between two characters.
    Text(String),
    /// A piece of the model's reasoning, where the provider keeps it apart from the answer.
    Reasoning(String),
    /// How likely tokens were, where that was asked for; never empty. The next [`Self::Text`] is made
    /// of them, except for what is held back for the pieces after it.
    Logprobs(Vec<TokenLogprob>),
    /// A piece of a function call, where functions were offered.
    Tool(ToolDelta),
    /// The end of the answer.
    Done {
        /// Why it ended.
        reason: FinishReason,
        /// What it cost, where the provider says.
        usage: Option<Usage>,
    },
}

/// Why a provider stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model came to its end, or a stop string was met.
    Stop,
    /// The token limit or the context was reached.
    Length,
    /// The provider's content filter cut it off.
    Filtered,
    /// Functions were called, whose results the model waits for.
    ToolCalls,
}

/// Tokens of one answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Tokens of the prompt as the model saw it.
    pub prompt_tokens: u32,
    /// Tokens of the answer.
    pub completion_tokens: u32,
    /// Counted by us and not told by the provider, because the answer was cut.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}
