//! How likely tokens were, in the form that completions have.

use anima_provider::TokenLogprob;
use serde_json::{Map, Value, json};

/// Where the tokens of one answer stand in its text.
#[derive(Default)]
pub(super) struct Likelihoods {
    /// Characters of the tokens that were told.
    offset: usize,
}

impl Likelihoods {
    /// The next tokens of the answer; `null` where none is told.
    pub(super) fn take(&mut self, tokens: &[TokenLogprob]) -> Value {
        if tokens.is_empty() {
            return Value::Null;
        }
        let (mut texts, mut likelihoods, mut offsets) = (Vec::new(), Vec::new(), Vec::new());
        let mut likeliest = Vec::new();
        for TokenLogprob { token, top_logprobs } in tokens {
            texts.push(json!(token.token));
            likelihoods.push(json!(token.logprob));
            offsets.push(json!(self.offset));
            self.offset += token.token.chars().count();
            let top: Map<_, _> = top_logprobs
                .iter()
                .map(|other| (other.token.clone(), json!(other.logprob)))
                .collect();
            likeliest.push(Value::Object(top));
        }
        json!({ "tokens": texts, "token_logprobs": likelihoods, "top_logprobs": likeliest,
            "text_offset": offsets })
    }
}
