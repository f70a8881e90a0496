//! What Gemini is asked.

use anima_provider::{Image, Input, Message, Output, ProviderError, Request, Role, Sampling};
use serde_json::{Map, Value, json};

use super::GeminiSettings;
use crate::{merge::merge, sampling};

/// Most stop strings that Gemini takes.
const MOST_STOPS: usize = 5;

/// How Gemini calls the sampling fields that it has.
const NAMES: [(&str, &str); 7] = [
    ("temperature", "temperature"),
    ("top_p", "topP"),
    ("top_k", "topK"),
    ("max_tokens", "maxOutputTokens"),
    ("stop", "stopSequences"),
    ("presence_penalty", "presencePenalty"),
    ("frequency_penalty", "frequencyPenalty"),
];

/// The body of a request.
pub(super) fn body(request: &Request, settings: &GeminiSettings) -> Result<Value, ProviderError> {
    let Input::Chat { system, messages } = &request.input else {
        return Err(ProviderError::Unsupported { feature: "a finished prompt".to_owned() });
    };
    let mut body = Map::new();
    if let Some(system) = system {
        body.insert("systemInstruction".to_owned(), json!({ "parts": [{ "text": system }] }));
    }
    body.insert("contents".to_owned(), contents(messages)?);
    let sampling = request.sampling.clone().or(&settings.common.sampling);
    // 0 is how we say "all"; Gemini says nothing.
    let sampling = Sampling { top_k: sampling.top_k.filter(|top_k| *top_k > 0), ..sampling };
    let mut config = Map::new();
    sampling::put(&mut config, &sampling, &settings.common.omit, &NAMES, MOST_STOPS);
    put_output(&mut config, &request.output);
    if !config.is_empty() {
        body.insert("generationConfig".to_owned(), Value::Object(config));
    }
    if !settings.safety.is_empty() {
        let safety = settings.safety.iter().map(|(category, threshold)| {
            let category = category.to_uppercase();
            let category = category.strip_prefix("HARM_CATEGORY_").unwrap_or(&category);
            json!({ "category": format!("HARM_CATEGORY_{category}"), "threshold": threshold })
        });
        body.insert("safetySettings".to_owned(), safety.collect());
    }
    merge(&mut body, &settings.common.extra);
    Ok(Value::Object(body))
}

/// Puts in what form the answer has.
fn put_output(config: &mut Map<String, Value>, output: &Output) {
    let schema = match output {
        Output::JsonObject => None,
        Output::JsonSchema(schema) => Some(schema.schema.clone()),
        Output::Text | Output::Regex(_) => return,
    };
    config.insert("responseMimeType".to_owned(), json!("application/json"));
    // Its older twin, `responseSchema`, takes a part of what a JSON schema can say.
    config.extend(schema.map(|schema| ("responseJsonSchema".to_owned(), schema)));
}

/// The conversation. Who speaks twice in a row, because the answer in between was never heard,
/// speaks once in two parts: Gemini wants the speakers to alternate.
fn contents(messages: &[Message]) -> Result<Value, ProviderError> {
    let mut contents: Vec<(Role, Vec<Value>)> = Vec::new();
    for message in messages {
        let mut parts = message.images.iter().map(picture).collect::<Result<Vec<_>, _>>()?;
        parts.push(json!({ "text": message.text }));
        match contents.last_mut() {
            Some((role, before)) if *role == message.role => before.extend(parts),
            _ => contents.push((message.role, parts)),
        }
    }
    let contents = contents.into_iter().map(|(role, parts)| {
        let role = match role {
            Role::Assistant => "model",
            Role::User | Role::System | Role::Tool => "user",
        };
        json!({ "role": role, "parts": parts })
    });
    Ok(contents.collect())
}

fn picture(image: &Image) -> Result<Value, ProviderError> {
    let parts = image.0.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    let Some((media_type, data)) = parts else {
        let feature = "a picture that is no data: URL in base64".to_owned();
        return Err(ProviderError::Unsupported { feature });
    };
    Ok(json!({ "inlineData": { "mimeType": media_type, "data": data } }))
}
