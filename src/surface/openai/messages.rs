//! The conversation of a call.

use anima_provider::{Image, Input, Message, Role, ToolCall};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json};

use super::{
    HttpError,
    body::{Subject, TextOr},
};

/// Most pictures of a call.
pub(super) const MAX_IMAGES: usize = 8;

/// A message as it came.
#[derive(Debug, Deserialize)]
pub(super) struct WireMessage {
    role: Option<String>,
    #[serde(default)]
    content: TextOr<Part>,
    tool_calls: Option<Vec<WireCall>>,
    tool_call_id: Option<String>,
    function_call: Option<IgnoredAny>,
}

impl Subject for WireMessage {
    const FIELD: &'static str = "messages";
}

/// A part of a message's content.
#[derive(Debug, Deserialize)]
pub(super) struct Part {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    refusal: Option<String>,
    image_url: Option<ImageUrl>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "an image_url is an object with a url")]
enum ImageUrl {
    Object { url: String },
    Text(String),
}

#[derive(Debug, Deserialize)]
struct WireCall {
    id: String,
    function: WireFunction,
}

#[derive(Debug, Deserialize)]
struct WireFunction {
    name: String,
    #[serde(default)]
    arguments: String,
}

/// The addresses of the pictures that a person shows, each with the parameter that it is in.
pub(super) fn addresses(
    messages: &mut TextOr<WireMessage>,
) -> impl Iterator<Item = (String, &mut String)> {
    let list = match messages {
        TextOr::List(list) => list.as_mut_slice(),
        TextOr::Nothing | TextOr::Text(_) => &mut [],
    };
    list.iter_mut()
        .enumerate()
        .filter(|(_, message)| message.role.as_deref() == Some("user"))
        .flat_map(|(at, message)| {
            let parts = match &mut message.content {
                TextOr::List(parts) => parts.as_mut_slice(),
                TextOr::Nothing | TextOr::Text(_) => &mut [],
            };
            parts.iter_mut().enumerate().filter_map(move |(index, part)| {
                let (ImageUrl::Object { url } | ImageUrl::Text(url)) = part.image_url.as_mut()?;
                let param = format!("messages[{at}].content[{index}].image_url");
                (part.kind == "image_url").then_some((param, url))
            })
        })
}

/// The conversation as choices of an answer.
pub(super) fn told(messages: &TextOr<WireMessage>) -> Vec<Value> {
    let choice = |index: usize, role: Option<&str>, content: Value| {
        let message = json!({ "role": role, "content": content, "refusal": null });
        json!({ "index": index, "message": message, "logprobs": null, "finish_reason": "stop" })
    };
    match messages {
        TextOr::Nothing => Vec::new(),
        TextOr::Text(text) => vec![choice(0, Some("user"), json!(text))],
        TextOr::List(list) => {
            let content = |content: &TextOr<Part>| match content {
                TextOr::Nothing => Value::Null,
                TextOr::Text(text) => json!(text),
                TextOr::List(parts) => {
                    let texts = parts.iter().filter_map(|part| part.text.as_deref());
                    json!(texts.collect::<Vec<_>>().join("\n"))
                }
            };
            let told = list.iter().enumerate();
            told.map(|(at, message)| choice(at, message.role.as_deref(), content(&message.content)))
                .collect()
        }
    }
}

/// The conversation that the messages are.
pub(super) fn input(messages: TextOr<WireMessage>) -> Result<Input, HttpError> {
    let messages = match messages {
        TextOr::Nothing => return Err(HttpError::missing("messages")),
        TextOr::Text(text) => vec![Message::new(Role::User, text)],
        TextOr::List(list) => {
            list.into_iter().enumerate().map(message).collect::<Result<Vec<_>, _>>()?
        }
    };
    if messages.is_empty() {
        return Err(HttpError::missing("messages"));
    }
    if messages.iter().map(|message| message.images.len()).sum::<usize>() > MAX_IMAGES {
        let message = format!("there are at most {MAX_IMAGES} images in one call");
        return Err(HttpError::parameter("messages", message));
    }
    let mut messages = messages;
    let first_is_system = messages.first().is_some_and(|first| first.role == Role::System);
    let system = first_is_system.then(|| messages.remove(0).text);
    Ok(Input::Chat { system, messages })
}

fn message((index, wire): (usize, WireMessage)) -> Result<Message, HttpError> {
    let param = |field: &str| format!("messages[{index}].{field}");
    let missing = |field: &str| HttpError::missing(&param(field));
    let role = match wire.role.as_deref() {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system" | "developer") => Role::System,
        Some("tool") => Role::Tool,
        Some("function") => {
            let message = "the role function is the old form of tool: send tool_call_id with it";
            return Err(HttpError::unsupported(&param("role"), message));
        }
        Some(_) => {
            let message = "a role is one of system, developer, user, assistant, tool";
            return Err(HttpError::parameter(&param("role"), message));
        }
        None => return Err(missing("role")),
    };
    if wire.function_call.is_some() {
        let message = "function_call is the old form of tool_calls: send tool_calls";
        return Err(HttpError::unsupported(&param("function_call"), message));
    }
    let (text, images) = match wire.content {
        TextOr::Nothing if role == Role::Assistant => {
            if wire.tool_calls.as_ref().is_none_or(Vec::is_empty) {
                return Err(missing("content"));
            }
            (String::new(), Vec::new())
        }
        TextOr::Nothing => return Err(missing("content")),
        TextOr::Text(text) => (text, Vec::new()),
        TextOr::List(parts) => content(parts, role, &param("content"))?,
    };
    let tool_calls = wire.tool_calls.unwrap_or_default();
    if role != Role::Assistant && !tool_calls.is_empty() {
        let message = "only the assistant calls tools";
        return Err(HttpError::parameter(&param("tool_calls"), message));
    }
    if role == Role::Tool && wire.tool_call_id.is_none() {
        return Err(missing("tool_call_id"));
    }
    let call = |call: WireCall| ToolCall {
        id: call.id,
        name: call.function.name,
        arguments: call.function.arguments,
    };
    Ok(Message {
        images,
        tool_calls: tool_calls.into_iter().map(call).collect(),
        tool_call_id: wire.tool_call_id.filter(|_| role == Role::Tool),
        ..Message::new(role, text)
    })
}

/// The text and the pictures of a content in parts; several texts are lines.
fn content(parts: Vec<Part>, role: Role, param: &str) -> Result<(String, Vec<Image>), HttpError> {
    let (mut texts, mut images) = (Vec::new(), Vec::new());
    for (index, part) in parts.into_iter().enumerate() {
        let param = |field: &str| format!("{param}[{index}].{field}");
        match part.kind.as_str() {
            "text" => texts.push(part.text.ok_or_else(|| HttpError::missing(&param("text")))?),
            "refusal" => texts.extend(part.refusal),
            "image_url" if role == Role::User => {
                let Some(ImageUrl::Object { url } | ImageUrl::Text(url)) = part.image_url else {
                    return Err(HttpError::missing(&param("image_url")));
                };
                images.push(picture(url).ok_or_else(|| {
                    let message = "an image is a data:image/…;base64 URL, or an https address where \
                        server.images.fetch allows that";
                    HttpError::parameter(&param("image_url"), message).with_code("invalid_image")
                })?);
            }
            "image_url" => {
                let message = "only the user shows images";
                return Err(HttpError::parameter(&param("type"), message));
            }
            _ => {
                let message = "a part of a message is text or image_url";
                return Err(HttpError::unsupported(&param("type"), message));
            }
        }
    }
    Ok((texts.join("\n"), images))
}

/// A picture that is there as a whole.
pub(in crate::surface) fn picture(url: String) -> Option<Image> {
    let (kind, data) = url.strip_prefix("data:image/")?.split_once(";base64,")?;
    let is_kind = |letter: char| letter.is_ascii_alphanumeric() || "+.-".contains(letter);
    let is_data = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    let sound = !kind.is_empty()
        && kind.chars().all(is_kind)
        && !data.is_empty()
        && data.len().is_multiple_of(4)
        && data.as_bytes().iter().all(is_data);
    sound.then_some(Image(url))
}
