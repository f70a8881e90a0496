//! OpenAI's Responses API: events by name, with a number each.

use serde_json::{Value, json};

use super::{CREATED, Question};

impl Question {
    /// What comes before the first piece: the response, what was thought about it, and a message that
    /// is empty so far.
    pub(super) fn response_opening(&self, thoughts: &[&str]) -> Vec<Value> {
        let begun = self.response("in_progress", &json!([]), None);
        let mut events = vec![
            json!({ "type": "response.created", "response": begun }),
            json!({ "type": "response.in_progress", "response": begun }),
        ];
        if !thoughts.is_empty() {
            events.extend(self.reasoning(thoughts));
        }
        events.extend([
            item_event("added", self.message_index(), &self.message("in_progress", None)),
            self.part("response.content_part.added", json!({ "part": output_text("") })),
        ]);
        events
    }

    /// A piece of the answer.
    pub(super) fn response_piece(&self, text: &str) -> Value {
        self.part("response.output_text.delta", json!({ "delta": text, "logprobs": [] }))
    }

    /// A piece of a refusal.
    pub(super) fn response_refusal(&self, text: &str) -> Value {
        self.part("response.refusal.delta", json!({ "delta": text }))
    }

    /// What comes after the last piece.
    pub(super) fn response_ending(&self, filtered: bool, text: &str, tokens: usize) -> Vec<Value> {
        let status = if filtered { "incomplete" } else { "completed" };
        let message = self.message(status, Some(text));
        let response = self.response(status, &json!([message]), Some(tokens));
        vec![
            self.part("response.output_text.done", json!({ "text": text, "logprobs": [] })),
            self.part("response.content_part.done", json!({ "part": output_text(text) })),
            item_event("done", self.message_index(), &message),
            json!({ "type": format!("response.{status}"), "response": response }),
        ]
    }

    /// The answer as one object.
    pub(super) fn response_whole(&self, text: &str, tokens: usize) -> Value {
        let message = self.message("completed", Some(text));
        self.response("completed", &json!([message]), Some(tokens))
    }

    /// What a failure within a stream looks like.
    pub(super) fn response_failure(&self, message: &str) -> Vec<Value> {
        let mut failed = self.response("failed", &json!([]), None);
        failed["error"] = json!({ "code": "server_error", "message": message });
        vec![
            json!({ "type": "error", "code": "server_error", "message": message, "param": null }),
            json!({ "type": "response.failed", "response": failed }),
        ]
    }

    fn reasoning(&self, thoughts: &[&str]) -> Vec<Value> {
        let id = format!("rs-{}", self.id);
        let part = |kind: &str, mut event: Value| {
            event["type"] = json!(format!("response.reasoning_summary_{kind}"));
            event["item_id"] = json!(id);
            event["output_index"] = json!(0);
            event["summary_index"] = json!(0);
            event
        };
        let whole = json!({ "type": "summary_text", "text": thoughts.concat() });
        let empty = json!({ "type": "summary_text", "text": "" });
        let item = |summary: Value| json!({ "id": id, "type": "reasoning", "summary": summary });
        let mut events = vec![
            item_event("added", 0, &item(json!([]))),
            part("part.added", json!({ "part": empty })),
        ];
        events.extend(thoughts.iter().map(|text| part("text.delta", json!({ "delta": text }))));
        events.extend([
            part("text.done", json!({ "text": thoughts.concat() })),
            part("part.done", json!({ "part": whole })),
            item_event("done", 0, &item(json!([whole]))),
        ]);
        events
    }

    /// An event of the only part of the message.
    fn part(&self, kind: &str, mut event: Value) -> Value {
        event["type"] = json!(kind);
        event["item_id"] = json!(format!("msg-{}", self.id));
        event["output_index"] = json!(self.message_index());
        event["content_index"] = json!(0);
        event
    }

    /// The reasoning, where there is any, comes before the message.
    fn message_index(&self) -> usize {
        usize::from(self.thinks)
    }

    fn message(&self, status: &str, text: Option<&str>) -> Value {
        let content: Vec<_> = text.into_iter().map(output_text).collect();
        json!({ "id": format!("msg-{}", self.id), "type": "message", "role": "assistant",
            "status": status, "content": content })
    }

    fn response(&self, status: &str, output: &Value, tokens: Option<usize>) -> Value {
        let filtered = json!({ "reason": "content_filter" });
        let usage = tokens.map(|tokens| {
            json!({
                "input_tokens": self.prompt_tokens,
                "input_tokens_details": { "cached_tokens": 0 },
                "output_tokens": tokens,
                "output_tokens_details": { "reasoning_tokens": 0 },
                "total_tokens": self.prompt_tokens + tokens,
            })
        });
        json!({
            "id": format!("resp-{}", self.id), "object": "response", "created_at": CREATED,
            "status": status, "error": null,
            "incomplete_details": (status == "incomplete").then_some(filtered),
            "instructions": null, "metadata": {}, "model": self.model, "output": output,
            "parallel_tool_calls": true, "temperature": 1.0, "tool_choice": "auto", "tools": [],
            "top_p": 1.0, "store": false, "usage": usage,
        })
    }
}

fn item_event(what: &str, index: usize, item: &Value) -> Value {
    let kind = format!("response.output_item.{what}");
    json!({ "type": kind, "output_index": index, "item": item })
}

fn output_text(text: &str) -> Value {
    json!({ "type": "output_text", "annotations": [], "logprobs": [], "text": text })
}
