//! The document of the native WebSocket: one channel, what is received on it and what is sent.

use serde_json::{Map, Value, json};

use super::{others::HistoryList, schemas::Schemas};
use crate::{
    surface::{
        frames::{HelloFields, HistoryFields, InterruptFields, SpokenFields, SwitchFields},
        request::TurnFields,
    },
    turn::{Outcome, Sentence, TurnError, Verdict},
};

/// A frame, by its type.
struct Frame {
    kind: &'static str,
    summary: &'static str,
    payload: Value,
}

/// The document.
pub(super) fn document() -> Value {
    let mut schemas = Schemas::default();
    let received = received(&mut schemas);
    let sent = sent(&mut schemas);
    let names = |frames: &[Frame], end: &str| -> Vec<_> {
        let reference = |frame: &Frame| json!({ "$ref": format!("#/channels/socket/messages/{}_{end}", frame.kind) });
        frames.iter().map(reference).collect()
    };
    let channel = json!({ "$ref": "#/channels/socket" });
    let operations = json!({
        "obey": { "action": "receive", "channel": channel.clone(),
            "summary": "What a client sends", "messages": names(&received, "received") },
        "tell": { "action": "send", "channel": channel,
            "summary": "What the service sends", "messages": names(&sent, "sent") },
    });
    let mut messages = Map::new();
    for (frames, end) in [(received, "received"), (sent, "sent")] {
        for Frame { kind, summary, payload } in frames {
            let message = json!({ "name": kind, "summary": summary,
                "contentType": "application/json", "payload": payload });
            messages.insert(format!("{kind}_{end}"), message);
        }
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Anima's native WebSocket",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Text frames, each one JSON object with a type. Unknown fields are passed over.",
        },
        "servers": { "here": { "host": "127.0.0.1:7871", "protocol": "ws" } },
        "defaultContentType": "application/json",
        "channels": { "socket": { "address": "/ws", "messages": messages } },
        "operations": operations,
        "components": { "schemas": schemas.into_value() },
    })
}

/// What a client sends.
fn received(schemas: &mut Schemas) -> Vec<Frame> {
    let turn = schemas.of::<TurnFields>();
    let said = json!({ "allOf": [turn.clone(), { "required": ["text"] }] });
    [
        (
            "hello",
            "Opens a session, or goes on with one; the first frame",
            schemas.of::<HelloFields>(),
        ),
        ("say", "The person said this", said.clone()),
        ("regenerate", "Answer the last exchange again", turn),
        ("speak", "Speak exactly this text", said),
        ("spoken", "Sentences up to this one were heard", schemas.of::<SpokenFields>()),
        ("interrupt", "The person cut in", schemas.of::<InterruptFields>()),
        ("switch", "Another persona or provider from now on", schemas.of::<SwitchFields>()),
        ("history", "Tell what was said", schemas.of::<HistoryFields>()),
        ("clear", "Forget what was said", json!({})),
        ("ping", "Are you there?", json!({})),
    ]
    .map(|(kind, summary, fields)| {
        let id = json!({ "description": "repeated by an error that the frame causes",
            "type": ["string", "number"] });
        let head = json!({ "type": "object", "required": ["type"],
            "properties": { "type": { "const": kind }, "id": id } });
        Frame { kind, summary, payload: json!({ "allOf": [head, fields] }) }
    })
    .into()
}

/// What the service sends.
fn sent(schemas: &mut Schemas) -> Vec<Frame> {
    let mut frames: Vec<_> = of_turns(schemas)
        .into_iter()
        .map(|(kind, summary, fields)| {
            let head = json!({ "type": "object", "required": ["type", "session", "turn", "seq"],
                "properties": { "type": { "const": kind }, "session": { "type": "string" },
                    "turn": { "type": "string" }, "seq": { "type": "integer", "minimum": 0 } } });
            Frame { kind, summary, payload: json!({ "allOf": [head, fields] }) }
        })
        .collect();
    frames.extend(of_sockets(schemas).into_iter().map(|(kind, summary, fields)| {
        let head = json!({ "type": "object", "required": ["type"],
            "properties": { "type": { "const": kind } } });
        Frame { kind, summary, payload: json!({ "allOf": [head, fields] }) }
    }));
    frames
}

type Described = (&'static str, &'static str, Value);

/// Frames of a turn.
fn of_turns(schemas: &mut Schemas) -> Vec<Described> {
    let text = object(&["text"], &json!({ "text": { "type": "string" } }));
    let flag = |value: bool| json!({ "const": value });
    vec![
        (
            "accepted",
            "The person's words are kept; exactly one of finished and failed follows",
            object(&[], &json!({ "replay": flag(true), "durable": flag(false) })),
        ),
        (
            "queued",
            "Waiting for the provider",
            object(&["ahead"], &json!({ "ahead": { "type": "integer", "minimum": 0 } })),
        ),
        (
            "started",
            "A provider is answering",
            object(
                &["provider", "model"],
                &json!({ "provider": { "type": "string" }, "model": { "type": "string" } }),
            ),
        ),
        ("delta", "A piece of the answer, for captions", text.clone()),
        ("reasoning", "A piece of the model's reasoning, where it was asked for", text),
        ("sentence", "Speak this now", schemas.of::<Sentence>()),
        ("verdict", "What the check says", schemas.of::<Verdict>()),
        ("finished", "The end of a turn that was answered or interrupted", schemas.of::<Outcome>()),
        ("failed", "The end of a turn that was not", schemas.of::<TurnError>()),
    ]
}

/// Frames that belong to no turn.
fn of_sockets(schemas: &mut Schemas) -> Vec<Described> {
    let text = || json!({ "type": "string" });
    let milliseconds = || json!({ "type": "integer", "minimum": 0 });
    vec![
        (
            "welcome",
            "The answer to the first frame",
            object(
                &["session", "resumed", "epoch", "persona", "provider", "providers", "limits"],
                &json!({ "session": text(), "resumed": { "type": "boolean" }, "epoch": text(),
                    "persona": text(), "provider": text(),
                    "providers": { "type": "array", "items": text() },
                    "limits": { "type": "object" } }),
            ),
        ),
        (
            "heard",
            "What was heard of an answer, after an interruption",
            object(&["turn", "text"], &json!({ "turn": text(), "text": text() })),
        ),
        (
            "switched",
            "Who speaks and answers from now on",
            object(&["persona", "provider"], &json!({ "persona": text(), "provider": text() })),
        ),
        ("history", "What was said", schemas.of::<HistoryList>()),
        ("cleared", "It is forgotten", json!({})),
        ("pong", "The answer to a ping", json!({})),
        (
            "goaway",
            "The service is about to end",
            object(&["time_left_ms"], &json!({ "time_left_ms": milliseconds() })),
        ),
        (
            "error",
            "A frame was not obeyed; the socket stays open",
            object(
                &["code", "message"],
                &json!({ "code": text(), "message": text(), "id": {}, "turn": text(),
                    "retry_after_ms": milliseconds() }),
            ),
        ),
    ]
}

fn object(required: &[&str], properties: &Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties })
}
