//! The tools of a call.

use std::collections::HashSet;

use anima_provider::{Tool, ToolChoice};
use serde::Deserialize;
use serde_json::Value;

use super::{super::parameters::Parameters, HttpError};

/// Most tools of a call.
const MOST_TOOLS: usize = 128;

#[derive(Deserialize)]
struct WireTool {
    #[serde(rename = "type")]
    kind: String,
    function: Option<WireFunction>,
}

#[derive(Deserialize)]
struct WireFunction {
    name: String,
    description: Option<String>,
    parameters: Option<Value>,
    strict: Option<bool>,
}

/// What is offered, and whether it has to be called.
pub(in crate::surface) fn read(
    parameters: &mut Parameters,
) -> Result<(Vec<Tool>, ToolChoice), HttpError> {
    let tools = match parameters.any("tools") {
        None => Vec::new(),
        Some(Value::Array(tools)) if tools.len() <= MOST_TOOLS => {
            tools.into_iter().enumerate().map(tool).collect::<Result<Vec<_>, _>>()?
        }
        Some(Value::Array(_)) => {
            let message = format!("tools must be at most {MOST_TOOLS}");
            return Err(HttpError::parameter("tools", message));
        }
        Some(_) => return Err(HttpError::wrong_type("tools", "a list")),
    };
    let mut names = HashSet::new();
    if let Some(index) = tools.iter().position(|tool| !names.insert(tool.name.as_str())) {
        let param = format!("tools[{index}].function.name");
        return Err(HttpError::parameter(&param, "two tools have the same name"));
    }
    let choice = match parameters.any("tool_choice") {
        None => ToolChoice::Auto,
        Some(choice) => self::choice(&choice, &tools)?,
    };
    Ok((tools, choice))
}

fn tool((index, value): (usize, Value)) -> Result<Tool, HttpError> {
    let param = |field: &str| format!("tools[{index}]{field}");
    let WireTool { kind, function } = serde_json::from_value(value)
        .map_err(|error| HttpError::parameter(&param(""), error.to_string()))?;
    let Some(function) = function.filter(|_| kind == "function") else {
        let message = "a tool has the type function, and a function";
        return Err(HttpError::parameter(&param(".type"), message));
    };
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if !(1..=64).contains(&function.name.len()) || !function.name.bytes().all(is_letter) {
        let message = "a name has 1 to 64 letters, digits, _ and -";
        return Err(HttpError::parameter(&param(".function.name"), message));
    }
    if function.parameters.as_ref().is_some_and(|parameters| !parameters.is_object()) {
        return Err(HttpError::wrong_type(&param(".function.parameters"), "a JSON schema"));
    }
    Ok(Tool {
        name: function.name,
        description: function.description,
        parameters: function.parameters,
        strict: function.strict,
    })
}

fn choice(choice: &Value, tools: &[Tool]) -> Result<ToolChoice, HttpError> {
    let wrong = |message: &str| HttpError::parameter("tool_choice", message);
    let choice = match (choice.as_str(), choice["function"]["name"].as_str()) {
        (Some("none"), _) => return Ok(ToolChoice::None),
        (Some("auto"), _) => return Ok(ToolChoice::Auto),
        (Some("required"), _) => ToolChoice::Required,
        (None, Some(name)) if choice["type"] == "function" => ToolChoice::Named(name.to_owned()),
        _ => return Err(wrong("tool_choice is auto, none, required or a function by its name")),
    };
    if tools.is_empty() {
        return Err(wrong("tool_choice needs tools"));
    }
    if let ToolChoice::Named(name) = &choice
        && !tools.iter().any(|tool| tool.name == *name)
    {
        return Err(wrong("tool_choice names a function that is not among the tools"));
    }
    Ok(choice)
}
