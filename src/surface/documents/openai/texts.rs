//! Calls for texts and for vectors, and whom a call can name.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{super::others::CheckReport, CallUsage, Drawing, FinishReasonShape, StreamOptions};
/// A call for texts to be gone on with.
#[derive(Deserialize, ToSchema)]
pub(in crate::surface::documents) struct CompletionCall {
    model: Option<String>,
    prompt: Texts,
    /// Answers to each prompt.
    #[schema(minimum = 1, maximum = 10)]
    n: Option<u32>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    /// Gives the prompt back before the answer.
    echo: Option<bool>,
    /// The prompt as it stands (`true`), or as the message of a user (`false`).
    raw: Option<bool>,
    #[schema(minimum = 0, maximum = 20)]
    logprobs: Option<u8>,
    #[serde(flatten)]
    drawing: Drawing,
    user: Option<String>,
}

/// A text, or several.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(in crate::surface::documents) enum Texts {
    One(String),
    Several(Vec<String>),
}

/// Texts gone on with.
#[derive(Serialize, ToSchema)]
pub(in crate::surface::documents) struct Completion {
    id: String,
    /// `text_completion`.
    object: String,
    created: i64,
    model: String,
    choices: Vec<CompletionChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<CallUsage>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::surface::documents) struct CompletionChoice {
    index: u32,
    text: String,
    #[schema(required)]
    logprobs: Option<CompletionLogprobs>,
    finish_reason: FinishReasonShape,
    #[serde(skip_serializing_if = "Option::is_none")]
    anima: Option<CheckReport>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::surface::documents) struct CompletionLogprobs {
    tokens: Vec<String>,
    token_logprobs: Vec<f64>,
    top_logprobs: Vec<Value>,
    text_offset: Vec<usize>,
}

/// A call for vectors.
#[derive(Deserialize, ToSchema)]
pub(in crate::surface::documents) struct EmbeddingCall {
    input: Texts,
    /// A provider that makes vectors.
    model: Option<String>,
    encoding_format: Option<EncodingFormat>,
    #[schema(minimum = 1, maximum = 65536)]
    dimensions: Option<u32>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::surface::documents) enum EncodingFormat {
    Float,
    Base64,
}

/// Vectors.
#[derive(Serialize, ToSchema)]
pub(in crate::surface::documents) struct EmbeddingList {
    /// `list`.
    object: String,
    data: Vec<EmbeddingItem>,
    model: String,
    usage: EmbeddingUsage,
}

#[derive(Serialize, ToSchema)]
pub(in crate::surface::documents) struct EmbeddingItem {
    /// `embedding`.
    object: String,
    index: usize,
    embedding: EmbeddingVector,
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(in crate::surface::documents) enum EmbeddingVector {
    Numbers(Vec<f64>),
    Base64(String),
}

#[derive(Serialize, ToSchema)]
pub(in crate::surface::documents) struct EmbeddingUsage {
    prompt_tokens: u32,
    total_tokens: u32,
}

/// Whom a call can name.
#[derive(Serialize, ToSchema)]
pub(in crate::surface::documents) struct ModelList {
    /// `list`.
    object: String,
    data: Vec<Model>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::surface::documents) struct Model {
    id: String,
    /// `model`.
    object: String,
    created: i64,
    owned_by: String,
    kind: ModelKind,
    /// Whom an alias stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    /// What people call a persona.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::surface::documents) enum ModelKind {
    Provider,
    Alias,
    Persona,
}
