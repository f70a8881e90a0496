//! Writes the chunks of a stream.
//!
//! A chunk is written for every token, so it goes into the buffer as text: what all chunks begin with
//! is made once, and there is no tree of JSON in between.

use actix_web::web::Bytes;
use anima_provider::{TokenLogprob, ToolDelta, Usage};
use serde::Serialize;
use serde_json::{Value, json};

use super::super::error::HttpError;

/// Writes chunks into a buffer, which is taken whenever there is something in it.
pub(super) struct ChunkWriter {
    id: String,
    created: i64,
    with_usage: bool,
    /// What every chunk begins with, up to the number of its choice.
    head: Vec<u8>,
    buffer: Vec<u8>,
}

impl ChunkWriter {
    pub(super) fn new(id: String, created: i64, with_usage: bool) -> Self {
        Self { id, created, with_usage, head: Vec::new(), buffer: Vec::new() }
    }

    /// Begins an answer of this model.
    pub(super) fn begin(&mut self, choice: u32, model: &str) {
        self.head.clear();
        self.head.extend_from_slice(b"data: {\"id\":");
        write(&mut self.head, &self.id);
        self.head.extend_from_slice(b",\"object\":\"chat.completion.chunk\",\"created\":");
        write(&mut self.head, &self.created);
        self.head.extend_from_slice(b",\"model\":");
        write(&mut self.head, model);
        self.head.extend_from_slice(b",\"choices\":[");
        self.open(choice);
        self.buffer.extend_from_slice(b"\"role\":\"assistant\",\"content\":\"\"");
        self.close(None, None);
    }

    /// A piece of the answer.
    pub(super) fn text(&mut self, choice: u32, text: &str, logprobs: Option<&[TokenLogprob]>) {
        self.open(choice);
        self.buffer.extend_from_slice(b"\"content\":");
        write(&mut self.buffer, text);
        self.close(logprobs, None);
    }

    /// A piece of the reasoning.
    pub(super) fn reasoning(&mut self, choice: u32, text: &str) {
        self.open(choice);
        self.buffer.extend_from_slice(b"\"reasoning_content\":");
        write(&mut self.buffer, text);
        self.close(None, None);
    }

    /// A piece of a function call.
    pub(super) fn tool(&mut self, choice: u32, delta: &ToolDelta) {
        let ToolDelta { index, id, name, arguments } = delta;
        let call = match (id, name) {
            (Some(id), Some(name)) => json!({ "index": index, "id": id, "type": "function",
                "function": { "name": name, "arguments": arguments } }),
            _ => json!({ "index": index, "function": { "arguments": arguments } }),
        };
        self.open(choice);
        self.buffer.extend_from_slice(b"\"tool_calls\":[");
        write(&mut self.buffer, &call);
        self.buffer.push(b']');
        self.close(None, None);
    }

    /// The end of an answer; `logprobs` are those that had no text any more.
    pub(super) fn finish(&mut self, choice: u32, reason: &str, logprobs: Option<&[TokenLogprob]>) {
        self.open(choice);
        self.close(logprobs, Some(reason));
    }

    /// The end of the stream, and what it cost.
    pub(super) fn done(&mut self, usage: Option<Usage>) {
        if let Some(usage) = usage.filter(|_| self.with_usage) {
            self.buffer.extend_from_slice(&self.head);
            self.buffer.extend_from_slice(b"],\"usage\":");
            write(&mut self.buffer, &cost(usage));
            self.buffer.extend_from_slice(b"}\n\n");
        }
        self.buffer.extend_from_slice(b"data: [DONE]\n\n");
    }

    /// A failure in the middle, after which nothing comes.
    pub(super) fn error(&mut self, error: &HttpError) {
        self.buffer.extend_from_slice(b"data: ");
        write(&mut self.buffer, &error.body());
        self.buffer.extend_from_slice(b"\n\n");
    }

    /// A sign of life.
    pub(super) fn wait(&mut self) {
        self.buffer.extend_from_slice(b": waiting\n\n");
    }

    /// How many bytes there are to take.
    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// What was written since the last time.
    pub(super) fn take(&mut self) -> Bytes {
        let bytes = Bytes::copy_from_slice(&self.buffer);
        self.buffer.clear();
        bytes
    }

    fn open(&mut self, choice: u32) {
        self.buffer.extend_from_slice(&self.head);
        self.buffer.extend_from_slice(b"{\"index\":");
        write(&mut self.buffer, &choice);
        self.buffer.extend_from_slice(b",\"delta\":{");
    }

    fn close(&mut self, logprobs: Option<&[TokenLogprob]>, reason: Option<&str>) {
        self.buffer.extend_from_slice(b"},\"logprobs\":");
        match logprobs {
            None => self.buffer.extend_from_slice(b"null"),
            Some(tokens) => {
                self.buffer.extend_from_slice(b"{\"content\":");
                write(&mut self.buffer, tokens);
                self.buffer.extend_from_slice(b",\"refusal\":null}");
            }
        }
        self.buffer.extend_from_slice(b",\"finish_reason\":");
        write(&mut self.buffer, &reason);
        self.buffer.extend_from_slice(b"}]");
        if self.with_usage {
            self.buffer.extend_from_slice(b",\"usage\":null");
        }
        self.buffer.extend_from_slice(b"}\n\n");
    }
}

/// Writes a value as JSON.
fn write<T: Serialize + ?Sized>(buffer: &mut Vec<u8>, value: &T) {
    // Neither memory nor these values can fail: there are no keys but names of fields.
    let _ = serde_json::to_writer(buffer, value);
}

/// What an answer cost, as callers read it.
pub(super) fn cost(usage: Usage) -> Value {
    let (prompt, completion) = (usage.prompt_tokens, usage.completion_tokens);
    let total = prompt.saturating_add(completion);
    json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(writer: &mut ChunkWriter) -> Vec<Value> {
        let text = String::from_utf8(writer.take().to_vec()).unwrap();
        let frames =
            text.split_terminator("\n\n").map(|frame| frame.strip_prefix("data: ").unwrap());
        frames.map(|frame| serde_json::from_str(frame).unwrap()).collect()
    }

    #[test]
    fn chunks_are_json_whatever_is_in_them() {
        let mut writer = ChunkWriter::new("chatcmpl-1".to_owned(), 7, true);
        writer.begin(3, "a \"model\"");
        writer.text(3, "\"\\\n\u{0}你好😊\u{2028}data: [DONE]", None);
        writer.reasoning(3, "hm");
        writer.tool(3, &ToolDelta { arguments: "{\"".to_owned(), ..ToolDelta::default() });
        writer.finish(3, "stop", None);
        let chunks = chunks(&mut writer);
        let chunk = |delta: Value, reason: Value| {
            json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7,
                "model": "a \"model\"", "usage": null, "choices": [{ "index": 3, "delta": delta,
                "logprobs": null, "finish_reason": reason }] })
        };
        let expected = [
            chunk(json!({ "role": "assistant", "content": "" }), Value::Null),
            chunk(json!({ "content": "\"\\\n\u{0}你好😊\u{2028}data: [DONE]" }), Value::Null),
            chunk(json!({ "reasoning_content": "hm" }), Value::Null),
            chunk(
                json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "{\"" } }] }),
                Value::Null,
            ),
            chunk(json!({}), json!("stop")),
        ];
        assert_eq!(chunks, expected);
        assert_eq!(writer.len(), 0);
    }
}
