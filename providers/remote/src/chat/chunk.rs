//! What a chunk holds, as far as anybody looks at it.
//!
//! A chunk comes with every token, so what matters is read straight out of its text, without a tree
//! of JSON in between. Servers differ in the rest: what has another type than it should counts as
//! absent.

use std::{fmt, marker::PhantomData};

use anima_provider::ProviderError;
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;

use crate::{failure::Failure, secret::Blotter};

/// A chunk of an answer, or the one object of a server that does not stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Chunk {
    choices: First<Choice>,
    pub(super) usage: Value,
    object: Value,
    error: Value,
    detail: Value,
}

/// One of the answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice {
    delta: Object<Said>,
    message: Object<Said>,
    pub(super) logprobs: Value,
    pub(super) finish_reason: Value,
}

/// What the model said, or a piece of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Said {
    pub(super) content: Value,
    pub(super) reasoning_content: Value,
    pub(super) reasoning: Value,
    pub(super) refusal: Value,
    pub(super) tool_calls: Value,
    pub(super) function_call: Value,
}

impl Chunk {
    /// Reads a chunk.
    ///
    /// # Errors
    /// When it tells a failure, or is no chunk.
    pub(super) fn read(text: &str, blotter: &Blotter) -> Result<Self, ProviderError> {
        match serde_json::from_str::<Object<Self>>(text) {
            Ok(Object(Some(chunk))) if !chunk.may_tell_a_failure() => Ok(chunk),
            _ => Self::read_closely(text, blotter),
        }
    }

    /// Reads what is not as chunks are: a failure, a list, an object that names something twice.
    fn read_closely(text: &str, blotter: &Blotter) -> Result<Self, ProviderError> {
        let frame: Value = serde_json::from_str(text).map_err(|error| no_json(&error))?;
        if let Some(failure) = Failure::of_frame(&frame, blotter) {
            return Err(failure.into_error());
        }
        let chunk = Object::deserialize(frame).map_or(None, |Object(chunk)| chunk);
        chunk.ok_or_else(|| ProviderError::Protocol("it sent a chunk that is no object".into()))
    }

    fn may_tell_a_failure(&self) -> bool {
        !self.error.is_null() || !self.detail.is_null() || self.object == "error"
    }

    /// Takes its answer out. Only one is asked for; chunks without one tell the usage, or what a
    /// filter thought.
    pub(super) fn take_choice(&mut self) -> Choice {
        self.choices.0.take().unwrap_or_default()
    }
}

impl Choice {
    /// Takes out what was said.
    pub(super) fn take_said(&mut self) -> Said {
        self.delta.0.take().or_else(|| self.message.0.take()).unwrap_or_default()
    }
}

/// Where in a text the JSON is wrong, which repeats none of it.
pub(crate) fn no_json(error: &serde_json::Error) -> ProviderError {
    ProviderError::Protocol(format!("no JSON at column {}", error.column()).into())
}

/// An object; anything else counts as none.
#[derive(Debug)]
struct Object<T>(Option<T>);

/// The first one of a list of objects; anything else counts as none.
#[derive(Debug)]
struct First<T>(Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Default for First<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Finder { in_list: false, of: PhantomData }).map(Self)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for First<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Finder { in_list: true, of: PhantomData }).map(Self)
    }
}

/// Finds an object, or the first one of a list.
struct Finder<T> {
    in_list: bool,
    of: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Finder<T> {
    type Value = Option<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Option<T>, A::Error> {
        if !self.in_list {
            return T::deserialize(MapAccessDeserializer::new(fields)).map(Some);
        }
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Option<T>, A::Error> {
        let first = if self.in_list { items.next_element::<Object<T>>()? } else { None };
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first.and_then(|Object(first)| first))
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Option<T>, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_another_type_counts_as_absent() {
        let said = |text: &str| {
            Chunk::read(text, &Blotter::default()).unwrap().take_choice().take_said().content
        };
        for text in [
            "{}",
            r#"{"choices":null}"#,
            r#"{"choices":[]}"#,
            r#"{"choices":{"0":{"delta":{"content":"a"}}}}"#,
            r#"{"choices":["a",{"delta":{"content":"a"}}]}"#,
            r#"{"choices":[{"delta":[{"content":"a"}]}]}"#,
            r#"{"choices":[{"delta":"a","message":-1.5}]}"#,
            r#"{"choices":[{"delta":true,"message":null}],"usage":7}"#,
        ] {
            assert_eq!(said(text), Value::Null, "{text}");
        }
        for text in [
            r#"{"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"}}]}"#,
            r#"{"choices":[{"delta":null,"message":{"content":"a"}}],"choices_left":[[{}]]}"#,
            // Of what is named twice the last one counts, as most parsers have it.
            r#"{"choices":[{"delta":{"content":"b","content":"a"}}]}"#,
        ] {
            assert_eq!(said(text), "a", "{text}");
        }
    }

    #[test]
    fn what_is_no_chunk_is_an_error_that_repeats_nothing() {
        for (text, expected) in [
            (r#"{"choices":[{"delta":{"content":"secret"#, "column 39"),
            ("secret", "column 1"),
            ("[7]", "no object"),
            ("null", "no object"),
        ] {
            let error = Chunk::read(text, &Blotter::default()).unwrap_err();
            let ProviderError::Protocol(reason) = error else { panic!("{error:?}") };
            let reason = reason.to_string();
            assert!(reason.contains(expected) && !reason.contains("secret"), "{reason}");
        }
    }
}
