//! The shapes of `OpenAI`'s calls, which are read parameter by parameter and written by hand.
#![expect(dead_code, reason = "these types are there for their schemas")]

mod texts;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::others::CheckReport;

pub(super) use texts::{
    Completion, CompletionCall, EmbeddingCall, EmbeddingList, Model, ModelList,
};

/// A call for the next message of a conversation. Unknown fields and `null` are passed over.
#[derive(Deserialize, ToSchema)]
pub(super) struct ChatCall {
    /// A provider, an alias or a persona; absent: the default provider.
    model: Option<String>,
    messages: Messages,
    /// Answers, one after the other.
    #[schema(minimum = 1, maximum = 10)]
    n: Option<u32>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    #[serde(flatten)]
    drawing: Drawing,
    tools: Option<Vec<ToolOffer>>,
    /// `auto`, `none`, `required`, or a function by its name.
    tool_choice: Option<Value>,
    /// `{"type": "text" | "json_object" | "json_schema"}`.
    response_format: Option<Value>,
    /// A JSON schema, or the text of one.
    guided_json: Option<Value>,
    guided_regex: Option<String>,
    guided_choice: Option<Vec<String>>,
    logprobs: Option<bool>,
    #[schema(minimum = 0, maximum = 20)]
    top_logprobs: Option<u8>,
    /// Whose turn it is in a queue.
    user: Option<String>,
    anima: Option<AnimaWish>,
}

/// What is asked of Anima itself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AnimaWish {
    /// Whether a provider's answer is checked, which changes nothing of it.
    check: Option<AnimaCheck>,
    /// What the answer is held against beside the messages; a persona may rest on it.
    knowledge: Option<Vec<String>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum AnimaCheck {
    Annotate,
    Off,
}

/// Parameters by which an answer is drawn.
#[derive(Deserialize, ToSchema)]
pub(super) struct Drawing {
    #[schema(minimum = 0, maximum = 2)]
    temperature: Option<f64>,
    #[schema(exclusive_minimum = 0, maximum = 1)]
    top_p: Option<f64>,
    /// -1 and 0: all.
    #[schema(minimum = -1)]
    top_k: Option<i64>,
    #[schema(minimum = 0, maximum = 1)]
    min_p: Option<f64>,
    #[schema(exclusive_minimum = 0, maximum = 10)]
    repetition_penalty: Option<f64>,
    #[schema(minimum = -2, maximum = 2)]
    frequency_penalty: Option<f64>,
    #[schema(minimum = -2, maximum = 2)]
    presence_penalty: Option<f64>,
    #[schema(minimum = 1)]
    max_tokens: Option<u64>,
    #[schema(minimum = 1)]
    max_completion_tokens: Option<u64>,
    stop: Option<Stop>,
    /// `false`: greedy.
    do_sample: Option<bool>,
}

/// Texts at which an answer ends: one, or up to 4.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Stop {
    One(String),
    Several(Vec<String>),
}

/// A conversation; a text is what the user says.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Messages {
    Text(String),
    List(Vec<ChatMessage>),
}

/// A message of a conversation.
#[derive(Deserialize, ToSchema)]
pub(super) struct ChatMessage {
    role: ChatRole,
    /// A text, or parts of the types `text` and `image_url`.
    content: Option<Value>,
    tool_calls: Option<Vec<ToolCallShape>>,
    tool_call_id: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChatRole {
    System,
    Developer,
    User,
    Assistant,
    Tool,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct ToolOffer {
    /// `function`.
    r#type: String,
    function: FunctionOffer,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct FunctionOffer {
    name: String,
    description: Option<String>,
    /// A JSON schema of the arguments.
    parameters: Option<Value>,
    strict: Option<bool>,
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct ToolCallShape {
    id: String,
    /// `function`.
    r#type: String,
    function: FunctionCall,
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct FunctionCall {
    name: String,
    /// JSON, as the model wrote it.
    arguments: String,
}

/// Answers to a conversation.
#[derive(Serialize, ToSchema)]
pub(super) struct ChatCompletion {
    id: String,
    /// `chat.completion`.
    object: String,
    /// In seconds since 1970.
    created: i64,
    /// The provider or persona that answered.
    model: String,
    choices: Vec<ChatChoice>,
    /// Where the provider tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<CallUsage>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ChatChoice {
    index: u32,
    message: AnswerMessage,
    #[schema(required)]
    logprobs: Option<ChatLogprobs>,
    finish_reason: FinishReasonShape,
    #[serde(skip_serializing_if = "Option::is_none")]
    anima: Option<CheckReport>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct AnswerMessage {
    /// `assistant`; with `server.openai.whole_conversation` also those of the call.
    role: String,
    #[schema(required)]
    content: Option<String>,
    #[schema(required)]
    refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<Vec<ToolCallShape>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum FinishReasonShape {
    Stop,
    Length,
    ContentFilter,
    ToolCalls,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ChatLogprobs {
    content: Vec<TokenShape>,
    #[schema(required)]
    refusal: Option<Value>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct TokenShape {
    token: String,
    logprob: f64,
    #[schema(required)]
    bytes: Option<Vec<u8>>,
    top_logprobs: Vec<LikelihoodShape>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct LikelihoodShape {
    token: String,
    logprob: f64,
    #[schema(required)]
    bytes: Option<Vec<u8>>,
}

/// What a call cost.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names that are on the wire")]
pub(super) struct CallUsage {
    prompt_tokens: u32,
    completion_tokens: u32,
    total_tokens: u32,
}
