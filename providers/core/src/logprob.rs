//! How likely the tokens of an answer were.

use serde::{Deserialize, Serialize};

/// A token of an answer, and what might have come in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// The token that came.
    #[serde(flatten)]
    pub token: Likelihood,
    /// The likeliest tokens in this place, the likeliest first, as many as were asked for.
    #[serde(default)]
    pub top_logprobs: Vec<Likelihood>,
}

/// How likely a token was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Likelihood {
    /// The token as text; broken characters are replaced.
    pub token: String,
    /// The natural logarithm of its probability.
    pub logprob: f64,
    /// The token as it is, which may be a part of a character.
    #[serde(default)]
    pub bytes: Option<Vec<u8>>,
}
