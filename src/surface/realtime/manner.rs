//! How responses are made: what a session has chosen, and what one response changes of it.

use anima_provider::{Tool, ToolChoice};
use serde_json::{Map, Value, json};

use super::super::{error::HttpError, openai::read_tools, parameters::Parameters};

/// How responses are made.
#[derive(Debug, Clone, Default)]
pub(super) struct Manner {
    /// What the model is told; for a persona, facts that it may rest on.
    pub(super) instructions: String,
    /// The functions as the client gave them.
    tools: Vec<Value>,
    tool_choice: Option<Value>,
    /// The same as providers take them.
    pub(super) offered: Vec<Tool>,
    pub(super) choice: ToolChoice,
    /// Most tokens of a response; `None` is no limit of ours.
    pub(super) max_output_tokens: Option<u32>,
}

impl Manner {
    /// The same with the changes that `fields` has. Absent means unchanged; what has no meaning in
    /// text is not looked at.
    ///
    /// # Errors
    /// What is wrong, and in which field; nothing is changed then.
    pub(super) fn changed(&self, fields: &Value, path: &str) -> Result<Self, HttpError> {
        let Some(fields) = fields.as_object() else {
            return Err(HttpError::wrong_type(path, "an object"));
        };
        let field = |name: &str| fields.get(name).filter(|value| !value.is_null());
        let at = |name: &str| format!("{path}.{name}");
        let mut changed = self.clone();
        if let Some(text) = field("instructions") {
            let text = text.as_str();
            let text = text.ok_or_else(|| HttpError::wrong_type(&at("instructions"), "a text"))?;
            text.clone_into(&mut changed.instructions);
        }
        if let Some(modalities) = field("output_modalities") {
            let is_text = |kind: &Value| kind == "text";
            if !modalities.as_array().is_some_and(|list| list.iter().all(is_text)) {
                let message = "there is text here and no audio: output_modalities is [\"text\"]";
                return Err(HttpError::unsupported(&at("output_modalities"), message));
            }
        }
        if field("prompt").is_some() {
            let message = "no prompts are stored here: send instructions";
            return Err(HttpError::unsupported(&at("prompt"), message));
        }
        match field("max_output_tokens") {
            None => {}
            Some(limit) if limit == "inf" => changed.max_output_tokens = None,
            Some(limit) => {
                let limit = limit.as_u64().filter(|limit| *limit > 0).ok_or_else(|| {
                    HttpError::parameter(&at("max_output_tokens"), "at least 1, or \"inf\"")
                })?;
                changed.max_output_tokens = Some(u32::try_from(limit).unwrap_or(u32::MAX));
            }
        }
        if field("tools").is_some() || field("tool_choice").is_some() {
            changed.change_tools(field("tools"), field("tool_choice"), path)?;
        }
        Ok(changed)
    }

    fn change_tools(
        &mut self,
        tools: Option<&Value>,
        choice: Option<&Value>,
        path: &str,
    ) -> Result<(), HttpError> {
        if let Some(tools) = tools {
            let tools = tools.as_array();
            let tools =
                tools.ok_or_else(|| HttpError::wrong_type(&format!("{path}.tools"), "a list"))?;
            self.tools.clone_from(tools);
            if tools.is_empty() {
                // What was to be called is gone with them.
                self.tool_choice = None;
            }
        }
        if let Some(choice) = choice {
            self.tool_choice = Some(choice.clone());
        }
        let mut parameters = Parameters::default();
        parameters.put("tools".to_owned(), self.tools.iter().map(nested).collect());
        if let Some(choice) = self.tool_choice.as_ref().filter(|choice| **choice != "auto") {
            let choice = match choice["name"].as_str() {
                Some(name) => json!({ "type": choice["type"], "function": { "name": name } }),
                None => choice.clone(),
            };
            parameters.put("tool_choice".to_owned(), choice);
        }
        let read = read_tools(&mut parameters);
        (self.offered, self.choice) = read.map_err(|error| error.with_prefix(path))?;
        Ok(())
    }

    /// What a client is shown of it, in the fields of a session.
    pub(super) fn show(&self, shown: &mut Map<String, Value>) {
        shown.insert("output_modalities".to_owned(), json!(["text"]));
        shown.insert("instructions".to_owned(), json!(self.instructions));
        shown.insert("tools".to_owned(), json!(self.tools));
        let choice = self.tool_choice.clone().unwrap_or_else(|| json!("auto"));
        shown.insert("tool_choice".to_owned(), choice);
        shown.insert("max_output_tokens".to_owned(), self.shown_limit());
    }

    /// The limit as clients read it.
    pub(super) fn shown_limit(&self) -> Value {
        self.max_output_tokens.map_or_else(|| json!("inf"), Value::from)
    }
}

/// A function as chat completions have it.
fn nested(tool: &Value) -> Value {
    let mut function = tool.clone();
    let kind = match function.as_object_mut() {
        Some(fields) => fields.remove("type").unwrap_or_default(),
        None => return function,
    };
    if kind == "function" {
        json!({ "type": kind, "function": function })
    } else {
        json!({ "type": kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(manner: &Manner, fields: &Value) -> Manner {
        manner.changed(fields, "session").unwrap()
    }

    #[test]
    fn what_is_absent_is_unchanged_and_what_is_empty_is_cleared() {
        let tool = json!({ "type": "function", "name": "f", "description": "d",
            "parameters": { "type": "object" } });
        let first = changed(
            &Manner::default(),
            &json!({ "instructions": "be kind", "tools": [tool], "max_output_tokens": 5,
                "tool_choice": { "type": "function", "name": "f" }, "audio": { "input": {} } }),
        );
        assert_eq!(first.choice, ToolChoice::Named("f".to_owned()));
        assert_eq!(first.offered[0].description.as_deref(), Some("d"));
        let same = changed(&first, &json!({ "instructions": null, "voice": "x" }));
        assert_eq!((same.instructions.as_str(), same.max_output_tokens), ("be kind", Some(5)));
        let cleared = changed(
            &first,
            &json!({ "instructions": "", "tools": [], "max_output_tokens": "inf" }),
        );
        assert!(cleared.instructions.is_empty() && cleared.offered.is_empty());
        assert_eq!((cleared.choice, cleared.max_output_tokens), (ToolChoice::Auto, None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (fields, param, code) in [
            (json!([]), "session", "invalid_type"),
            (json!({ "instructions": 1 }), "session.instructions", "invalid_type"),
            (json!({ "output_modalities": ["audio"] }), "session.output_modalities", "unsupported"),
            (json!({ "max_output_tokens": 0 }), "session.max_output_tokens", "invalid_value"),
            (json!({ "tools": [{ "type": "mcp" }] }), "session.tools[0].type", "invalid_value"),
            (json!({ "tool_choice": "required" }), "session.tool_choice", "invalid_value"),
            (json!({ "prompt": { "id": "p" } }), "session.prompt", "unsupported"),
        ] {
            let error = Manner::default().changed(&fields, "session").unwrap_err();
            let told = error.body()["error"].take();
            assert_eq!((&told["param"], &told["code"]), (&json!(param), &json!(code)), "{fields}");
        }
    }
}
