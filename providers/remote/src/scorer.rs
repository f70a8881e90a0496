//! How likely texts are, by servers that repeat a prompt with the likelihoods of its tokens (vLLM and
//! its like).

use std::time::Duration;

use anima_provider::{ProviderError, Scorer};
use async_trait::async_trait;
use reqwest::{Client, header::HeaderMap};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    secret::Blotter,
    wire::{self, Answer},
};

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_mins(1);

/// Asks for a completion of nothing that repeats its prompt. It is one request at a time and stands
/// in no queue.
pub(crate) struct EchoScorer {
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) http: Client,
    pub(crate) blotter: Blotter,
    pub(crate) model: String,
}

#[async_trait]
impl Scorer for EchoScorer {
    async fn score(&self, text: &str) -> Result<Vec<f64>, ProviderError> {
        let body = json!({
            "model": self.model,
            "prompt": text,
            "max_tokens": 0,
            "temperature": 0,
            "echo": true,
            "logprobs": 1,
        });
        let request = self.http.post(&self.url).headers(self.headers.clone()).json(&body);
        let answer = async {
            let response = request.send().await.map_err(wire::broken)?;
            wire::accept(response, &self.blotter).await
        };
        let answer =
            timeout(DEADLINE, answer).await.map_err(|_| ProviderError::Timeout(DEADLINE))?;
        let Answer::Whole(answer) = answer? else {
            return Err(ProviderError::Protocol("it streamed what was asked for whole".into()));
        };
        let answer: Value = serde_json::from_slice(&answer)
            .map_err(|_| ProviderError::Protocol("it sent no JSON".into()))?;
        likelihoods(&answer["choices"][0]["logprobs"], text.chars().count())
    }
}

/// Reads the likelihoods of the tokens that begin within the first `characters`; what comes after is
/// a completion, which some servers make although none is asked for.
fn likelihoods(logprobs: &Value, characters: usize) -> Result<Vec<f64>, ProviderError> {
    let none = || ProviderError::Unsupported { feature: "likelihoods of a prompt".to_owned() };
    let values = logprobs["token_logprobs"].as_array().ok_or_else(none)?;
    let offsets = logprobs["text_offset"].as_array();
    let within = |at: usize| {
        let offset = offsets.and_then(|offsets| offsets.get(at)).and_then(Value::as_u64);
        offset.is_none_or(|offset| usize::try_from(offset).is_ok_and(|at| at < characters))
    };
    let mut likelihoods = Vec::new();
    for (at, value) in values.iter().enumerate().filter(|(at, _)| within(*at)) {
        match value.as_f64() {
            Some(value) if value.is_finite() && value <= 0.0 => likelihoods.push(value),
            // The first token comes after nothing.
            None if value.is_null() && at == 0 => {}
            _ => return Err(ProviderError::Protocol("a likelihood is no logarithm".into())),
        }
    }
    Ok(likelihoods)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tokens_of_the_text_count() {
        let logprobs =
            json!({ "token_logprobs": [null, -1.5, -0.5, -9.0], "text_offset": [0, 1, 2, 3] });
        assert_eq!(likelihoods(&logprobs, 3).unwrap(), [-1.5, -0.5]);
        let without_offsets = json!({ "token_logprobs": [-0.1, -1.5] });
        assert_eq!(likelihoods(&without_offsets, 3).unwrap(), [-0.1, -1.5]);
        assert!(matches!(likelihoods(&Value::Null, 3), Err(ProviderError::Unsupported { .. })));
        for wrong in [json!([null, null]), json!([0.5]), json!([null, "x"])] {
            let wrong = json!({ "token_logprobs": wrong });
            assert!(matches!(likelihoods(&wrong, 3), Err(ProviderError::Protocol(_))), "{wrong}");
        }
    }
}
