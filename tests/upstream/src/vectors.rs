//! Texts as vectors.

use serde_json::{Value, json};

use crate::{Plan, http::Call};

/// Directions that have no meaning.
const OTHERS: usize = 5;

/// Vectors for the texts of a call, the last one first: a client has to go by their numbers. Each says
/// which of the plan's meanings are in its text; where there are none, it has the length of the text
/// in bytes and the first of them.
pub(crate) fn embeddings(call: &Call, plan: &Plan) -> Value {
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let texts = body["input"].as_array().cloned().unwrap_or_default();
    let numbers = |text: &str| match plan.meanings.as_slice() {
        [] => json!([text.len(), text.bytes().next().unwrap_or_default(), 0.5]),
        meanings => {
            let text = text.to_lowercase();
            let of = |words: &Vec<String>| words.iter().filter(|word| text.contains(*word)).count();
            // A text that says nothing of any of them has a direction, too, and not that of all others.
            let rest =
                (0..OTHERS).map(|place| if text.len() % OTHERS == place { 0.1 } else { 0.0 });
            meanings.iter().map(|words| json!(of(words))).chain(rest.map(|it| json!(it))).collect()
        }
    };
    let vector = |(index, text): (usize, &Value)| {
        let numbers = numbers(text.as_str().unwrap_or_default());
        json!({ "object": "embedding", "index": index, "embedding": numbers })
    };
    let data: Vec<_> = texts.iter().enumerate().rev().map(vector).collect();
    let tokens: usize = texts.iter().filter_map(Value::as_str).map(str::len).sum();
    let usage = json!({ "prompt_tokens": tokens, "total_tokens": tokens });
    json!({ "object": "list", "model": body["model"], "data": data, "usage": usage })
}
