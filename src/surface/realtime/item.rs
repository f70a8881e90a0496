//! An item of a conversation.

use anima_provider::{Image, Role};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{error::HttpError, openai::picture},
    fresh,
};

/// Most parts of a message.
const MOST_PARTS: usize = 64;

/// An item.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// What it is called, by the client or by us.
    pub(super) id: String,
    pub(super) status: Status,
    pub(super) content: Content,
}

/// How far an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    InProgress,
    Completed,
    Incomplete,
}

/// What an item holds.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Message {
        role: Role,
        parts: Vec<Part>,
    },
    /// The model calls a function.
    Call {
        call_id: String,
        name: String,
        arguments: String,
    },
    /// What the function gave back.
    Output {
        call_id: String,
        output: String,
    },
}

/// A part of a message.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Text(String),
    Image(Image),
}

#[derive(Deserialize)]
struct WireItem {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    role: Option<String>,
    content: Option<Vec<WirePart>>,
    call_id: Option<String>,
    name: Option<String>,
    arguments: Option<String>,
    output: Option<String>,
}

#[derive(Deserialize)]
struct WirePart {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    image_url: Option<String>,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
        }
    }
}

impl Item {
    /// Takes an item from a client; `path` is where it stands in its event.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub(super) fn read(value: Value, path: &str) -> Result<Self, HttpError> {
        let wire: WireItem = serde_json::from_value(value)
            .map_err(|error| HttpError::parameter(path, error.to_string()))?;
        let missing = |field: &str| HttpError::missing(&format!("{path}.{field}"));
        let content = match wire.kind.as_deref() {
            Some("message") => {
                message(wire.role.as_deref(), wire.content.unwrap_or_default(), path)?
            }
            Some("function_call") => Content::Call {
                call_id: wire.call_id.unwrap_or_else(|| fresh("call")),
                name: wire.name.ok_or_else(|| missing("name"))?,
                arguments: wire.arguments.ok_or_else(|| missing("arguments"))?,
            },
            Some("function_call_output") => Content::Output {
                call_id: wire.call_id.ok_or_else(|| missing("call_id"))?,
                output: wire.output.ok_or_else(|| missing("output"))?,
            },
            Some(_) => {
                let message = "an item is a message, a function_call or a function_call_output";
                return Err(HttpError::unsupported(&format!("{path}.type"), message));
            }
            None => return Err(missing("type")),
        };
        let id = match wire.id.filter(|id| !id.is_empty()) {
            None => fresh("item"),
            Some(id) if id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_graphic()) => id,
            Some(_) => {
                let message = "an id has 1 to 64 letters, digits and signs";
                return Err(HttpError::parameter(&format!("{path}.id"), message));
            }
        };
        Ok(Self { id, status: Status::Completed, content })
    }

    /// About how many bytes it holds.
    pub(super) fn bytes(&self) -> usize {
        let content = match &self.content {
            Content::Message { parts, .. } => parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) => text.len(),
                    Part::Image(Image(url)) => url.len(),
                })
                .sum(),
            Content::Call { call_id, name, arguments } => {
                call_id.len() + name.len() + arguments.len()
            }
            Content::Output { call_id, output } => call_id.len() + output.len(),
        };
        size_of::<Self>() + self.id.len() + content
    }

    /// As clients are shown it.
    pub(super) fn shown(&self) -> Value {
        let mut shown = json!({ "id": self.id, "object": "realtime.item", "type": "message",
            "status": self.status.as_str() });
        match &self.content {
            Content::Message { role, parts } => {
                shown["role"] = json!(role.as_str());
                let text = if *role == Role::Assistant { "output_text" } else { "input_text" };
                let parts = parts.iter().map(|part| match part {
                    Part::Text(words) => json!({ "type": text, "text": words }),
                    Part::Image(image) => json!({ "type": "input_image", "image_url": image }),
                });
                shown["content"] = parts.collect();
            }
            Content::Call { call_id, name, arguments } => {
                shown["type"] = json!("function_call");
                shown["call_id"] = json!(call_id);
                shown["name"] = json!(name);
                shown["arguments"] = json!(arguments);
            }
            Content::Output { call_id, output } => {
                shown["type"] = json!("function_call_output");
                shown["call_id"] = json!(call_id);
                shown["output"] = json!(output);
            }
        }
        shown
    }
}

fn message(role: Option<&str>, parts: Vec<WirePart>, path: &str) -> Result<Content, HttpError> {
    let role = match role {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => Role::System,
        Some(_) => {
            let message = "a role is one of system, user, assistant";
            return Err(HttpError::parameter(&format!("{path}.role"), message));
        }
        None => return Err(HttpError::missing(&format!("{path}.role"))),
    };
    if parts.is_empty() || parts.len() > MOST_PARTS {
        let message = format!("a message has 1 to {MOST_PARTS} parts");
        return Err(HttpError::parameter(&format!("{path}.content"), message));
    }
    let parts = parts
        .into_iter()
        .enumerate()
        .map(|(index, part)| self::part(part, role, &format!("{path}.content[{index}]")));
    Ok(Content::Message { role, parts: parts.collect::<Result<_, _>>()? })
}

fn part(part: WirePart, role: Role, path: &str) -> Result<Part, HttpError> {
    let missing = |field: &str| HttpError::missing(&format!("{path}.{field}"));
    match (part.kind.as_str(), role) {
        ("input_text", Role::User | Role::System) | ("output_text" | "text", Role::Assistant) => {
            Ok(Part::Text(part.text.ok_or_else(|| missing("text"))?))
        }
        ("input_image", Role::User) => {
            let url = part.image_url.ok_or_else(|| missing("image_url"))?;
            picture(url).map(Part::Image).ok_or_else(|| {
                let message = "images come along as data:image/…;base64 URLs: none is fetched";
                let param = format!("{path}.image_url");
                HttpError::parameter(&param, message).with_code("invalid_image")
            })
        }
        ("input_audio" | "output_audio" | "audio", _) => {
            let message = "there is text here and no audio";
            Err(HttpError::unsupported(&format!("{path}.type"), message))
        }
        _ => {
            let message = "users send input_text and input_image, systems input_text, and \
                assistants output_text";
            Err(HttpError::parameter(&format!("{path}.type"), message))
        }
    }
}
