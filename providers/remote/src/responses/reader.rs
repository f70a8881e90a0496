//! What is answered to a request for a response: events by name, or the response as one object.

use anima_provider::{FinishReason, ProviderError, ProviderEvent, Usage};
use serde_json::{Value, json};

use crate::{failure::Failure, refusal::Refusal, secret::Blotter};

/// Reads the events of one answer. The one that ends it gives [`ProviderEvent::Done`], last.
#[derive(Debug, Default)]
pub(super) struct ResponsesReader {
    refusal: Refusal,
    /// Whether there was any text.
    spoke: bool,
}

impl ResponsesReader {
    /// The events that a frame holds. Frames of kinds that are not known hold none.
    ///
    /// # Errors
    /// When it tells a failure or a refusal, or is no frame.
    pub(super) fn read(
        &mut self,
        frame: &Value,
        blotter: &Blotter,
    ) -> Result<Vec<ProviderEvent>, ProviderError> {
        if let Some(failure) = Failure::of_frame(frame, blotter) {
            return Err(failure.into_error());
        }
        if !frame.is_object() {
            return Err(ProviderError::Protocol("it sent an event that is no object".into()));
        }
        let delta = frame["delta"].as_str().unwrap_or_default();
        let events = match frame["type"].as_str() {
            Some("response.output_text.delta") => self.text(delta).into_iter().collect(),
            Some("response.refusal.delta") => {
                self.refusal.push(delta);
                Vec::new()
            }
            Some("response.reasoning_summary_text.delta" | "response.reasoning_text.delta") => {
                thought(delta).into_iter().collect()
            }
            // The parts of a summary are paragraphs.
            Some("response.reasoning_summary_part.added") if frame["summary_index"] != 0 => {
                thought("\n\n").into_iter().collect()
            }
            Some("response.completed") => self.end("completed", &frame["response"], blotter)?,
            Some("response.incomplete") => self.end("incomplete", &frame["response"], blotter)?,
            Some("response.failed") => self.end("failed", &frame["response"], blotter)?,
            Some("error") => return Err(failure(frame, blotter)),
            // A server that does not stream.
            None if frame["object"] == "response" => {
                self.end(frame["status"].as_str().unwrap_or_default(), frame, blotter)?
            }
            _ => Vec::new(),
        };
        Ok(events)
    }

    fn text(&mut self, text: &str) -> Option<ProviderEvent> {
        self.spoke |= !text.is_empty();
        (!text.is_empty()).then(|| ProviderEvent::Text(text.to_owned()))
    }

    /// The end of the answer, and the answer itself where nothing of it has come yet.
    fn end(
        &mut self,
        status: &str,
        response: &Value,
        blotter: &Blotter,
    ) -> Result<Vec<ProviderEvent>, ProviderError> {
        let reason = match status {
            "completed" => FinishReason::Stop,
            "incomplete" if response["incomplete_details"]["reason"] == "content_filter" => {
                FinishReason::Filtered
            }
            "incomplete" => FinishReason::Length,
            "failed" => return Err(failure(&response["error"], blotter)),
            _ => return Err(ProviderError::Protocol("it sent a response without an end".into())),
        };
        let mut events =
            if self.spoke || !self.refusal.is_empty() { Vec::new() } else { self.whole(response) };
        if !self.refusal.is_empty() {
            return Err(ProviderError::Refused(std::mem::take(&mut self.refusal).into_text()));
        }
        events.push(ProviderEvent::Done { reason, usage: usage(&response["usage"]) });
        Ok(events)
    }

    /// What a whole response holds.
    fn whole(&mut self, response: &Value) -> Vec<ProviderEvent> {
        let mut events = Vec::new();
        for item in response["output"].as_array().into_iter().flatten() {
            let parts = [&item["summary"], &item["content"]];
            for part in parts.into_iter().filter_map(Value::as_array).flatten() {
                let text = part["text"].as_str().unwrap_or_default();
                match part["type"].as_str() {
                    Some("output_text") => events.extend(self.text(text)),
                    Some("summary_text" | "reasoning_text") => events.extend(thought(text)),
                    Some("refusal") => {
                        self.refusal.push(part["refusal"].as_str().unwrap_or_default());
                    }
                    _ => {}
                }
            }
        }
        events
    }
}

fn thought(text: &str) -> Option<ProviderEvent> {
    (!text.is_empty()).then(|| ProviderEvent::Reasoning(text.to_owned()))
}

/// The error that is told by `code` and `message`.
fn failure(told: &Value, blotter: &Blotter) -> ProviderError {
    let error = json!({ "error": { "code": told["code"], "message": told["message"] } });
    match Failure::of_frame(&error, blotter) {
        Some(failure) => failure.into_error(),
        None => ProviderError::Protocol("it failed and did not say why".into()),
    }
}

fn usage(usage: &Value) -> Option<Usage> {
    let count = |key: &str| Some(u32::try_from(usage[key].as_u64()?).unwrap_or(u32::MAX));
    Some(Usage {
        prompt_tokens: count("input_tokens")?,
        // What was thought is part of it.
        completion_tokens: count("output_tokens").unwrap_or(0),
        estimated: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(frames: &[Value]) -> Result<Vec<ProviderEvent>, ProviderError> {
        let (mut reader, mut events) = (ResponsesReader::default(), Vec::new());
        for frame in frames {
            events.extend(reader.read(frame, &Blotter::default())?);
        }
        Ok(events)
    }

    fn delta(kind: &str, delta: &str) -> Value {
        json!({ "type": format!("response.{kind}.delta"), "delta": delta })
    }

    fn end(status: &str, response: &Value) -> Value {
        json!({ "type": format!("response.{status}"), "response": response })
    }

    fn done(reason: FinishReason) -> ProviderEvent {
        ProviderEvent::Done { reason, usage: None }
    }

    #[test]
    fn text_and_reasoning_come_with_their_deltas_and_usage_with_the_end() {
        let message =
            json!({ "type": "message", "content": [{ "type": "output_text", "text": "cd" }] });
        let counted = json!({ "input_tokens": 3, "output_tokens": 7,
            "output_tokens_details": { "reasoning_tokens": 5 }, "total_tokens": 10 });
        let frames = [
            json!({ "type": "response.created", "response": { "status": "in_progress", "error": null } }),
            json!({ "type": "response.reasoning_summary_part.added", "summary_index": 0 }),
            delta("reasoning_summary_text", "a"),
            json!({ "type": "response.reasoning_summary_part.added", "summary_index": 1 }),
            delta("reasoning_text", "b"),
            delta("output_text", "c"),
            delta("output_text", ""),
            delta("output_text", "d"),
            delta("something_new", "x"),
            json!({ "type": "response.output_text.done", "text": "cd" }),
            end("completed", &json!({ "output": [message], "usage": counted })),
        ];
        let usage = Usage { prompt_tokens: 3, completion_tokens: 7, estimated: false };
        let expected = [
            ProviderEvent::Reasoning("a".to_owned()),
            ProviderEvent::Reasoning("\n\n".to_owned()),
            ProviderEvent::Reasoning("b".to_owned()),
            ProviderEvent::Text("c".to_owned()),
            ProviderEvent::Text("d".to_owned()),
            ProviderEvent::Done { reason: FinishReason::Stop, usage: Some(usage) },
        ];
        assert_eq!(read(&frames).unwrap(), expected);
    }

    #[test]
    fn a_whole_response_is_read_like_its_events() {
        let whole = json!({ "object": "response", "status": "completed", "error": null, "output": [
            { "type": "reasoning", "summary": [{ "type": "summary_text", "text": "a" }] },
            { "type": "message", "content": [{ "type": "output_text", "text": "b" }] },
        ]});
        let said = [
            ProviderEvent::Reasoning("a".to_owned()),
            ProviderEvent::Text("b".to_owned()),
            done(FinishReason::Stop),
        ];
        assert_eq!(read(std::slice::from_ref(&whole)).unwrap(), said);
        assert_eq!(read(&[end("completed", &whole)]).unwrap(), said, "without deltas before it");
        let unfinished = json!({ "object": "response", "status": "queued" });
        assert!(matches!(read(&[unfinished]), Err(ProviderError::Protocol(_))));
    }

    #[test]
    fn an_answer_that_is_cut_off_says_why() {
        for (reason, expected) in [
            ("max_output_tokens", FinishReason::Length),
            ("content_filter", FinishReason::Filtered),
            ("something_new", FinishReason::Length),
        ] {
            let response = json!({ "incomplete_details": { "reason": reason } });
            let events = read(&[delta("output_text", "a"), end("incomplete", &response)]).unwrap();
            assert_eq!(events.last(), Some(&done(expected)), "{reason}");
        }
    }

    #[test]
    fn a_refusal_is_a_refusal_however_it_comes() {
        let part = json!({ "type": "refusal", "refusal": "I won't" });
        let response = json!({ "output": [{ "type": "message", "content": [part] }] });
        let streamed = [delta("refusal", "I "), delta("refusal", "won't")];
        for frames in [&streamed[..], &[]] {
            let frames = [frames, &[end("completed", &response)]].concat();
            let refused = read(&frames).unwrap_err();
            assert!(matches!(refused, ProviderError::Refused(text) if text == "I won't"));
        }
    }

    #[test]
    fn failures_are_told_by_their_codes() {
        let failed =
            |code: &str| end("failed", &json!({ "error": { "code": code, "message": "x" } }));
        for (frame, expected) in [
            (failed("server_error"), "unavailable"),
            (failed("rate_limit_exceeded"), "limit"),
            (failed("invalid_prompt"), "refused"),
            (failed("image_content_policy_violation"), "refused"),
            (failed("invalid_base64_image"), "does not support"),
            (end("failed", &json!({})), "unavailable"),
            (json!({ "type": "error", "code": "server_error", "message": "x" }), "unavailable"),
            (json!({ "type": "error", "code": "insufficient_quota", "message": "x" }), "account"),
            (json!({ "type": "error", "error": { "code": "rate_limit_exceeded" } }), "limit"),
            (json!({ "error": { "message": "x", "code": 401 } }), "key"),
            (json!("nonsense"), "understood"),
        ] {
            let error = read(std::slice::from_ref(&frame)).unwrap_err().to_string();
            assert!(error.contains(expected), "{frame}: {error}");
        }
    }
}
