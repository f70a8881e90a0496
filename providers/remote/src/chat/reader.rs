//! An answer, read out of chunks.

use anima_provider::{FinishReason, ProviderError, ProviderEvent, TokenLogprob, Usage};
use serde::Deserialize;
use serde_json::Value;

use super::{calls::Calls, chunk::Chunk};
use crate::{refusal::Refusal, secret::Blotter};

/// Reads the chunks of one answer, or the one object of a server that does not stream.
#[derive(Debug, Default)]
pub(crate) struct ChatReader {
    reason: Option<FinishReason>,
    usage: Option<Usage>,
    refusal: Refusal,
    calls: Calls,
    /// Whether there was any text.
    spoke: bool,
}

impl ChatReader {
    /// The events that a chunk holds.
    ///
    /// # Errors
    /// When it tells a failure, or is no chunk.
    pub(crate) fn read(
        &mut self,
        chunk: &str,
        blotter: &Blotter,
    ) -> Result<Vec<ProviderEvent>, ProviderError> {
        let mut chunk = Chunk::read(chunk, blotter)?;
        self.usage = usage(&chunk.usage).or(self.usage);
        let mut choice = chunk.take_choice();
        let said = choice.take_said();
        let reasoning = [said.reasoning_content, said.reasoning].map(text);
        let reasoning = reasoning.into_iter().find(|text| !text.is_empty());
        let mut events: Vec<_> = reasoning.map(ProviderEvent::Reasoning).into_iter().collect();
        events.extend(logprobs(&choice.logprobs["content"]).map(ProviderEvent::Logprobs));
        let text = text(said.content);
        if !text.is_empty() {
            self.spoke = true;
            events.push(ProviderEvent::Text(text));
        }
        let calls = self.calls.read(&said.tool_calls, &said.function_call);
        events.extend(calls.into_iter().map(ProviderEvent::Tool));
        if let Some(refusal) = said.refusal.as_str() {
            self.refusal.push(refusal);
        }
        if let Some(reason) = choice.finish_reason.as_str() {
            self.reason = Some(finish_reason(reason)?);
        }
        Ok(events)
    }

    /// Whether there was neither text nor an end.
    pub(crate) fn is_blank(&self) -> bool {
        !self.spoke && self.reason.is_none() && self.refusal.is_empty() && !self.calls.any()
    }

    /// The end of the answer. `done` says whether the mark came that nothing follows.
    ///
    /// # Errors
    /// When the model declined, or the answer broke off.
    pub(crate) fn finish(self, done: bool) -> Result<ProviderEvent, ProviderError> {
        if !self.refusal.is_empty() {
            return Err(ProviderError::Refused(self.refusal.into_text()));
        }
        let reason = match self.reason {
            Some(reason) => reason,
            // Some servers give no reason, but they do mark the end.
            None if done => FinishReason::Stop,
            None => {
                return Err(ProviderError::Protocol("the answer broke off without an end".into()));
            }
        };
        // Servers say both words of a call, and of a text that they took for one.
        let reason = match reason {
            FinishReason::Stop | FinishReason::ToolCalls if self.calls.any() => {
                FinishReason::ToolCalls
            }
            FinishReason::ToolCalls => FinishReason::Stop,
            other => other,
        };
        Ok(ProviderEvent::Done { reason, usage: self.usage })
    }
}

/// How likely the tokens of a chunk were, where it says so in a form that can be understood.
fn logprobs(tokens: &Value) -> Option<Vec<TokenLogprob>> {
    let tokens = tokens.as_array()?.iter();
    let tokens: Vec<_> = tokens.filter_map(|token| TokenLogprob::deserialize(token).ok()).collect();
    (!tokens.is_empty()).then_some(tokens)
}

/// A text, whether it is one or is made of parts.
fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

fn finish_reason(reason: &str) -> Result<FinishReason, ProviderError> {
    match reason {
        "length" | "max_tokens" | "model_context_window_exceeded" => Ok(FinishReason::Length),
        "content_filter" | "sensitive" => Ok(FinishReason::Filtered),
        "network_error" | "error" => {
            Err(ProviderError::Unavailable(format!("it ended with {reason}").into()))
        }
        "tool_calls" | "function_call" => Ok(FinishReason::ToolCalls),
        _ => Ok(FinishReason::Stop),
    }
}

fn usage(usage: &Value) -> Option<Usage> {
    let count = |key: &str| Some(u32::try_from(usage[key].as_u64()?).unwrap_or(u32::MAX));
    Some(Usage {
        prompt_tokens: count("prompt_tokens")?,
        completion_tokens: count("completion_tokens").unwrap_or(0),
        estimated: false,
    })
}

#[cfg(test)]
mod tests {
    use anima_provider::{Likelihood, ToolDelta};
    use serde_json::json;

    use super::*;

    fn read(chunks: &[Value], done: bool) -> Result<Vec<ProviderEvent>, ProviderError> {
        let (mut reader, mut events) = (ChatReader::default(), Vec::new());
        for chunk in chunks {
            events.extend(reader.read(&chunk.to_string(), &Blotter::default())?);
        }
        events.push(reader.finish(done)?);
        Ok(events)
    }

    fn end(reason: &str) -> Value {
        json!({ "choices": [{ "delta": {}, "finish_reason": reason }] })
    }

    fn delta(delta: &Value) -> Value {
        json!({ "choices": [{ "delta": delta, "finish_reason": null }] })
    }

    #[test]
    fn reasoning_and_text_are_told_apart_under_all_their_names() {
        let chunks = [
            delta(&json!({ "role": "assistant", "content": "" })),
            delta(&json!({ "reasoning_content": "a", "content": null })),
            delta(&json!({ "reasoning": "b" })),
            delta(&json!({ "content": "c", "reasoning_content": "d" })),
            delta(&json!({ "content": [{ "type": "text", "text": "e" }] })),
            end("stop"),
            json!({ "choices": [], "usage": { "prompt_tokens": 3, "completion_tokens": 2 } }),
        ];
        let usage = Usage { prompt_tokens: 3, completion_tokens: 2, estimated: false };
        let expected = [
            ProviderEvent::Reasoning("a".to_owned()),
            ProviderEvent::Reasoning("b".to_owned()),
            ProviderEvent::Reasoning("d".to_owned()),
            ProviderEvent::Text("c".to_owned()),
            ProviderEvent::Text("e".to_owned()),
            ProviderEvent::Done { reason: FinishReason::Stop, usage: Some(usage) },
        ];
        assert_eq!(read(&chunks, false).unwrap(), expected);
    }

    #[test]
    fn an_answer_ends_with_a_reason_or_with_the_mark() {
        let reason = |chunks: &[Value], done| match read(chunks, done) {
            Ok(events) => match events.last() {
                Some(ProviderEvent::Done { reason, .. }) => Ok(*reason),
                other => panic!("{other:?}"),
            },
            Err(error) => Err(error.to_string()),
        };
        for (name, expected) in [
            ("stop", FinishReason::Stop),
            ("function_call", FinishReason::Stop),
            ("something_new", FinishReason::Stop),
            ("length", FinishReason::Length),
            ("model_context_window_exceeded", FinishReason::Length),
            ("content_filter", FinishReason::Filtered),
            ("sensitive", FinishReason::Filtered),
        ] {
            assert_eq!(reason(&[end(name)], false).unwrap(), expected, "{name}");
        }
        let text = delta(&json!({ "content": "a" }));
        assert_eq!(reason(std::slice::from_ref(&text), true).unwrap(), FinishReason::Stop);
        assert!(matches!(read(&[text], false), Err(ProviderError::Protocol(_))));
        assert!(matches!(read(&[end("network_error")], true), Err(ProviderError::Unavailable(_))));
    }

    #[test]
    fn calls_are_told_piece_by_piece_and_end_the_answer_as_calls() {
        let piece = |index: u32, id: Option<&str>, name: Option<&str>, arguments: &str| {
            ProviderEvent::Tool(ToolDelta {
                index,
                id: id.map(str::to_owned),
                name: name.map(str::to_owned),
                arguments: arguments.to_owned(),
            })
        };
        let chunks = [
            delta(&json!({ "content": null, "tool_calls": [
                { "index": 0, "id": "a", "type": "function", "function": { "name": "f", "arguments": "" } },
            ] })),
            delta(
                &json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "{\"x\":" } }] }),
            ),
            // Some servers repeat the id and the name.
            delta(&json!({ "tool_calls": [
                { "index": 0, "id": "a", "function": { "name": "f", "arguments": "1}" } },
                { "index": 1, "id": "b", "function": { "name": "g", "arguments": "{}" } },
            ] })),
        ];
        let done = |reason| ProviderEvent::Done { reason, usage: None };
        let mut expected = vec![
            piece(0, Some("a"), Some("f"), ""),
            piece(0, None, None, "{\"x\":"),
            piece(0, None, None, "1}"),
            piece(1, Some("b"), Some("g"), "{}"),
            done(FinishReason::ToolCalls),
        ];
        for reason in ["tool_calls", "stop"] {
            let chunks = [chunks.as_slice(), &[end(reason)]].concat();
            assert_eq!(read(&chunks, true).unwrap(), expected, "{reason}");
        }
        let chunks = [chunks.as_slice(), &[end("length")]].concat();
        *expected.last_mut().unwrap() = done(FinishReason::Length);
        assert_eq!(read(&chunks, true).unwrap(), expected);
    }

    #[test]
    fn logprobs_come_before_their_text() {
        let token = json!({ "token": "你", "logprob": -0.5, "bytes": [228, 189, 160],
            "top_logprobs": [{ "token": "您", "logprob": -1.5, "bytes": null }] });
        let chunk = json!({ "choices": [{
            "delta": { "content": "你" }, "logprobs": { "content": [token, { "token": "x" }] },
        }] });
        let likelihood = |token: &str, logprob, bytes: Option<&[u8]>| Likelihood {
            token: token.to_owned(),
            logprob,
            bytes: bytes.map(<[u8]>::to_vec),
        };
        let expected = [
            ProviderEvent::Logprobs(vec![TokenLogprob {
                token: likelihood("你", -0.5, Some("你".as_bytes())),
                top_logprobs: vec![likelihood("您", -1.5, None)],
            }]),
            ProviderEvent::Text("你".to_owned()),
        ];
        assert_eq!(read(&[chunk, end("stop")], true).unwrap()[..2], expected);
    }

    #[test]
    fn a_refusal_is_a_refusal() {
        let chunks = [
            delta(&json!({ "refusal": "I " })),
            delta(&json!({ "refusal": "won't" })),
            end("stop"),
        ];
        let refused = read(&chunks, true).unwrap_err();
        assert!(matches!(refused, ProviderError::Refused(text) if text == "I won't"));
    }

    #[test]
    fn failures_within_a_stream_are_failures() {
        for (chunk, expected) in [
            (json!({ "error": { "message": "x", "type": "server_error" } }), "unavailable"),
            (json!({ "error": { "message": "x", "code": "1302" } }), "limit"),
            (json!({ "error": { "message": "x", "code": 1301 } }), "refused"),
            (json!([{ "error": { "message": "x", "code": 429 } }]), "limit"),
            (json!({ "object": "error", "message": "x", "code": 401 }), "key"),
            (json!("nonsense"), "understood"),
        ] {
            let error = read(std::slice::from_ref(&chunk), true).unwrap_err().to_string();
            assert!(error.contains(expected), "{chunk}: {error}");
        }
    }
}
