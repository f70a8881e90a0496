//! Answers as one JSON object.

use actix_web::{HttpResponse, web::Data};
use anima_provider::{TokenLogprob, ToolDelta};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{super::House, HttpError, answers::Answers, call::Call, chunk::cost, finish_reason};
use crate::turn::{EndReason, TurnEvent, pipeline::Place};

/// Answers with one object.
///
/// # Errors
/// When one of the answers comes to nothing.
pub(super) async fn respond(
    house: Data<House>,
    call: Call,
    place: Place,
) -> Result<HttpResponse, HttpError> {
    let id = call.id.to_string();
    let mut answers = Answers::begin(house, call, place);
    let mut choices = Vec::new();
    let model = loop {
        let answer = collect(&mut answers).await?;
        choices.push(answer.choice(answers.choice));
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

/// One answer.
struct Answer {
    model: String,
    text: String,
    reasoning: String,
    calls: Vec<ToolDelta>,
    logprobs: Vec<TokenLogprob>,
    reason: EndReason,
}

async fn collect(answers: &mut Answers) -> Result<Answer, HttpError> {
    let mut answer = Answer {
        model: String::new(),
        text: String::new(),
        reasoning: String::new(),
        calls: Vec::new(),
        logprobs: Vec::new(),
        reason: EndReason::Complete,
    };
    loop {
        for event in answers.next().await {
            match event {
                TurnEvent::Started { provider, .. } => answer.model = answers.model(provider),
                TurnEvent::Reasoning(text) => answer.reasoning.push_str(&text),
                TurnEvent::Logprobs(tokens) => answer.logprobs.extend(tokens),
                TurnEvent::Tool(delta) => answer.call(delta),
                TurnEvent::Finished(outcome) => {
                    (answer.text, answer.reason) = (outcome.text, outcome.reason);
                    answers.add(outcome.usage);
                    if answers.call.persona().is_some() {
                        // A persona's is its own.
                        answer.reasoning.clear();
                    }
                    return Ok(answer);
                }
                TurnEvent::Failed(error) => return Err(error.into()),
                _ => {}
            }
        }
    }
}

impl Answer {
    /// Adds a piece of a call to the call that it belongs to.
    fn call(&mut self, delta: ToolDelta) {
        match self.calls.iter_mut().find(|call| call.index == delta.index) {
            Some(call) => call.arguments.push_str(&delta.arguments),
            None => self.calls.push(delta),
        }
    }

    fn choice(&self, index: u32) -> Value {
        let silent = self.text.is_empty() && !self.calls.is_empty();
        let content = if silent { Value::Null } else { json!(self.text) };
        let mut message = json!({ "role": "assistant", "content": content, "refusal": null });
        if !self.reasoning.is_empty() {
            message["reasoning_content"] = json!(self.reasoning);
        }
        if !self.calls.is_empty() {
            let calls = self.calls.iter().map(|call| {
                json!({ "id": call.id, "type": "function",
                    "function": { "name": call.name, "arguments": call.arguments } })
            });
            message["tool_calls"] = calls.collect();
        }
        let logprobs = match self.logprobs.as_slice() {
            [] => Value::Null,
            tokens => json!({ "content": tokens, "refusal": null }),
        };
        json!({ "index": index, "message": message, "logprobs": logprobs,
            "finish_reason": finish_reason(self.reason) })
    }
}
