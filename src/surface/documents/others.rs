//! The shapes of what is neither `OpenAI`'s nor has a type of its own.
#![expect(dead_code, reason = "these types are there for their schemas")]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    history::SessionRecord,
    turn::{EndReason, Sentence, Verdict, VerdictStatus},
};

/// An error.
#[derive(Serialize, ToSchema)]
pub(super) struct Failure {
    error: FailureFields,
}

#[derive(Serialize, ToSchema)]
pub(super) struct FailureFields {
    /// A sentence for people.
    message: String,
    r#type: String,
    /// The parameter that it is about.
    #[schema(required)]
    param: Option<String>,
    code: String,
}

/// A call of Linly-Talker's server.
#[derive(Deserialize, ToSchema)]
pub(super) struct LinlyCall {
    prompt: String,
    /// Pairs of question and answer.
    history: Option<Value>,
    /// Most tokens; 0: the default.
    max_length: Option<f64>,
    top_p: Option<f64>,
    temperature: Option<f64>,
    /// The conversation that it belongs to.
    session: Option<String>,
}

/// What it answers, errors included.
#[derive(Serialize, ToSchema)]
pub(super) struct LinlyAnswer {
    response: String,
    /// 200, or the status of the error.
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<CheckReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What the check says of a persona's answer.
#[derive(Serialize, ToSchema)]
pub(super) struct CheckReport {
    /// The one that speaks most against the answer.
    status: VerdictStatus,
    /// Of each sentence, with its `text`.
    verdicts: Vec<Verdict>,
}

/// A question to Linly-Talker's second server.
#[derive(Deserialize, ToSchema)]
pub(super) struct TalkerQuestion {
    question: String,
    model_name: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct TalkerAnswer {
    answer: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct TalkerMessage {
    message: String,
}

/// An error of it.
#[derive(Serialize, ToSchema)]
pub(super) struct TalkerFailure {
    detail: String,
}

/// A call of vLLM's old server.
#[derive(Deserialize, ToSchema)]
pub(super) struct GenerateCall {
    prompt: String,
    stream: Option<bool>,
    model: Option<String>,
    #[schema(minimum = 1, maximum = 10)]
    n: Option<u32>,
    #[schema(minimum = 1, maximum = 10)]
    best_of: Option<u32>,
    #[schema(minimum = 0, maximum = 2)]
    temperature: Option<f64>,
    #[schema(exclusive_minimum = 0, maximum = 1)]
    top_p: Option<f64>,
    /// -1: all.
    top_k: Option<i64>,
    #[schema(minimum = 0, maximum = 1)]
    min_p: Option<f64>,
    #[schema(minimum = -2, maximum = 2)]
    presence_penalty: Option<f64>,
    #[schema(minimum = -2, maximum = 2)]
    frequency_penalty: Option<f64>,
    #[schema(exclusive_minimum = 0, maximum = 2)]
    repetition_penalty: Option<f64>,
    #[schema(minimum = 1)]
    max_tokens: Option<u64>,
    stop: Option<super::openai::Stop>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct GenerateAnswer {
    /// Each prompt with what follows it.
    text: Vec<String>,
}

/// A call of the generator of texts.
#[derive(Deserialize, ToSchema)]
pub(super) struct GeneratorCall {
    context: String,
    #[schema(minimum = -1)]
    maxlength: i64,
    #[schema(minimum = 0, maximum = 10)]
    samples: u32,
}

#[derive(Serialize, ToSchema)]
pub(super) struct GeneratorAnswer {
    result: GeneratorResult,
    /// In seconds.
    time: f64,
}

/// Texts; to a blank context the text `[]`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum GeneratorResult {
    Texts(Vec<String>),
    Nothing(String),
}

#[derive(Serialize, ToSchema)]
pub(super) struct SessionList {
    sessions: Vec<SessionRecord>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct HistoryList {
    exchanges: Vec<ExchangeShape>,
}

/// A turn as it is kept.
#[derive(Serialize, ToSchema)]
pub(super) struct ExchangeShape {
    turn: String,
    position: u64,
    /// `null` where the digital human spoke of itself.
    #[schema(required)]
    said: Option<String>,
    state: String,
    asked_at: String,
    #[schema(required)]
    text: Option<String>,
    #[schema(required)]
    heard: Option<String>,
    #[schema(required)]
    reason: Option<EndReason>,
    sentences: Vec<Sentence>,
    verdicts: Vec<Verdict>,
    #[schema(required)]
    provider: Option<String>,
    #[schema(required)]
    model: Option<String>,
    #[schema(required)]
    error: Option<Value>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Interrupted {
    turn: String,
    /// What was heard of its answer.
    heard: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Alive {
    status: String,
    version: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Readiness {
    ready: bool,
    /// What is missing.
    reasons: Vec<String>,
    store: String,
    draining: bool,
    providers: Vec<String>,
    /// By name: `ready`, `resting`, `loading` or `failed`.
    provider_states: BTreeMap<String, String>,
    running_turns: usize,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ProviderReports {
    providers: Vec<Value>,
    loading: Vec<Value>,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct DefaultChange {
    provider: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct DefaultChanged {
    default: String,
}
