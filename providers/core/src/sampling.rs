//! How an answer is drawn from a model.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How an answer is drawn from the model. An absent value leaves the choice to whoever comes
/// next: request, persona, surface, provider, model, strongest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// Randomness, 0 (greedy) to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Probability mass to draw from, over 0 and at most 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Number of likeliest tokens to draw from; 0 means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// Least probability relative to the likeliest token, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Divides the score of tokens already seen; 1 changes nothing, over 0 and at most 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f64>,
    /// Lowers tokens by how often they were used, −2 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// Lowers tokens that were used at all, −2 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// Most tokens of the answer, at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Texts at which the answer ends; they are not part of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

impl Sampling {
    /// Fills what is absent here from `weaker`; stop strings of both apply.
    #[must_use]
    pub fn or(self, weaker: &Self) -> Self {
        let mut stop = self.stop;
        for text in &weaker.stop {
            if !stop.contains(text) {
                stop.push(text.clone());
            }
        }
        Self {
            temperature: self.temperature.or(weaker.temperature),
            top_p: self.top_p.or(weaker.top_p),
            top_k: self.top_k.or(weaker.top_k),
            min_p: self.min_p.or(weaker.min_p),
            repetition_penalty: self.repetition_penalty.or(weaker.repetition_penalty),
            frequency_penalty: self.frequency_penalty.or(weaker.frequency_penalty),
            presence_penalty: self.presence_penalty.or(weaker.presence_penalty),
            max_tokens: self.max_tokens.or(weaker.max_tokens),
            stop,
        }
    }

    /// Checks every value against its range.
    ///
    /// # Errors
    /// The name of the first value that is out of range, and its legal range in words.
    pub fn validate(&self) -> Result<(), (&'static str, &'static str)> {
        let within = |value: Option<f64>, low: f64, high: f64| {
            value.is_none_or(|value| value.is_finite() && (low..=high).contains(&value))
        };
        if !within(self.temperature, 0.0, 2.0) {
            return Err(("temperature", "0 to 2"));
        }
        if !within(self.top_p, 0.0, 1.0) || self.top_p == Some(0.0) {
            return Err(("top_p", "over 0 and at most 1"));
        }
        if !within(self.min_p, 0.0, 1.0) {
            return Err(("min_p", "0 to 1"));
        }
        if !within(self.repetition_penalty, f64::MIN_POSITIVE, 10.0) {
            return Err(("repetition_penalty", "over 0 and at most 10"));
        }
        if !within(self.frequency_penalty, -2.0, 2.0) {
            return Err(("frequency_penalty", "-2 to 2"));
        }
        if !within(self.presence_penalty, -2.0, 2.0) {
            return Err(("presence_penalty", "-2 to 2"));
        }
        if self.max_tokens == Some(0) {
            return Err(("max_tokens", "at least 1"));
        }
        if self.stop.len() > 8
            || self.stop.iter().any(|text| text.is_empty() || text.chars().count() > 64)
        {
            return Err(("stop", "at most 8 texts of 1 to 64 characters"));
        }
        Ok(())
    }
}
