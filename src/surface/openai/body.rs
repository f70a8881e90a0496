//! The body of a call as it came: messages and parameters, not looked at yet.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{super::request, HttpError, messages::WireMessage, parameters::Parameters};

/// A body. Fields that nobody knows are read over and not kept, as callers send many.
#[derive(Default)]
pub(super) struct CallBody {
    /// The conversation.
    pub(super) messages: TextOr<WireMessage>,
    /// Everything else.
    pub(super) parameters: Parameters,
}

impl CallBody {
    /// Reads a body.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, HttpError> {
        // Parameters are kept as any JSON, so it can only be the messages that have a wrong type.
        let body = request::object(bytes).map_err(|error| match error.code() {
            "invalid_type" => error.with_param("messages"),
            _ => error,
        });
        let shapeless = || HttpError::invalid("invalid_type", "the body has to be a JSON object");
        body?.ok_or_else(shapeless)
    }
}

impl<'de> Deserialize<'de> for CallBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BodyVisitor)
    }
}

struct BodyVisitor;

impl<'de> Visitor<'de> for BodyVisitor {
    type Value = CallBody;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<CallBody, A::Error> {
        let mut body = CallBody::default();
        while let Some(name) = fields.next_key::<String>()? {
            if name == "messages" {
                body.messages = fields.next_value()?;
            } else if Parameters::knows(&name) {
                body.parameters.put(name, fields.next_value()?);
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(body)
    }
}

/// A text, a list, or nothing (`null`).
#[derive(Debug, Default, PartialEq)]
pub(super) enum TextOr<T> {
    #[default]
    Nothing,
    Text(String),
    List(Vec<T>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for TextOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrVisitor(PhantomData))
    }
}

struct TextOrVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for TextOrVisitor<T> {
    type Value = TextOr<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text or a list")
    }

    fn visit_unit<E: Error>(self) -> Result<TextOr<T>, E> {
        Ok(TextOr::Nothing)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<TextOr<T>, E> {
        Ok(TextOr::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<TextOr<T>, E> {
        Ok(TextOr::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<TextOr<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(TextOr::List(list))
    }
}
