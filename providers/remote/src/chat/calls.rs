//! Function calls, read out of an answer's chunks.

use std::collections::BTreeMap;

use anima_provider::ToolDelta;
use serde_json::Value;

/// The calls of one answer, as far as they have come.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// By their number; `Some` waits for its name.
    calls: BTreeMap<u32, Option<ToolDelta>>,
}

impl Calls {
    /// Whether there was any.
    pub(super) fn any(&self) -> bool {
        !self.calls.is_empty()
    }

    /// The pieces that a message, or a piece of one, holds: `several` under the name of today, and
    /// the `single` one that servers had before there could be more.
    pub(super) fn read(&mut self, several: &Value, single: &Value) -> Vec<ToolDelta> {
        let mut pieces = Vec::new();
        for (place, call) in several.as_array().into_iter().flatten().enumerate() {
            let number = call["index"].as_u64().and_then(|index| u32::try_from(index).ok());
            // Whole messages leave the number to the place.
            let number = number.or_else(|| u32::try_from(place).ok()).unwrap_or_default();
            pieces.extend(self.piece(number, call["id"].as_str(), &call["function"]));
        }
        if single.is_object() {
            pieces.extend(self.piece(0, None, single));
        }
        pieces
    }

    fn piece(&mut self, index: u32, id: Option<&str>, function: &Value) -> Option<ToolDelta> {
        let arguments = match &function["arguments"] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            // Some servers forget that it is a text.
            other => other.to_string(),
        };
        let first = || Some(ToolDelta { index, ..ToolDelta::default() });
        let Some(waiting) = self.calls.entry(index).or_insert_with(first) else {
            let further = ToolDelta { index, arguments, ..ToolDelta::default() };
            return (!further.arguments.is_empty()).then_some(further);
        };
        waiting.arguments.push_str(&arguments);
        let told = |text: &&str| !text.is_empty();
        waiting.id = waiting.id.take().or_else(|| id.filter(told).map(str::to_owned));
        let name = function["name"].as_str().filter(told)?;
        let mut complete = self.calls.insert(index, None).flatten()?;
        complete.name = Some(name.to_owned());
        complete.id.get_or_insert_with(|| format!("call_{index}"));
        Some(complete)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn calls_are_understood_in_all_the_ways_in_which_servers_tell_them() {
        let whole = |id: &str, arguments: &str| ToolDelta {
            index: 0,
            id: Some(id.to_owned()),
            name: Some("f".to_owned()),
            arguments: arguments.to_owned(),
        };
        for (said, expected) in [
            (
                json!({ "tool_calls": [{ "id": "a", "function": { "name": "f", "arguments": "{}" } }] }),
                whole("a", "{}"),
            ),
            (
                json!({ "tool_calls": [{ "function": { "name": "f", "arguments": { "x": 1 } } }] }),
                whole("call_0", "{\"x\":1}"),
            ),
            (json!({ "function_call": { "name": "f", "arguments": "{}" } }), whole("call_0", "{}")),
        ] {
            let mut calls = Calls::default();
            assert!(!calls.any());
            let pieces = calls.read(&said["tool_calls"], &said["function_call"]);
            assert_eq!(pieces, [expected], "{said}");
            assert!(calls.any());
        }
    }

    #[test]
    fn a_call_is_told_once_it_has_a_name() {
        let mut calls = Calls::default();
        let mut read = |call: Value| calls.read(&json!([call]), &Value::Null);
        assert_eq!(read(json!({ "index": 2, "id": "a" })), []);
        let piece = |function: Value| json!({ "index": 2, "function": function });
        assert_eq!(read(piece(json!({ "name": "", "arguments": "{" }))), []);
        let told = read(piece(json!({ "name": "f", "arguments": "}" })));
        assert_eq!((told[0].id.as_deref(), told[0].arguments.as_str()), (Some("a"), "{}"));
    }
}
