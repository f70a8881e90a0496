//! What Gemini answers.

use anima_provider::{FinishReason, ProviderError, ProviderEvent, Usage};
use serde_json::Value;

use crate::{failure::Failure, secret::Blotter};

/// Reads the pieces of one answer, or the whole of it.
#[derive(Debug, Default)]
pub(super) struct GeminiReader {
    reason: Option<FinishReason>,
    usage: Option<Usage>,
}

impl GeminiReader {
    /// The events that a JSON text holds: one piece of the answer, or a list of all.
    pub(super) fn read(
        &mut self,
        json: &str,
        blotter: &Blotter,
    ) -> Result<Vec<ProviderEvent>, ProviderError> {
        let value: Value = serde_json::from_str(json).map_err(|error| {
            ProviderError::Protocol(format!("no JSON at column {}", error.column()).into())
        })?;
        if let Some(failure) = Failure::of_frame(&value, blotter) {
            return Err(failure.into_error());
        }
        let mut events = Vec::new();
        match &value {
            Value::Array(pieces) => {
                for piece in pieces {
                    self.piece(piece, &mut events)?;
                }
            }
            Value::Object(_) => self.piece(&value, &mut events)?,
            _ => return Err(ProviderError::Protocol("it sent a piece that is no object".into())),
        }
        Ok(events)
    }

    fn piece(
        &mut self,
        piece: &Value,
        events: &mut Vec<ProviderEvent>,
    ) -> Result<(), ProviderError> {
        if let Some(reason) = piece["promptFeedback"]["blockReason"].as_str() {
            return Err(ProviderError::Refused(format!(
                "it blocked the prompt ({})",
                word(reason)
            )));
        }
        self.usage = usage(&piece["usageMetadata"]).or(self.usage);
        let candidate = &piece["candidates"][0];
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            match part["text"].as_str() {
                None | Some("") => {}
                Some(text) if part["thought"] == true => {
                    events.push(ProviderEvent::Reasoning(text.to_owned()));
                }
                Some(text) => events.push(ProviderEvent::Text(text.to_owned())),
            }
        }
        if let Some(reason) = candidate["finishReason"].as_str() {
            self.reason = Some(finish_reason(reason)?);
        }
        Ok(())
    }

    /// The end of the answer.
    pub(super) fn finish(self) -> Result<ProviderEvent, ProviderError> {
        match self.reason {
            Some(reason) => Ok(ProviderEvent::Done { reason, usage: self.usage }),
            None => Err(ProviderError::Protocol("the answer broke off without an end".into())),
        }
    }
}

fn finish_reason(reason: &str) -> Result<FinishReason, ProviderError> {
    match reason {
        "STOP" | "FINISH_REASON_UNSPECIFIED" => Ok(FinishReason::Stop),
        "MAX_TOKENS" => Ok(FinishReason::Length),
        "SAFETY" | "IMAGE_SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST"
        | "PROHIBITED_CONTENT" | "SPII" | "OTHER" => Ok(FinishReason::Filtered),
        other => Err(ProviderError::Protocol(format!("it ended with {}", word(other)).into())),
    }
}

/// A word of Gemini's, and nothing else that may stand in its place.
fn word(word: &str) -> String {
    word.chars().filter(|letter| letter.is_ascii_alphabetic() || *letter == '_').take(40).collect()
}

fn usage(usage: &Value) -> Option<Usage> {
    let count = |key: &str| usage[key].as_u64();
    // What was thought is answered and paid for, too.
    let completion =
        count("candidatesTokenCount").unwrap_or(0) + count("thoughtsTokenCount").unwrap_or(0);
    let number = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    Some(Usage {
        prompt_tokens: number(count("promptTokenCount")?),
        completion_tokens: number(completion),
        estimated: false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(pieces: &[Value]) -> Result<Vec<ProviderEvent>, ProviderError> {
        let (mut reader, mut events) = (GeminiReader::default(), Vec::new());
        for piece in pieces {
            events.extend(reader.read(&piece.to_string(), &Blotter::default())?);
        }
        events.push(reader.finish()?);
        Ok(events)
    }

    fn ending(reason: &str) -> Value {
        json!({ "candidates": [{ "finishReason": reason }] })
    }

    #[test]
    fn parts_are_text_or_thoughts_and_the_last_usage_counts() {
        let parts = json!([{ "text": "a", "thought": true }, { "text": "b" }, { "text": "" }, { "inlineData": {} }]);
        let usage = |answer| json!({ "promptTokenCount": 3, "candidatesTokenCount": answer, "thoughtsTokenCount": 1 });
        let pieces = [
            json!({ "candidates": [{ "content": { "parts": parts } }], "usageMetadata": usage(1) }),
            json!({ "candidates": [{ "finishReason": "STOP" }], "usageMetadata": usage(4) }),
        ];
        let usage = Usage { prompt_tokens: 3, completion_tokens: 5, estimated: false };
        let expected = [
            ProviderEvent::Reasoning("a".to_owned()),
            ProviderEvent::Text("b".to_owned()),
            ProviderEvent::Done { reason: FinishReason::Stop, usage: Some(usage) },
        ];
        assert_eq!(read(&pieces).unwrap(), expected);
        assert_eq!(read(&[json!(pieces)]).unwrap(), expected, "the same as one list");
    }

    #[test]
    fn blocks_come_as_successes_and_are_told_apart() {
        for reason in ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY"] {
            let blocked = json!({ "promptFeedback": { "blockReason": reason } });
            let error = read(&[blocked]).unwrap_err();
            assert!(matches!(error, ProviderError::Refused(text) if text.contains(reason)));
        }
        for reason in
            ["SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "OTHER"]
        {
            let done = ProviderEvent::Done { reason: FinishReason::Filtered, usage: None };
            assert_eq!(read(&[ending(reason)]).unwrap(), [done], "{reason}");
        }
        let length = ProviderEvent::Done { reason: FinishReason::Length, usage: None };
        assert_eq!(read(&[ending("MAX_TOKENS")]).unwrap(), [length]);
        assert!(matches!(
            read(&[ending("MALFORMED_FUNCTION_CALL")]),
            Err(ProviderError::Protocol(_))
        ));
        assert!(matches!(read(&[json!({})]), Err(ProviderError::Protocol(_))), "no end");
    }

    #[test]
    fn failures_come_as_an_object_or_in_a_list() {
        let error =
            json!({ "error": { "code": 429, "message": "x", "status": "RESOURCE_EXHAUSTED" } });
        for shape in [error.clone(), json!([error])] {
            assert!(matches!(read(&[shape]), Err(ProviderError::RateLimited { .. })));
        }
    }
}
