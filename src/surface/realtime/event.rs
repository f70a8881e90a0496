//! What a client sends, and how it is told that it cannot be done.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{error::HttpError, request, scalar::Scalar};

/// What a client sends.
#[derive(Debug)]
pub(super) enum ClientEvent {
    UpdateSession(Value),
    CreateItem {
        item: Value,
        after: Option<String>,
    },
    RetrieveItem(String),
    DeleteItem(String),
    CreateResponse(Option<Value>),
    CancelResponse(Option<String>),
    /// A piece of sound. Many come, so only the first is answered.
    AppendAudio,
}

/// What came in, whether or not it can be obeyed.
pub(super) struct Received {
    /// What an error has to repeat.
    pub(super) event_id: Option<Value>,
    /// What it asks, or what is wrong with it.
    pub(super) event: Result<ClientEvent, HttpError>,
}

#[derive(Deserialize)]
struct WireEvent {
    #[serde(default, rename = "type")]
    kind: Scalar,
    #[serde(default)]
    event_id: Scalar,
    item_id: Option<Value>,
    previous_item_id: Option<Value>,
    response_id: Option<Value>,
    session: Option<Value>,
    item: Option<Value>,
    response: Option<Value>,
}

impl ClientEvent {
    pub(super) fn parse(text: &str) -> Received {
        let shapeless = || {
            let message = "an event is a JSON object with a text `type`";
            HttpError::invalid("invalid_event", message).with_param("type")
        };
        match request::object::<WireEvent>(text.as_bytes()) {
            Ok(Some(mut wire)) => {
                let event_id = wire.event_id.0.take();
                let event = match wire.kind.0.take() {
                    Some(Value::String(kind)) => Self::read(&kind, wire),
                    _ => Err(shapeless()),
                };
                Received { event_id, event }
            }
            Ok(None) => Received { event_id: None, event: Err(shapeless()) },
            Err(error) => Received { event_id: None, event: Err(error) },
        }
    }

    fn read(kind: &str, wire: WireEvent) -> Result<Self, HttpError> {
        let item_id =
            |id: Option<Value>| text(id, "item_id")?.ok_or_else(|| HttpError::missing("item_id"));
        let audio = |what: &str| {
            let message = format!("there is text here and no audio: {what}");
            Err(HttpError::unsupported("type", message))
        };
        Ok(match kind {
            "session.update" => {
                Self::UpdateSession(wire.session.ok_or_else(|| HttpError::missing("session"))?)
            }
            "conversation.item.create" => Self::CreateItem {
                item: wire.item.ok_or_else(|| HttpError::missing("item"))?,
                after: text(wire.previous_item_id, "previous_item_id")?,
            },
            "conversation.item.retrieve" => Self::RetrieveItem(item_id(wire.item_id)?),
            "conversation.item.delete" => Self::DeleteItem(item_id(wire.item_id)?),
            "response.create" => Self::CreateResponse(wire.response),
            "response.cancel" => Self::CancelResponse(text(wire.response_id, "response_id")?),
            "input_audio_buffer.append" => Self::AppendAudio,
            "input_audio_buffer.commit" | "input_audio_buffer.clear" => {
                return audio("send conversation.item.create with input_text");
            }
            "output_audio_buffer.clear" => return audio("response.cancel stops an answer"),
            "conversation.item.truncate" => {
                return audio("an item is deleted, or the conversation begun anew");
            }
            _ => {
                let message = "this type of event is not known";
                return Err(HttpError::parameter("type", message));
            }
        })
    }
}

/// Why sound is not taken.
pub(super) fn no_audio() -> HttpError {
    let message = "there is text here and no audio: send conversation.item.create with input_text";
    HttpError::unsupported("type", message)
}

/// The text of a field; one that is not there, or null, has none.
///
/// # Errors
/// When it holds anything else.
fn text(value: Option<Value>, field: &str) -> Result<Option<String>, HttpError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(HttpError::wrong_type(field, "a text")),
    }
}

/// The event that tells a client of an error; the socket stays open.
pub(super) fn error(error: &HttpError, event_id: Option<&Value>) -> Value {
    let mut told = error.body();
    let mut told = told["error"].take();
    told["event_id"] = event_id.cloned().unwrap_or(Value::Null);
    json!({ "type": "error", "error": told })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with an event, as its client is told.
    fn wrong(event: &Value) -> Value {
        let received = ClientEvent::parse(&event.to_string());
        error(&received.event.unwrap_err(), received.event_id.as_ref())["error"].clone()
    }

    #[test]
    fn a_field_that_is_no_text_is_named_and_not_read_over() {
        for (kind, field) in [
            ("conversation.item.retrieve", "item_id"),
            ("conversation.item.delete", "item_id"),
            ("conversation.item.create", "previous_item_id"),
            ("response.cancel", "response_id"),
        ] {
            for value in [json!(7), json!(true), json!(["a"]), json!({ "a": 1 })] {
                let event = json!({ "type": kind, "item": {}, field: value, "event_id": "e1" });
                let told = wrong(&event);
                assert_eq!(told["param"], field, "{event}");
                assert_eq!(told["code"], "invalid_type", "{event}");
                assert_eq!(told["event_id"], "e1");
            }
        }
        let missing = wrong(&json!({ "type": "conversation.item.retrieve", "item_id": null }));
        assert_eq!(missing["param"], "item_id");
        for absent in [
            json!({ "type": "response.cancel" }),
            json!({ "type": "response.cancel", "response_id": null }),
        ] {
            let event = ClientEvent::parse(&absent.to_string()).event;
            assert!(matches!(event, Ok(ClientEvent::CancelResponse(None))), "{event:?}");
        }
    }
}
