//! The body of a call as it came: what is asked and parameters, not looked at yet.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{
    super::{parameters::Parameters, request},
    HttpError,
};

/// What the calls of one path are about.
pub(super) trait Subject: for<'de> Deserialize<'de> {
    /// The field of the body that holds it.
    const FIELD: &'static str;
}

/// A body. Fields that nobody knows are read over and not kept, as callers send many.
pub(super) struct CallBody<T> {
    /// What is asked.
    pub(super) subject: TextOr<T>,
    /// Everything else.
    pub(super) parameters: Parameters,
}

impl<T: Subject> CallBody<T> {
    /// Reads a body.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, HttpError> {
        // Parameters are kept as any JSON, so it can only be the subject that has a wrong type.
        let body = request::object(bytes).map_err(|error| match error.code() {
            "invalid_type" => error.with_param(T::FIELD),
            _ => error,
        });
        let shapeless = || HttpError::invalid("invalid_type", "the body has to be a JSON object");
        body?.ok_or_else(shapeless)
    }
}

impl<'de, T: Subject> Deserialize<'de> for CallBody<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BodyVisitor(PhantomData))
    }
}

struct BodyVisitor<T>(PhantomData<T>);

impl<'de, T: Subject> Visitor<'de> for BodyVisitor<T> {
    type Value = CallBody<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<CallBody<T>, A::Error> {
        let mut body = CallBody { subject: TextOr::Nothing, parameters: Parameters::default() };
        while let Some(name) = fields.next_key::<String>()? {
            if name == T::FIELD {
                body.subject = fields.next_value()?;
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

/// A text of a list, or tokens, of which it is only of interest that they are none.
#[derive(Debug, PartialEq)]
pub(super) enum TextOrTokens {
    Text(String),
    Tokens,
}

impl<'de> Deserialize<'de> for TextOrTokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrTokensVisitor)
    }
}

struct TextOrTokensVisitor;

impl<'de> Visitor<'de> for TextOrTokensVisitor {
    type Value = TextOrTokens;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<TextOrTokens, E> {
        Ok(TextOrTokens::Text(text.to_owned()))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<TextOrTokens, E> {
        Ok(TextOrTokens::Tokens)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut tokens: A) -> Result<TextOrTokens, A::Error> {
        while tokens.next_element::<IgnoredAny>()?.is_some() {}
        Ok(TextOrTokens::Tokens)
    }
}

/// The texts that are asked about, of which each is to be there.
///
/// # Errors
/// When there is none, more than `most`, or tokens in place of one.
pub(super) fn texts(
    subject: TextOr<TextOrTokens>,
    field: &str,
    most: usize,
) -> Result<Vec<String>, HttpError> {
    let texts = match subject {
        TextOr::Nothing => return Err(HttpError::missing(field)),
        TextOr::Text(text) => vec![text],
        TextOr::List(items) => {
            let text = |item| match item {
                TextOrTokens::Text(text) => Ok(text),
                TextOrTokens::Tokens => {
                    let message = format!("{field} is taken as text, not as tokens: send the text");
                    Err(HttpError::unsupported(field, message))
                }
            };
            items.into_iter().map(text).collect::<Result<_, _>>()?
        }
    };
    if (1..=most).contains(&texts.len()) {
        return Ok(texts);
    }
    Err(HttpError::parameter(field, format!("{field} must be 1 to {most} texts")))
}
