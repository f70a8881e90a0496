//! A response on its way: the events of a turn in, the events of the Realtime API out.

use anima_provider::{Role, ToolDelta, Usage};
use serde_json::{Value, json};

use super::{
    ask::Asked,
    fresh,
    item::{Content, Item, Part, Status},
    items::Items,
};
use crate::{
    surface::error::HttpError,
    turn::{EndReason, TurnError, TurnEvent, pipeline::TurnStream},
};

/// A response that is being made. Dropping it stops the model.
pub(super) struct Response {
    pub(super) id: String,
    pub(super) in_conversation: bool,
    pub(super) stream: TurnStream,
    conversation: String,
    limit: Value,
    metadata: Option<Value>,
    output: Vec<Output>,
}

/// An item of the response.
struct Output {
    item: Item,
    /// The item of the conversation before it.
    before: Option<String>,
    /// Which of the answer's calls it is.
    call: Option<u32>,
    open: bool,
}

/// How a response ends.
pub(super) enum End {
    Completed,
    Incomplete(&'static str),
    Cancelled,
    Failed(TurnError),
}

impl Response {
    /// A response that has just been begun, in the conversation of this id.
    pub(super) fn new(asked: Asked, stream: TurnStream, conversation: &str) -> Self {
        Self {
            id: fresh("resp"),
            in_conversation: asked.in_conversation,
            stream,
            conversation: conversation.to_owned(),
            limit: asked.manner.shown_limit(),
            metadata: asked.metadata,
            output: Vec::new(),
        }
    }

    /// What a client is told at its beginning.
    pub(super) fn created(&self) -> Value {
        json!({ "type": "response.created", "response": self.shown("in_progress") })
    }

    /// What a client is told of an event of the turn, and whether that was the last.
    pub(super) fn take(&mut self, event: TurnEvent, items: &mut Items) -> (Vec<Value>, bool) {
        let mut told = Vec::new();
        match event {
            TurnEvent::Delta(text) => self.say(&text, items, &mut told),
            TurnEvent::Tool(delta) => self.call(delta, items, &mut told),
            TurnEvent::Finished(outcome) => {
                let end = match outcome.reason {
                    EndReason::Complete | EndReason::ToolCalls => End::Completed,
                    EndReason::Interrupted => End::Cancelled,
                    EndReason::Length => End::Incomplete("max_output_tokens"),
                    EndReason::Filtered => End::Incomplete("content_filter"),
                };
                if self.output.is_empty() {
                    // An answer without a word is an answer.
                    self.say("", items, &mut told);
                }
                told.extend(self.finish(&end, outcome.usage, items));
                return (told, true);
            }
            TurnEvent::Failed(error) => {
                return (self.finish(&End::Failed(error), None, items), true);
            }
            TurnEvent::Accepted { .. }
            | TurnEvent::Queued { .. }
            | TurnEvent::Started { .. }
            | TurnEvent::Reasoning(_)
            | TurnEvent::Logprobs(_)
            | TurnEvent::Sentence(_)
            | TurnEvent::Verdict(_) => {}
        }
        (told, false)
    }

    fn say(&mut self, delta: &str, items: &mut Items, told: &mut Vec<Value>) {
        let is_message = |output: &Output| output.open && output.call.is_none();
        let index = self.output.iter().position(is_message).unwrap_or_else(|| {
            let parts = Vec::new();
            let content = Content::Message { role: Role::Assistant, parts };
            let index = self.open(content, None, items, told);
            let mut event = self.part_event(index, "response.content_part.added");
            event["part"] = json!({ "type": "text", "text": "" });
            told.push(event);
            index
        });
        if delta.is_empty() {
            return;
        }
        if let Content::Message { parts, .. } = &mut self.output[index].item.content {
            match parts.last_mut() {
                Some(Part::Text(text)) => text.push_str(delta),
                _ => parts.push(Part::Text(delta.to_owned())),
            }
        }
        let mut event = self.part_event(index, "response.output_text.delta");
        event["delta"] = json!(delta);
        told.push(event);
    }

    fn call(&mut self, delta: ToolDelta, items: &mut Items, told: &mut Vec<Value>) {
        // What was said before it is complete.
        let spoken = self.output.iter().position(|output| output.open && output.call.is_none());
        if let Some(index) = spoken {
            self.close(index, Status::Completed, items, told);
        }
        let is_its = |output: &Output| output.call == Some(delta.index);
        let index = self.output.iter().position(is_its).unwrap_or_else(|| {
            let call_id = delta.id.unwrap_or_else(|| fresh("call"));
            let (name, arguments) = (delta.name.unwrap_or_default(), String::new());
            let content = Content::Call { call_id, name, arguments };
            self.open(content, Some(delta.index), items, told)
        });
        if delta.arguments.is_empty() {
            return;
        }
        let mut event = self.item_event(index, "response.function_call_arguments.delta");
        if let Content::Call { call_id, arguments, .. } = &mut self.output[index].item.content {
            arguments.push_str(&delta.arguments);
            event["call_id"] = json!(call_id);
        }
        event["delta"] = json!(delta.arguments);
        told.push(event);
    }

    /// Begins an item and tells its place among those of the response.
    fn open(
        &mut self,
        content: Content,
        call: Option<u32>,
        items: &mut Items,
        told: &mut Vec<Value>,
    ) -> usize {
        let index = self.output.len();
        let item = Item { id: fresh("item"), status: Status::InProgress, content };
        let shown = item.shown();
        told.push(json!({ "type": "response.output_item.added", "response_id": self.id,
            "output_index": index, "item": shown }));
        let mut before = None;
        if self.in_conversation {
            before = items.push(item.clone());
            told.push(json!({ "type": "conversation.item.added", "previous_item_id": before,
                "item": shown }));
        }
        self.output.push(Output { item, before, call, open: true });
        index
    }

    /// Ends an item.
    fn close(&mut self, index: usize, status: Status, items: &mut Items, told: &mut Vec<Value>) {
        let output = &mut self.output[index];
        (output.open, output.item.status) = (false, status);
        if let Content::Message { parts, .. } = &mut output.item.content
            && parts.is_empty()
        {
            parts.push(Part::Text(String::new()));
        }
        let item = output.item.clone();
        match &item.content {
            Content::Call { call_id, name, arguments } => {
                let mut event = self.item_event(index, "response.function_call_arguments.done");
                event["call_id"] = json!(call_id);
                event["name"] = json!(name);
                event["arguments"] = json!(arguments);
                told.push(event);
            }
            Content::Message { parts, .. } => {
                let text = match parts.last() {
                    Some(Part::Text(text)) => text.as_str(),
                    _ => "",
                };
                let mut event = self.part_event(index, "response.output_text.done");
                event["text"] = json!(text);
                told.push(event);
                let mut event = self.part_event(index, "response.content_part.done");
                event["part"] = json!({ "type": "text", "text": text });
                told.push(event);
            }
            Content::Output { .. } => {}
        }
        let shown = item.shown();
        told.push(json!({ "type": "response.output_item.done", "response_id": self.id,
            "output_index": index, "item": shown }));
        if self.in_conversation {
            let before = &self.output[index].before;
            told.push(json!({ "type": "conversation.item.done", "previous_item_id": before,
                "item": shown }));
            items.replace(item);
        }
    }

    /// Ends the response, and what is open of it.
    pub(super) fn finish(
        &mut self,
        end: &End,
        usage: Option<Usage>,
        items: &mut Items,
    ) -> Vec<Value> {
        let mut told = Vec::new();
        let status = match end {
            End::Completed => Status::Completed,
            End::Incomplete(_) | End::Cancelled | End::Failed(_) => Status::Incomplete,
        };
        for index in 0..self.output.len() {
            if self.output[index].open {
                self.close(index, status, items, &mut told);
            }
        }
        let (status, details) = match end {
            End::Completed => ("completed", None),
            End::Incomplete(reason) => {
                ("incomplete", Some(json!({ "type": "incomplete", "reason": reason })))
            }
            End::Cancelled => {
                ("cancelled", Some(json!({ "type": "cancelled", "reason": "client_cancelled" })))
            }
            End::Failed(error) => ("failed", Some(failure(error))),
        };
        let mut response = self.shown(status);
        if let Some(details) = details {
            response["status_details"] = details;
        }
        if let Some(usage) = usage {
            response["usage"] = cost(usage);
        }
        told.push(json!({ "type": "response.done", "response": response }));
        told
    }

    /// The response as clients are shown it. What is not known is left out, as the API's schema asks.
    fn shown(&self, status: &str) -> Value {
        let output: Vec<_> = self.output.iter().map(|output| output.item.shown()).collect();
        let mut shown = json!({ "object": "realtime.response", "id": self.id, "status": status,
            "output": output, "output_modalities": ["text"], "max_output_tokens": self.limit });
        if self.in_conversation {
            shown["conversation_id"] = json!(self.conversation);
        }
        if let Some(metadata) = &self.metadata {
            shown["metadata"] = metadata.clone();
        }
        shown
    }

    fn item_event(&self, index: usize, kind: &str) -> Value {
        json!({ "type": kind, "response_id": self.id, "item_id": self.output[index].item.id,
            "output_index": index })
    }

    fn part_event(&self, index: usize, kind: &str) -> Value {
        let mut event = self.item_event(index, kind);
        event["content_index"] = json!(0);
        event
    }
}

/// Why a response failed. The kind and the code are those that the error would have on HTTP.
fn failure(error: &TurnError) -> Value {
    let mut told = HttpError::from(error.clone()).body();
    let mut error = told["error"].take();
    if let Some(error) = error.as_object_mut() {
        error.shift_remove("param");
    }
    json!({ "type": "failed", "error": error })
}

fn cost(usage: Usage) -> Value {
    let (input, output) = (usage.prompt_tokens, usage.completion_tokens);
    json!({
        "total_tokens": input.saturating_add(output),
        "input_tokens": input,
        "output_tokens": output,
        "input_token_details": { "text_tokens": input, "audio_tokens": 0, "image_tokens": 0,
            "cached_tokens": 0 },
        "output_token_details": { "text_tokens": output, "audio_tokens": 0 },
    })
}
