//! Chat completions: what goes into a body; what comes back is read in [`ChatReader`].

mod calls;
mod chunk;
mod reader;

use anima_provider::{Input, Message, Output, Request, Tool, ToolCall, ToolChoice};
use serde_json::{Map, Value, json};

pub(crate) use chunk::no_json;
pub(crate) use reader::ChatReader;

/// The messages of a conversation. `picture` writes a `data:` URL as the server wants it.
pub(crate) fn messages(input: &Input, picture: impl Fn(&str) -> String) -> Value {
    let Input::Chat { system, messages } = input else { return json!([]) };
    let system = system.iter().map(|text| json!({ "role": "system", "content": text }));
    let said = messages.iter().map(|message| {
        let mut said = Map::new();
        said.insert("role".to_owned(), json!(message.role.as_str()));
        said.insert("content".to_owned(), content(message, &picture));
        if !message.tool_calls.is_empty() {
            said.insert("tool_calls".to_owned(), message.tool_calls.iter().map(call).collect());
        }
        if let Some(id) = &message.tool_call_id {
            said.insert("tool_call_id".to_owned(), json!(id));
        }
        Value::Object(said)
    });
    system.chain(said).collect()
}

/// A function that was called.
fn call(call: &ToolCall) -> Value {
    let function = json!({ "name": call.name, "arguments": call.arguments });
    json!({ "id": call.id, "type": "function", "function": function })
}

fn content(message: &Message, picture: impl Fn(&str) -> String) -> Value {
    if message.images.is_empty() {
        // Who only calls has said nothing, which is not the same as an empty text.
        let silent = message.text.is_empty() && !message.tool_calls.is_empty();
        return if silent { Value::Null } else { json!(message.text) };
    }
    let images = message
        .images
        .iter()
        .map(|image| json!({ "type": "image_url", "image_url": { "url": picture(&image.0) } }));
    images.chain([json!({ "type": "text", "text": message.text })]).collect()
}

/// Puts in the functions that are offered, and whether one has to be called.
pub(crate) fn put_tools(body: &mut Map<String, Value>, request: &Request) {
    if request.tools.is_empty() {
        return;
    }
    body.insert("tools".to_owned(), request.tools.iter().map(offer).collect());
    let choice = match &request.tool_choice {
        // What servers do of themselves.
        ToolChoice::Auto => return,
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => json!({ "type": "function", "function": { "name": name } }),
    };
    body.insert("tool_choice".to_owned(), choice);
}

fn offer(tool: &Tool) -> Value {
    let mut function = Map::new();
    function.insert("name".to_owned(), json!(tool.name));
    let mut put = |key: &str, value: Option<Value>| {
        function.extend(value.map(|value| (key.to_owned(), value)));
    };
    put("description", tool.description.as_ref().map(|text| json!(text)));
    put("parameters", tool.parameters.clone());
    put("strict", tool.strict.map(Value::Bool));
    json!({ "type": "function", "function": function })
}

/// Puts in what form the answer has.
pub(crate) fn put_output(body: &mut Map<String, Value>, output: &Output) {
    match output {
        Output::Text => {}
        Output::JsonObject => {
            body.insert("response_format".to_owned(), json!({ "type": "json_object" }));
        }
        Output::JsonSchema(schema) => {
            let mut format = Map::new();
            format.insert("name".to_owned(), json!(schema.name));
            if let Some(description) = &schema.description {
                format.insert("description".to_owned(), json!(description));
            }
            format.insert("schema".to_owned(), schema.schema.clone());
            format.insert("strict".to_owned(), json!(schema.strict));
            let format = json!({ "type": "json_schema", "json_schema": format });
            body.insert("response_format".to_owned(), format);
        }
        Output::Regex(expression) => {
            // What vLLM calls it, before and since its version 0.12.
            body.insert("guided_regex".to_owned(), json!(expression));
            body.insert("structured_outputs".to_owned(), json!({ "regex": expression }));
        }
    }
}
