//! Answers as one JSON object.

use actix_web::{HttpResponse, web::Data};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::{
        House,
        answers::{Answer, Answers},
    },
    HttpError,
    call::Call,
    chunk::cost,
    finish_reason,
};
use crate::turn::pipeline::Place;

/// Answers with one object. Its choices begin with what was `told` before, which is nothing where a
/// choice is an answer.
///
/// # Errors
/// When one of the answers comes to nothing.
pub(super) async fn respond(
    house: Data<House>,
    call: Call,
    place: Place,
    told: Vec<Value>,
) -> Result<HttpResponse, HttpError> {
    let id = call.asking.id.to_string();
    let mut answers = Answers::begin(house, call.asking, place);
    let before = u32::try_from(told.len()).unwrap_or(u32::MAX);
    let mut choices = told;
    let model = loop {
        let answer = answers.whole().await?;
        choices.push(choice(&answer, before.saturating_add(answers.choice)));
        if !answers.go_on() {
            break answer.model;
        }
    };
    let mut whole = json!({
        "id": format!("chatcmpl-{id}"),
        "object": "chat.completion",
        "created": Timestamp::now().as_second(),
        "model": model,
        "choices": choices,
    });
    if let Some(usage) = answers.usage() {
        whole["usage"] = cost(usage);
    }
    Ok(HttpResponse::Ok().insert_header(("x-request-id", id)).json(whole))
}

/// An answer as one of the choices.
fn choice(answer: &Answer, index: u32) -> Value {
    let silent = answer.text.is_empty() && !answer.calls.is_empty();
    let content = if silent { Value::Null } else { json!(answer.text) };
    let mut message = json!({ "role": "assistant", "content": content, "refusal": null });
    if !answer.reasoning.is_empty() {
        message["reasoning_content"] = json!(answer.reasoning);
    }
    if !answer.calls.is_empty() {
        let calls = answer.calls.iter().map(|call| {
            json!({ "id": call.id, "type": "function",
                "function": { "name": call.name, "arguments": call.arguments } })
        });
        message["tool_calls"] = calls.collect();
    }
    let logprobs = match answer.logprobs.as_slice() {
        [] => Value::Null,
        tokens => json!({ "content": tokens, "refusal": null }),
    };
    let mut choice = json!({ "index": index, "message": message, "logprobs": logprobs,
        "finish_reason": finish_reason(answer.reason) });
    if let Some(checked) = &answer.checked {
        choice["anima"] = checked.report();
    }
    choice
}
