//! Writes the chunks of a stream.
//!
//! A chunk is written for every token, so it goes into the buffer as text: what all chunks begin with
//! is made once, and there is no tree of JSON in between.

use actix_web::web::Bytes;
use anima_provider::{TokenLogprob, ToolDelta, Usage};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    HttpError,
    stream::{End, Writer},
};

/// Server-sent events that wait to be taken.
#[derive(Default)]
pub(super) struct ChunkBuffer(Vec<u8>);

impl ChunkBuffer {
    /// An event with this data.
    pub(super) fn data(&mut self, data: &Value) {
        self.0.extend_from_slice(b"data: ");
        write(&mut self.0, data);
        self.0.extend_from_slice(b"\n\n");
    }

    /// The mark of the end.
    pub(super) fn end(&mut self) {
        self.0.extend_from_slice(b"data: [DONE]\n\n");
    }

    /// A sign of life.
    pub(super) fn wait(&mut self) {
        self.0.extend_from_slice(b": waiting\n\n");
    }

    /// How many bytes there are to take.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What was written since the last time.
    pub(super) fn take(&mut self) -> Bytes {
        let bytes = Bytes::copy_from_slice(&self.0);
        self.0.clear();
        bytes
    }
}

/// Writes the chunks of a conversation.
pub(super) struct ChunkWriter {
    id: String,
    created: i64,
    with_usage: bool,
    /// What every chunk begins with, up to the number of its choice.
    head: Vec<u8>,
    buffer: ChunkBuffer,
}

impl ChunkWriter {
    pub(super) fn new(id: String, created: i64, with_usage: bool) -> Self {
        Self { id, created, with_usage, head: Vec::new(), buffer: ChunkBuffer::default() }
    }

    fn open(&mut self, choice: u32) {
        self.buffer.0.extend_from_slice(&self.head);
        self.buffer.0.extend_from_slice(b"{\"index\":");
        write(&mut self.buffer.0, &choice);
        self.buffer.0.extend_from_slice(b",\"delta\":{");
    }

    fn close(&mut self, logprobs: &[TokenLogprob], end: Option<End<'_>>) {
        self.buffer.0.extend_from_slice(b"},\"logprobs\":");
        match logprobs {
            [] => self.buffer.0.extend_from_slice(b"null"),
            tokens => {
                self.buffer.0.extend_from_slice(b"{\"content\":");
                write(&mut self.buffer.0, tokens);
                self.buffer.0.extend_from_slice(b",\"refusal\":null}");
            }
        }
        self.buffer.0.extend_from_slice(b",\"finish_reason\":");
        write(&mut self.buffer.0, &end.map(|end| end.reason));
        if let Some(check) = end.and_then(|end| end.check) {
            self.buffer.0.extend_from_slice(b",\"anima\":");
            write(&mut self.buffer.0, check);
        }
        self.buffer.0.extend_from_slice(b"}]");
        if self.with_usage {
            self.buffer.0.extend_from_slice(b",\"usage\":null");
        }
        self.buffer.0.extend_from_slice(b"}\n\n");
    }
}

impl Writer for ChunkWriter {
    fn begin(&mut self, choice: u32, model: &str) {
        self.head.clear();
        self.head.extend_from_slice(b"data: {\"id\":");
        write(&mut self.head, &self.id);
        self.head.extend_from_slice(b",\"object\":\"chat.completion.chunk\",\"created\":");
        write(&mut self.head, &self.created);
        self.head.extend_from_slice(b",\"model\":");
        write(&mut self.head, model);
        self.head.extend_from_slice(b",\"choices\":[");
        self.open(choice);
        self.buffer.0.extend_from_slice(b"\"role\":\"assistant\",\"content\":\"\"");
        self.close(&[], None);
    }

    fn text(&mut self, choice: u32, text: &str, logprobs: &[TokenLogprob]) {
        self.open(choice);
        self.buffer.0.extend_from_slice(b"\"content\":");
        write(&mut self.buffer.0, text);
        self.close(logprobs, None);
    }

    fn reasoning(&mut self, choice: u32, text: &str) {
        self.open(choice);
        self.buffer.0.extend_from_slice(b"\"reasoning_content\":");
        write(&mut self.buffer.0, text);
        self.close(&[], None);
    }

    fn tool(&mut self, choice: u32, delta: &ToolDelta) {
        let ToolDelta { index, id, name, arguments } = delta;
        let call = match (id, name) {
            (Some(id), Some(name)) => json!({ "index": index, "id": id, "type": "function",
                "function": { "name": name, "arguments": arguments } }),
            _ => json!({ "index": index, "function": { "arguments": arguments } }),
        };
        self.open(choice);
        self.buffer.0.extend_from_slice(b"\"tool_calls\":[");
        write(&mut self.buffer.0, &call);
        self.buffer.0.push(b']');
        self.close(&[], None);
    }

    fn finish(&mut self, choice: u32, end: End<'_>, logprobs: &[TokenLogprob]) {
        self.open(choice);
        self.close(logprobs, Some(end));
    }

    fn done(&mut self, usage: Option<Usage>) {
        if let Some(usage) = usage.filter(|_| self.with_usage) {
            self.buffer.0.extend_from_slice(&self.head);
            self.buffer.0.extend_from_slice(b"],\"usage\":");
            write(&mut self.buffer.0, &cost(usage));
            self.buffer.0.extend_from_slice(b"}\n\n");
        }
        self.buffer.end();
    }

    fn error(&mut self, error: &HttpError) {
        self.buffer.data(&error.body());
    }

    fn wait(&mut self) {
        self.buffer.wait();
    }

    fn len(&self) -> usize {
        self.buffer.len()
    }

    fn take(&mut self) -> Bytes {
        self.buffer.take()
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
        writer.text(3, "\"\\\n\u{0}你好😊\u{2028}data: [DONE]", &[]);
        writer.reasoning(3, "hm");
        writer.tool(3, &ToolDelta { arguments: "{\"".to_owned(), ..ToolDelta::default() });
        let check = json!({ "status": "supported" });
        writer.finish(3, End { reason: "stop", check: Some(&check) }, &[]);
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
            {
                let mut last = chunk(json!({}), json!("stop"));
                last["choices"][0]["anima"] = check;
                last
            },
        ];
        assert_eq!(chunks, expected);
        assert_eq!(writer.len(), 0);
    }
}
