//! Chat completions: the conversation as messages, and the answer read out of chunks.

use anima_provider::{FinishReason, Input, Message, ProviderError, ProviderEvent, Usage};
use serde_json::{Value, json};

use crate::{failure::Failure, secret::Blotter};

/// Most characters that are kept of a refusal.
const LONGEST_REFUSAL: usize = 300;

/// The messages of a conversation. `picture` writes a `data:` URL as the server wants it.
pub(crate) fn messages(input: &Input, picture: impl Fn(&str) -> String) -> Value {
    let Input::Chat { system, messages } = input else { return json!([]) };
    let system = system.iter().map(|text| json!({ "role": "system", "content": text }));
    let said = messages.iter().map(
        |message| json!({ "role": message.role.as_str(), "content": content(message, &picture) }),
    );
    system.chain(said).collect()
}

fn content(message: &Message, picture: impl Fn(&str) -> String) -> Value {
    if message.images.is_empty() {
        return json!(message.text);
    }
    let images = message
        .images
        .iter()
        .map(|image| json!({ "type": "image_url", "image_url": { "url": picture(&image.0) } }));
    images.chain([json!({ "type": "text", "text": message.text })]).collect()
}

/// Reads the chunks of one answer, or the one object of a server that does not stream.
#[derive(Debug, Default)]
pub(crate) struct ChatReader {
    reason: Option<FinishReason>,
    usage: Option<Usage>,
    refusal: String,
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
        chunk: &Value,
        blotter: &Blotter,
    ) -> Result<Vec<ProviderEvent>, ProviderError> {
        if let Some(failure) = Failure::of_frame(chunk, blotter) {
            return Err(failure.into_error());
        }
        if !chunk.is_object() {
            return Err(ProviderError::Protocol("it sent a chunk that is no object".into()));
        }
        self.usage = usage(&chunk["usage"]).or(self.usage);
        // Only one answer is asked for. Chunks without one tell the usage, or what a filter thought.
        let choice = &chunk["choices"][0];
        let said = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
        let reasoning = ["reasoning_content", "reasoning"].iter().map(|key| text(&said[*key]));
        let reasoning = reasoning.into_iter().find(|text| !text.is_empty());
        let mut events: Vec<_> = reasoning.map(ProviderEvent::Reasoning).into_iter().collect();
        let text = text(&said["content"]);
        if !text.is_empty() {
            self.spoke = true;
            events.push(ProviderEvent::Text(text));
        }
        if let Some(refusal) = said["refusal"].as_str() {
            let left = LONGEST_REFUSAL.saturating_sub(self.refusal.chars().count());
            self.refusal.extend(refusal.chars().take(left));
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            self.reason = Some(finish_reason(reason)?);
        }
        Ok(events)
    }

    /// Whether there was neither text nor an end.
    pub(crate) fn is_blank(&self) -> bool {
        !self.spoke && self.reason.is_none() && self.refusal.is_empty()
    }

    /// The end of the answer. `done` says whether the mark came that nothing follows.
    ///
    /// # Errors
    /// When the model declined, or the answer broke off.
    pub(crate) fn finish(self, done: bool) -> Result<ProviderEvent, ProviderError> {
        if !self.refusal.is_empty() {
            return Err(ProviderError::Refused(self.refusal));
        }
        match self.reason {
            Some(reason) => Ok(ProviderEvent::Done { reason, usage: self.usage }),
            // Some servers give no reason, but they do mark the end.
            None if done => {
                Ok(ProviderEvent::Done { reason: FinishReason::Stop, usage: self.usage })
            }
            None => Err(ProviderError::Protocol("the answer broke off without an end".into())),
        }
    }
}

/// A text, whether it is one or is made of parts.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
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
        // No tools are offered, so what servers take for a call of one is an answer all the same.
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
    use super::*;

    fn read(chunks: &[Value], done: bool) -> Result<Vec<ProviderEvent>, ProviderError> {
        let (mut reader, mut events) = (ChatReader::default(), Vec::new());
        for chunk in chunks {
            events.extend(reader.read(chunk, &Blotter::default())?);
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
