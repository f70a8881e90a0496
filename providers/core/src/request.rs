//! What is asked of a provider.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{Output, Sampling, Tool, ToolCall, ToolChoice};

/// One request to a provider.
///
/// [`Request::new`] asks for a plain text; what goes beyond that is set on top of it. Whoever asks
/// looks first at what the provider [lacks](crate::Capabilities::lacks).
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What the model sees.
    pub input: Input,
    /// How the answer is drawn.
    pub sampling: Sampling,
    /// Whose request this is; providers that queue serve the lanes in turn.
    pub lane: LaneId,
    /// What form the answer has.
    pub output: Output,
    /// Functions that the model may call instead of answering.
    pub tools: Vec<Tool>,
    /// Whether it calls one of them.
    pub tool_choice: ToolChoice,
    /// Tells how likely each token was, and so many of the likeliest in its place.
    pub logprobs: Option<u8>,
    /// Further parameters, by the names that a server gives them: `seed`, `chat_template_kwargs`. A
    /// server's provider puts them into its body, and every other one refuses them.
    pub extra: Map<String, Value>,
    /// What continues the trace of whoever asks, as the value of a header `traceparent`; a server's
    /// provider sends it along.
    pub traceparent: Option<String>,
}

impl Request {
    /// A request for a plain text.
    pub fn new(input: Input, sampling: Sampling, lane: LaneId) -> Self {
        Self {
            input,
            sampling,
            lane,
            output: Output::default(),
            tools: Vec::new(),
            tool_choice: ToolChoice::default(),
            logprobs: None,
            extra: Map::new(),
            traceparent: None,
        }
    }
}

/// What the model sees.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A conversation, rendered by the provider's own chat template.
    Chat {
        /// Who the model is and how it answers.
        system: Option<String>,
        /// The conversation, oldest first; the last one is to be answered.
        messages: Vec<Message>,
    },
    /// A finished prompt, continued as it stands.
    Text {
        /// The prompt in pieces, joined without anything between them.
        parts: Vec<TextPart>,
    },
}

impl Input {
    /// What the person said last. A finished prompt in which no words are marked is all theirs.
    pub fn said(&self) -> String {
        match self {
            Self::Chat { messages, .. } => messages
                .iter()
                .rfind(|message| message.role == Role::User)
                .map(|message| message.text.clone())
                .unwrap_or_default(),
            Self::Text { parts } => {
                let marked = parts.iter().rev().find_map(|part| match part {
                    TextPart::Said(text) => Some(text.clone()),
                    TextPart::Template(_) => None,
                });
                marked.unwrap_or_else(|| parts.iter().map(TextPart::as_str).collect())
            }
        }
    }

    /// What came before [`Input::said`]: a line for each message of a conversation, which begins with
    /// its role (`user: …`), or the beginning of a finished prompt as it stands.
    pub fn shown(&self) -> String {
        match self {
            Self::Chat { messages, .. } => {
                let last = messages.iter().rposition(|message| message.role == Role::User);
                let lines = messages
                    .iter()
                    .take(last.unwrap_or(0))
                    .map(|message| format!("{}: {}", message.role.as_str(), message.text));
                lines.collect::<Vec<_>>().join("\n")
            }
            Self::Text { parts } => {
                let last = parts.iter().rposition(|part| matches!(part, TextPart::Said(_)));
                parts.iter().take(last.unwrap_or(0)).map(TextPart::as_str).collect()
            }
        }
    }
}

/// A piece of a finished prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextPart {
    /// Written by us: special tokens in it are meant.
    Template(String),
    /// Said by a person: special tokens in it are plain text.
    Said(String),
}

impl TextPart {
    /// The text, whoever wrote it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Template(text) | Self::Said(text) => text,
        }
    }
}

/// Who speaks in a [`Message`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person.
    User,
    /// The digital human.
    Assistant,
    /// Whoever set the conversation up, in the middle of it; at its beginning that is
    /// [`Input::Chat::system`].
    System,
    /// A function that was called.
    Tool,
}

impl Role {
    /// The name that chat templates and servers know it by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::System => "system",
            Self::Tool => "tool",
        }
    }
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said; of [`Role::Tool`], what the function gave back.
    pub text: String,
    /// What is shown along with it.
    pub images: Vec<Image>,
    /// Functions that were called with this message; only of [`Role::Assistant`].
    pub tool_calls: Vec<ToolCall>,
    /// The [`ToolCall::id`] that this is the result of; only of [`Role::Tool`].
    pub tool_call_id: Option<String>,
}

impl Message {
    /// A message of text alone.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            text: text.into(),
            images: Vec::new(),
            tool_calls: Vec::new(),
            tool_call_id: None,
        }
    }
}

/// A picture as a `data:` URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Image(pub String);

/// Whose request this is, for fair queueing: a session, or one id for each stateless caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LaneId(pub String);
