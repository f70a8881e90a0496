//! What the check says of a sentence.

use std::{ops::Range, time::Duration};

use serde::{Deserialize, Serialize};

use crate::triage::NotCheckable;

/// The outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The evidence says so.
    Supported,
    /// The evidence does not say so.
    Unsupported,
    /// The evidence says otherwise.
    Contradicted,
    /// It could not be decided.
    Uncertain,
    /// Nothing in it can be true or false: a greeting, a question.
    NotCheckable,
    /// Nobody looked.
    Unchecked,
}

/// Why a sentence is not supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// The evidence does not have this number.
    UnsupportedNumber,
    /// The evidence has this number, of something else.
    MisplacedNumber,
    /// The evidence does not have this date.
    UnsupportedDate,
    /// The evidence has this number in another unit.
    UnsupportedUnit,
    /// The evidence does not have this name.
    UnsupportedName,
    /// One denies what the other says.
    NegationFlip,
    /// The evidence says the opposite word.
    Antonym,
    /// Too little of the sentence is in the evidence.
    LowCoverage,
}

/// One reason, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// What it is.
    pub code: ReasonCode,
    /// The bytes of the sentence that it is about.
    pub span: Range<usize>,
    /// These bytes as text.
    pub value: String,
    /// What the evidence has there instead, where it has something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
}

/// Who gave a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Whether there is something to check at all.
    Triage,
    /// The comparison of words.
    Lexical,
    /// A model that was asked.
    Judge,
}

/// A verdict on one sentence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What was found.
    pub status: Status,
    /// By whom.
    pub layer: Layer,
    /// How likely the sentence is unsupported; `None` where nobody could say.
    pub probability: Option<f64>,
    /// Why, with places.
    pub reasons: Vec<Reason>,
    /// The passages that support the sentence, or say otherwise.
    pub sources: Vec<String>,
    /// The sentence as the evidence has it. To be shown, never to be spoken.
    pub suggestion: Option<String>,
    /// Why there is nothing to check, where there is not.
    pub not_checkable: Option<NotCheckable>,
    /// A better judge should look, where there is one.
    pub escalate: bool,
    /// What it took.
    pub latency: Duration,
}
