//! The vocabulary of a turn, and the stages that a turn goes through.
//!
//! A [`Turn`] is what a person said; [`TurnEvent`]s are everything that is done to answer it. The
//! stages are plain state machines (`push`, `finish`) without I/O; [`pipeline`] is the one path
//! that joins them.

pub mod brevity;
pub mod check;
pub mod cut;
pub mod emotion;
pub mod filter;
pub mod knowledge;
pub mod pipeline;
pub mod prompt;
pub mod sentence;
pub mod speech;
pub mod stages;
pub mod think;

mod id;
mod tenant;
mod verdict;
mod words;

pub use id::{InvalidId, TurnId};
pub use tenant::{InvalidTenant, SessionId, Tenant};
pub use verdict::{CheckAction, Correction, Span, Verdict, VerdictLayer, VerdictStatus};
pub use words::{InvalidText, UserText};

use anima_provider::{Image, Sampling, TokenLogprob, ToolDelta, Usage};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

/// One thing a person said, or one text to speak, and how it is to be answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// Chosen by the client, or generated; the same id is never answered twice in a session.
    pub id: TurnId,
    /// What is to be answered or spoken.
    pub task: Task,
    /// What the model is shown of the conversation.
    pub context: Context,
    /// Who answers, and how.
    pub choice: Choice,
}

/// What a turn is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Answer what the person said.
    Answer {
        /// The person's words.
        said: UserText,
        /// What the person showed along with them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        images: Vec<Image>,
    },
    /// Speak exactly this text; no model is asked.
    Speak {
        /// The words to speak.
        text: UserText,
    },
}

impl Task {
    /// The words that came in with the turn.
    pub fn text(&self) -> &str {
        match self {
            Self::Answer { said, .. } => said.as_str(),
            Self::Speak { text } => text.as_str(),
        }
    }
}

/// What the model is shown of the conversation so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Context {
    /// Earlier exchanges that the caller brought along; `None` means the session's own memory.
    pub supplied: Option<Vec<Earlier>>,
    /// How many earlier exchanges to show at most; `None` leaves it to the persona.
    pub turns: Option<u32>,
    /// Facts that the answer may rest on, brought along by the caller.
    pub knowledge: Vec<String>,
}

/// An earlier exchange as the model is shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// What the person said; empty when the digital human spoke of itself.
    pub said: String,
    /// What was heard of the answer; empty when nothing was.
    pub heard: String,
    /// The emotion that the answer began with, where it is known.
    pub emotion: Option<Emotion>,
}

/// Who answers and how; what is absent is chosen by session, persona and configuration in turn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Choice {
    /// A provider or alias by name.
    pub provider: Option<String>,
    /// A persona by name.
    pub persona: Option<String>,
    /// A prompt style by name.
    pub style: Option<String>,
    /// How the answer is drawn.
    pub sampling: Sampling,
    /// Drawn so where neither the request nor the persona says; a surface's own defaults.
    pub surface_sampling: Sampling,
}

/// The unit that an avatar speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sentence {
    /// Position in the answer, from 0.
    pub index: u32,
    /// What to show. All sentence texts joined are the answer.
    pub text: String,
    /// What to say aloud; empty when nothing in the text can be spoken.
    pub speech: String,
    /// How to look while saying it.
    pub emotion: Emotion,
    /// What to do while saying it.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// Where the statement comes from.
    #[serde(default)]
    pub sources: Vec<String>,
}

/// A gesture that the model asked for, by the avatar's own name for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Action(pub String);

/// How the digital human looks while it speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Emotion {
    /// Nothing in particular; also any tag that is not known.
    #[default]
    Neutral,
    /// Glad, amused, encouraging.
    Joy,
    /// Soothing, gentle.
    Calm,
    /// Sad, sympathetic.
    Sad,
    /// Astonished.
    Surprise,
    /// Apologetic.
    Sorry,
    /// Interested, thinking.
    Curious,
    /// Proud, confident.
    Proud,
    /// Angry, annoyed.
    Anger,
    /// Afraid, worried.
    Fear,
}

impl Emotion {
    /// The emotions that a model is told it may mark: those that suit a host.
    pub const TAUGHT: [Self; 8] = [
        Self::Neutral,
        Self::Joy,
        Self::Calm,
        Self::Sad,
        Self::Surprise,
        Self::Sorry,
        Self::Curious,
        Self::Proud,
    ];
}

/// Everything that is done to answer a turn, in the order `Accepted · Queued* · Started ·
/// (Delta | Sentence | Verdict)* · (Finished | Failed)`.
#[derive(Debug, Clone, PartialEq)]
pub enum TurnEvent {
    /// The person's words are kept; exactly one terminal event follows.
    Accepted {
        /// The answer is a stored one, told again.
        replay: bool,
        /// `false` when the turn goes on although the store could not keep it.
        durable: bool,
    },
    /// Waiting for the provider.
    Queued {
        /// How many are served before.
        ahead: u32,
    },
    /// A provider is answering.
    Started {
        /// Its name in the configuration.
        provider: String,
        /// The model as the provider calls it.
        model: String,
    },
    /// A piece of released text, for captions.
    Delta(String),
    /// A piece of the model's reasoning.
    Reasoning(String),
    /// How likely the tokens of the deltas were; only of answers that are passed through.
    Logprobs(Vec<TokenLogprob>),
    /// A piece of a function call; only of answers that are passed through.
    Tool(ToolDelta),
    /// A sentence to speak now.
    Sentence(Sentence),
    /// What the check says.
    Verdict(Verdict),
    /// The end of a turn that was answered, or interrupted.
    Finished(Outcome),
    /// The end of a turn that was not.
    Failed(TurnError),
}

impl TurnEvent {
    /// Whether this is the last event of its turn.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Finished(_) | Self::Failed(_))
    }
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Outcome {
    /// Why it ended.
    pub reason: EndReason,
    /// What was released: all deltas joined, and all sentence texts joined.
    pub text: String,
    /// What was heard of it, where that is known to differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<String>,
    /// What it cost, where the provider told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// How long it took.
    pub timing: Timing,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Everything was said.
    Complete,
    /// The person cut in.
    Interrupted,
    /// The token limit or the context was reached.
    Length,
    /// A content filter cut it off.
    Filtered,
    /// Functions were called, whose results the model waits for; only of answers that are passed
    /// through.
    ToolCalls,
}

/// How long the parts of a turn took, in milliseconds from acceptance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Timing {
    /// Until the provider began to work.
    pub queued_ms: u64,
    /// Until the first piece of text came from the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_ms: Option<u64>,
    /// Until the first sentence was released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_sentence_ms: Option<u64>,
    /// Until the end.
    pub total_ms: u64,
}

/// Why a turn was not answered, told apart by what the caller can do.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize, ToSchema)]
#[error("{message}")]
pub struct TurnError {
    /// What kind of failure it is.
    pub code: TurnErrorCode,
    /// A sentence for people; holds no secret and nothing of the conversation.
    pub message: String,
    /// When another attempt makes sense, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// The kinds of failure of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TurnErrorCode {
    /// The request is wrong; the same request fails again.
    InvalidRequest,
    /// The named provider, persona or style does not exist.
    #[serde(rename = "model_not_found")]
    NotFound,
    /// The provider cannot do what was asked.
    Unsupported,
    /// The prompt does not fit into the model's context.
    #[serde(rename = "context_length_exceeded")]
    ContextOverflow,
    /// The provider declined on grounds of content.
    #[serde(rename = "content_filter")]
    Refused,
    /// Too much is asked at present: come back later.
    Overloaded,
    /// The caller asks more often than it may: come back later.
    RateLimited,
    /// The caller has used up what it may in a day.
    QuotaExceeded,
    /// The provider's key is missing or refused: an operator must act.
    #[serde(rename = "provider_auth")]
    ProviderUnauthorized,
    /// The provider gave nothing in time.
    ProviderTimeout,
    /// The provider is down or its answer made no sense.
    ProviderUnavailable,
    /// The store could not keep the turn.
    StoreUnavailable,
    /// The service is shutting down.
    ShuttingDown,
    /// A fault of ours.
    #[serde(rename = "internal_error")]
    Internal,
}

impl TurnError {
    /// An error without a hint when to come back.
    pub fn new(code: TurnErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after_ms: None }
    }

    /// What a log may say of it: a refusal is told in the model's own words, and these are an answer.
    pub fn loggable(&self) -> &str {
        if self.code == TurnErrorCode::Refused {
            "the provider refused to answer"
        } else {
            &self.message
        }
    }
}
