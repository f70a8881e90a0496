//! The wire formats, as the providers document them and their servers were seen to send them.

mod responses;

use serde_json::{Value, json};

use crate::http::Call;

/// Whose wire format it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    OpenAi,
    Responses,
    Glm,
    ChatGlm3,
    Gemini,
}

/// A request for an answer, in one of the formats.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) format: Format,
    pub(crate) model: String,
    pub(crate) stream: bool,
    /// Whether it is thought about before it is answered.
    pub(crate) thinks: bool,
    usage: bool,
    id: String,
    prompt_tokens: usize,
}

/// What is thought before an answer.
const THOUGHTS: [&str; 2] = ["让我", "想想"];

/// The time that every answer claims to be from.
const CREATED: u64 = 1_764_000_000;

impl Question {
    /// Reads a request; `None` when it is none for an answer.
    pub(crate) fn read(call: &Call, number: u64) -> Option<Self> {
        let path = call.path.split('?').next().unwrap_or_default();
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let question = |format, model: &str, stream, usage| Self {
            format,
            model: model.to_owned(),
            stream,
            thinks: false,
            usage,
            id: format!("up-{number}"),
            prompt_tokens: call.body.len() / 8,
        };
        if call.method != "POST" {
            return None;
        }
        if let Some((_, rest)) = path.rsplit_once("/models/") {
            let (model, method) = rest.split_once(':')?;
            let stream = method == "streamGenerateContent";
            return (stream || method == "generateContent")
                .then(|| question(Format::Gemini, model, stream, true));
        }
        if path.ends_with("/embeddings") {
            let model = body["model"].as_str().unwrap_or("unnamed");
            return Some(question(Format::OpenAi, model, false, true));
        }
        let format = if path.ends_with("/responses") {
            Format::Responses
        } else if !path.ends_with("/chat/completions") {
            return None;
        } else if path.contains("/paas/") {
            Format::Glm
        } else if path.contains("/chatglm3/") {
            Format::ChatGlm3
        } else {
            Format::OpenAi
        };
        let model = body["model"].as_str().unwrap_or("unnamed");
        let stream = body["stream"] == true;
        let usage = format == Format::Glm || body["stream_options"]["include_usage"] == true;
        Some(question(format, model, stream, usage))
    }

    /// Whether the ChatGLM3 demonstration server is asked, which has habits of its own.
    pub(crate) fn is_chatglm3(&self) -> bool {
        self.format == Format::ChatGlm3
    }

    /// What comes before the first piece.
    pub(crate) fn opening(&self) -> Vec<Value> {
        let thoughts = if self.thinks { &THOUGHTS[..] } else { &[] };
        let mut opening = match self.format {
            Format::Responses => return self.response_opening(thoughts),
            Format::OpenAi => {
                vec![self.chunk(
                    &json!({ "role": "assistant", "content": "", "refusal": null }),
                    &Value::Null,
                )]
            }
            Format::ChatGlm3 => {
                vec![self.chunk(&json!({ "role": "assistant", "content": "" }), &Value::Null)]
            }
            Format::Glm | Format::Gemini => Vec::new(),
        };
        opening.extend(thoughts.iter().map(|text| self.thought(text)));
        opening
    }

    /// A piece of the answer.
    pub(crate) fn piece(&self, text: &str) -> Value {
        match self.format {
            Format::Gemini => self.candidate(&json!([{ "text": text }]), &Value::Null),
            Format::Responses => self.response_piece(text),
            Format::OpenAi => self.chunk(&json!({ "content": text }), &Value::Null),
            Format::Glm | Format::ChatGlm3 => {
                self.chunk(&json!({ "role": "assistant", "content": text }), &Value::Null)
            }
        }
    }

    /// A chunk with this choice, as it stands.
    pub(crate) fn choice(&self, choice: &Value) -> Value {
        let mut chunk = self.chunk(&Value::Null, &Value::Null);
        chunk["choices"] = json!([choice]);
        chunk
    }

    /// A piece of the reasoning.
    fn thought(&self, text: &str) -> Value {
        match self.format {
            Format::Gemini => {
                self.candidate(&json!([{ "text": text, "thought": true }]), &Value::Null)
            }
            _ => {
                self.chunk(&json!({ "role": "assistant", "reasoning_content": text }), &Value::Null)
            }
        }
    }

    /// A piece of a refusal.
    pub(crate) fn refusal(&self, text: &str) -> Value {
        match self.format {
            Format::Responses => self.response_refusal(text),
            _ => self.chunk(&json!({ "refusal": text }), &Value::Null),
        }
    }

    /// What comes after the last piece, the mark of the end aside.
    pub(crate) fn ending(&self, filtered: bool, said: &str, tokens: usize) -> Vec<Value> {
        let reason = self.reason(filtered);
        match self.format {
            Format::Responses => self.response_ending(filtered, said, tokens),
            Format::Gemini => {
                let mut last = self.candidate(&json!([{ "text": "" }]), &reason);
                if filtered {
                    last["candidates"][0]["content"] = json!({});
                }
                last["usageMetadata"] = self.usage(tokens);
                vec![last]
            }
            Format::Glm => {
                let mut last = self.chunk(&json!({ "role": "assistant", "content": "" }), &reason);
                last["usage"] = self.usage(tokens);
                vec![last]
            }
            Format::ChatGlm3 => vec![self.chunk(&json!({}), &reason)],
            Format::OpenAi => {
                let mut ending = vec![self.chunk(&json!({}), &reason)];
                if self.usage {
                    let mut usage = self.chunk(&json!({}), &Value::Null);
                    usage["choices"] = json!([]);
                    usage["usage"] = self.usage(tokens);
                    ending.push(usage);
                }
                ending
            }
        }
    }

    /// The mark that nothing follows, where the format has one.
    pub(crate) fn done(&self) -> Option<&'static str> {
        (!matches!(self.format, Format::Gemini | Format::Responses)).then_some("[DONE]")
    }

    /// The answer as one object.
    pub(crate) fn whole(&self, text: &str, tokens: usize) -> Value {
        let reason = self.reason(false);
        if self.format == Format::Responses {
            return self.response_whole(text, tokens);
        }
        if self.format == Format::Gemini {
            let mut whole = self.candidate(&json!([{ "text": text }]), &reason);
            whole["usageMetadata"] = self.usage(tokens);
            return whole;
        }
        let mut whole = self.chunk(&json!({}), &reason);
        whole["choices"] = json!([{
            "index": 0,
            "message": { "role": "assistant", "content": text },
            "finish_reason": reason,
        }]);
        whole["usage"] = self.usage(tokens);
        if self.format == Format::OpenAi {
            whole["object"] = json!("chat.completion");
            whole["choices"][0]["message"]["refusal"] = Value::Null;
            whole["choices"][0]["logprobs"] = Value::Null;
        }
        whole
    }

    /// The answer to a prompt that is refused on grounds of content: its status and its body.
    pub(crate) fn blocked(&self) -> (u16, Value) {
        match self.format {
            Format::Gemini => (
                200,
                json!({
                    "promptFeedback": { "blockReason": "SAFETY", "safetyRatings": [] },
                    "usageMetadata": { "promptTokenCount": 7, "totalTokenCount": 7 },
                    "modelVersion": self.model,
                }),
            ),
            Format::Glm => (400, self.error(400, Some("1301"), "输入内容包含敏感信息")),
            Format::Responses => (400, self.error(400, Some("invalid_prompt"), "It was flagged")),
            Format::OpenAi | Format::ChatGlm3 => {
                (400, self.error(400, Some("content_filter"), "The prompt was filtered"))
            }
        }
    }

    /// What a failure within a stream looks like.
    pub(crate) fn failure(&self, message: &str) -> Vec<Value> {
        match self.format {
            Format::Responses => self.response_failure(message),
            _ => vec![self.error(500, None, message)],
        }
    }

    /// A frame of a stream as it is sent, and the name of its event, where the format has them.
    pub(crate) fn framed(&self, frame: &Value, number: u64) -> (Option<String>, String) {
        if self.format != Format::Responses {
            return (None, frame.to_string());
        }
        let mut frame = frame.clone();
        frame["sequence_number"] = json!(number);
        (frame["type"].as_str().map(str::to_owned), frame.to_string())
    }

    /// An error object.
    pub(crate) fn error(&self, status: u16, code: Option<&str>, message: &str) -> Value {
        match self.format {
            Format::Gemini => json!({ "error": {
                "code": status,
                "message": message,
                "status": code.unwrap_or_else(|| gemini_status(status)),
            } }),
            Format::Glm => {
                json!({ "error": { "code": code.unwrap_or_else(|| glm_code(status)), "message": message } })
            }
            Format::ChatGlm3 => json!({ "detail": message }),
            Format::OpenAi | Format::Responses => json!({ "error": {
                "message": message,
                "type": if status >= 500 { "server_error" } else { "invalid_request_error" },
                "param": null,
                "code": code.or_else(|| openai_code(status)),
            } }),
        }
    }

    fn reason(&self, filtered: bool) -> Value {
        json!(match (self.format, filtered) {
            (Format::Gemini, false) => "STOP",
            (Format::Gemini, true) => "SAFETY",
            (Format::Glm, true) => "sensitive",
            (_, true) => "content_filter",
            (_, false) => "stop",
        })
    }

    fn usage(&self, tokens: usize) -> Value {
        let (prompt, total) = (self.prompt_tokens, self.prompt_tokens + tokens);
        if self.format == Format::Gemini {
            return json!({ "promptTokenCount": prompt, "candidatesTokenCount": tokens, "totalTokenCount": total });
        }
        json!({ "prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": total })
    }

    fn chunk(&self, delta: &Value, reason: &Value) -> Value {
        let mut chunk = json!({
            "id": if self.format == Format::ChatGlm3 { "" } else { &self.id },
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": self.model,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": reason }],
        });
        if self.format == Format::Glm
            && let Some(chunk) = chunk.as_object_mut()
        {
            // The documentation shows none, and clients have to live with that.
            chunk.remove("object");
        }
        chunk
    }

    fn candidate(&self, parts: &Value, reason: &Value) -> Value {
        let mut candidate = json!({ "content": { "parts": parts, "role": "model" }, "index": 0 });
        if !reason.is_null() {
            candidate["finishReason"] = reason.clone();
        }
        json!({
            "candidates": [candidate],
            "usageMetadata": { "promptTokenCount": self.prompt_tokens, "totalTokenCount": self.prompt_tokens },
            "modelVersion": self.model,
            "responseId": self.id,
        })
    }
}

fn openai_code(status: u16) -> Option<&'static str> {
    match status {
        401 => Some("invalid_api_key"),
        404 => Some("model_not_found"),
        429 => Some("rate_limit_exceeded"),
        _ => None,
    }
}

fn glm_code(status: u16) -> &'static str {
    match status {
        401 | 403 => "1001",
        404 => "1211",
        408 => "1234",
        429 => "1302",
        400..500 => "1210",
        _ => "1200",
    }
}

fn gemini_status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        400..500 => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    }
}
