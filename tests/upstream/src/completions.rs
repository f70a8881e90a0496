//! The old completions, as far as prompts are repeated with the likelihoods of their tokens.

use serde_json::{Value, json};

use crate::http::Call;

/// Repeats the prompt, where the request asks for that; every character is a token, and their
/// likelihoods are −0.5, −1, −1.5 in turn. As vLLM does, the first one has none.
pub(crate) fn echo(call: &Call) -> Value {
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let prompt = body["prompt"].as_str().filter(|_| body["echo"] == true).unwrap_or_default();
    let tokens: Vec<String> = prompt.chars().map(String::from).collect();
    let likelihoods = [-0.5, -1.0, -1.5].into_iter().cycle().map(|value| json!(value));
    let likelihoods: Vec<Value> =
        std::iter::once(Value::Null).chain(likelihoods).take(tokens.len()).collect();
    let offsets: Vec<usize> = (0..tokens.len()).collect();
    let logprobs = json!({
        "tokens": tokens,
        "token_logprobs": likelihoods,
        "text_offset": offsets,
        "top_logprobs": null,
    });
    let told = body["logprobs"].is_number() && body["max_tokens"] == 0;
    json!({
        "id": "cmpl-1",
        "object": "text_completion",
        "model": body["model"],
        "choices": [{
            "index": 0,
            "text": prompt,
            "finish_reason": "length",
            "logprobs": if told { logprobs } else { Value::Null },
        }],
        "usage": { "prompt_tokens": tokens.len(), "completion_tokens": 0, "total_tokens": tokens.len() },
    })
}
