//! What form the answer of a call has: `response_format`, and what vLLM's callers send.

use anima_provider::{Output, Schema};
use serde::Deserialize;
use serde_json::Value;

use super::{super::parameters::Parameters, HttpError};

/// Most characters of a regular expression, and most choices.
const MOST: usize = 4096;

#[derive(Deserialize)]
struct WireSchema {
    name: Option<String>,
    description: Option<String>,
    schema: Option<Value>,
    strict: Option<bool>,
}

/// The form that is asked for; one at most.
pub(super) fn read(parameters: &mut Parameters) -> Result<Output, HttpError> {
    let mut asked = Vec::new();
    if let Some(format) = parameters.any("response_format") {
        let output = response_format(&format)?;
        // A text is what everybody gets, and says nothing against the others.
        asked.extend((output != Output::Text).then_some(("response_format", output)));
    }
    for name in ["guided_json", "guided_regex", "guided_choice"] {
        if let Some(value) = parameters.any(name) {
            let kind = name.trim_start_matches("guided_");
            asked.push((name, guided(name, kind, value)?));
        }
    }
    if let Some(mut wanted) = parameters.any("structured_outputs") {
        let name = "structured_outputs";
        if !wanted.is_object() {
            return Err(HttpError::wrong_type(name, "an object"));
        }
        for kind in ["json", "regex", "choice"] {
            let value = wanted[kind].take();
            if !value.is_null() {
                asked.push((name, guided(name, kind, value)?));
            }
        }
        if wanted["json_object"] == true {
            asked.push((name, Output::JsonObject));
        }
        if asked.is_empty() {
            let message = "structured_outputs has json, json_object, regex or choice";
            return Err(HttpError::unsupported(name, message));
        }
    }
    match (asked.pop(), asked.pop()) {
        (None, _) => Ok(Output::Text),
        (Some((_, output)), None) => Ok(output),
        (Some((name, _)), Some((other, _))) => {
            let message = format!("an answer has one form: {other} asks for another one");
            Err(HttpError::parameter(name, message))
        }
    }
}

fn response_format(format: &Value) -> Result<Output, HttpError> {
    match format["type"].as_str() {
        Some("text") => Ok(Output::Text),
        Some("json_object") => Ok(Output::JsonObject),
        Some("json_schema") => {
            let param = "response_format.json_schema";
            let wire = WireSchema::deserialize(&format["json_schema"])
                .map_err(|error| HttpError::parameter(param, error.to_string()))?;
            let schema = wire.schema.filter(Value::is_object);
            let schema = schema.ok_or_else(|| HttpError::missing(&format!("{param}.schema")))?;
            Ok(Output::JsonSchema(Schema {
                name: name(wire.name.as_deref())?,
                description: wire.description,
                schema,
                strict: wire.strict.unwrap_or(false),
            }))
        }
        _ => {
            let message = "response_format.type is text, json_object or json_schema";
            Err(HttpError::parameter("response_format", message))
        }
    }
}

fn name(name: Option<&str>) -> Result<String, HttpError> {
    let name = name.unwrap_or("answer");
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if (1..=64).contains(&name.len()) && name.bytes().all(is_letter) {
        return Ok(name.to_owned());
    }
    let param = "response_format.json_schema.name";
    Err(HttpError::parameter(param, "a name has 1 to 64 letters, digits, _ and -"))
}

/// What vLLM's callers ask for. A schema may come as the text of one.
fn guided(param: &str, kind: &str, value: Value) -> Result<Output, HttpError> {
    match (kind, value) {
        ("json", Value::String(text)) => match serde_json::from_str(&text) {
            Ok(value @ Value::Object(_)) => guided(param, kind, value),
            _ => Err(HttpError::wrong_type(param, "a JSON schema")),
        },
        ("json", schema @ Value::Object(_)) => Ok(Output::JsonSchema(Schema {
            name: "answer".to_owned(),
            description: None,
            schema,
            strict: true,
        })),
        ("json", _) => Err(HttpError::wrong_type(param, "a JSON schema")),
        ("regex", Value::String(text)) if text.chars().count() <= MOST => Ok(Output::Regex(text)),
        ("regex", Value::String(_)) => {
            let message = format!("a regular expression has at most {MOST} characters");
            Err(HttpError::parameter(param, message))
        }
        ("regex", _) => Err(HttpError::wrong_type(param, "a text")),
        (_, Value::Array(texts)) if (1..=MOST).contains(&texts.len()) => {
            let texts = texts.iter().map(Value::as_str).collect::<Option<Vec<_>>>();
            let texts = texts.ok_or_else(|| HttpError::wrong_type(param, "a list of texts"))?;
            let texts: Vec<_> = texts.into_iter().map(escaped).collect();
            Ok(Output::Regex(format!("(?:{})", texts.join("|"))))
        }
        _ => Err(HttpError::wrong_type(param, "a list of texts")),
    }
}

/// A text as a regular expression that fits it alone.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if r"\.+*?()|[]{}^$".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}
