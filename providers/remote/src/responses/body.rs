//! What is asked in a request for a response.

use anima_provider::{Input, Message, ProviderError, Request};
use serde_json::{Map, Value, json};

use crate::{CommonSettings, merge::merge, sampling};

/// The sampling fields that this API has.
const NAMES: [(&str, &str); 3] =
    [("temperature", "temperature"), ("top_p", "top_p"), ("max_tokens", "max_output_tokens")];

/// The body of a request.
pub(super) fn body(
    request: &Request,
    model: &str,
    common: &CommonSettings,
) -> Result<Value, ProviderError> {
    let Input::Chat { system, messages } = &request.input else {
        return Err(ProviderError::Unsupported { feature: "a finished prompt".to_owned() });
    };
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    if let Some(system) = system {
        body.insert("instructions".to_owned(), json!(system));
    }
    body.insert("input".to_owned(), messages.iter().map(item).collect());
    body.insert("stream".to_owned(), json!(true));
    body.insert("store".to_owned(), json!(false));
    let sampling = request.sampling.clone().or(&common.sampling);
    sampling::put(&mut body, &sampling, &common.omit, &NAMES, 0);
    merge(&mut body, &common.extra);
    Ok(Value::Object(body))
}

/// A message as an item of the input.
fn item(message: &Message) -> Value {
    let role = message.role.as_str();
    if message.images.is_empty() {
        return json!({ "role": role, "content": message.text });
    }
    let images = message.images.iter().map(|image| {
        // The level of detail has a default, and yet the reference calls it required.
        json!({ "type": "input_image", "image_url": image.0, "detail": "auto" })
    });
    let text = json!({ "type": "input_text", "text": message.text });
    json!({ "role": role, "content": images.chain([text]).collect::<Vec<_>>() })
}
