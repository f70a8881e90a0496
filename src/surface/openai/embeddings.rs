//! `POST /v1/embeddings`: texts as vectors.

use actix_web::{HttpResponse, web::Data};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    super::{House, body::Body},
    HttpError,
    body::{self, CallBody, Subject, TextOr, TextOrTokens},
    call::unknown_model,
};
use crate::{access::Caller, session::CommandError, turn::TurnErrorCode};

/// Most texts of a call.
const MOST_TEXTS: usize = 2048;

/// A text that is to become a vector, or tokens.
struct Item(TextOrTokens);

impl<'de> serde::Deserialize<'de> for Item {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        TextOrTokens::deserialize(deserializer).map(Self)
    }
}

impl Subject for Item {
    const FIELD: &'static str = "input";
}

/// How a vector is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// A list of numbers.
    Float,
    /// Numbers of four bytes each, the lowest byte first, as base64.
    Base64,
}

/// Answers a call.
pub(super) async fn embed(
    house: Data<House>,
    caller: Caller,
    body: Body,
) -> Result<HttpResponse, HttpError> {
    if !house.directory.is_open() {
        return Err(CommandError::ShuttingDown.into());
    }
    let bytes = body.read(house.server.max_message_bytes).await?;
    let CallBody { subject, mut parameters } = CallBody::<Item>::read(&bytes)?;
    let subject = match subject {
        TextOr::Nothing => TextOr::Nothing,
        TextOr::Text(text) => TextOr::Text(text),
        TextOr::List(items) => TextOr::List(items.into_iter().map(|Item(item)| item).collect()),
    };
    let texts = body::texts(subject, Item::FIELD, MOST_TEXTS)?;
    if texts.iter().any(String::is_empty) {
        return Err(HttpError::parameter("input", "a text of input is empty"));
    }
    let model = parameters.text("model")?;
    let encoding = match parameters.text("encoding_format")?.as_deref() {
        None | Some("float") => Encoding::Float,
        Some("base64") => Encoding::Base64,
        Some(_) => {
            let message = "encoding_format is float or base64";
            return Err(HttpError::parameter("encoding_format", message));
        }
    };
    let dimensions = parameters.whole("dimensions", 1, 65_536)?;
    let dimensions = dimensions.and_then(|dimensions| usize::try_from(dimensions).ok());
    let place = house.conversation.admit(&caller.take_turn()?)?;
    let made = house.conversation.embed(model.as_deref(), texts, place).await;
    let made = made.map_err(|error| match (error.code, &model) {
        (TurnErrorCode::NotFound, Some(name)) => unknown_model(&house.conversation, name),
        (TurnErrorCode::Unsupported, _) => HttpError::from(error).with_param("model"),
        _ => error.into(),
    })?;
    let mut data = Vec::new();
    for (index, vector) in made.embeddings.vectors.into_iter().enumerate() {
        let vector = shortened(vector, dimensions)?;
        data.push(json!({ "object": "embedding", "index": index,
            "embedding": written(&vector, encoding) }));
    }
    let tokens = made.embeddings.prompt_tokens;
    Ok(HttpResponse::Ok().json(json!({ "object": "list", "data": data, "model": made.provider,
        "usage": { "prompt_tokens": tokens, "total_tokens": tokens } })))
}

/// A vector of so many numbers: the first ones, brought back to length 1. Models that are made for it
/// put into these what matters most.
fn shortened(mut vector: Vec<f32>, dimensions: Option<usize>) -> Result<Vec<f32>, HttpError> {
    let Some(dimensions) = dimensions.filter(|dimensions| *dimensions != vector.len()) else {
        return Ok(vector);
    };
    if dimensions > vector.len() {
        let message = format!("dimensions must be at most {} for this model", vector.len());
        return Err(HttpError::parameter("dimensions", message));
    }
    vector.truncate(dimensions);
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    if length > 0.0 {
        for number in &mut vector {
            *number /= length;
        }
    }
    Ok(vector)
}

fn written(vector: &[f32], encoding: Encoding) -> Value {
    match encoding {
        Encoding::Float => json!(vector),
        Encoding::Base64 => {
            let bytes: Vec<_> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
            json!(STANDARD.encode(bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortened_vector_has_length_one() {
        assert_eq!(shortened(vec![3.0, 4.0, 12.0], Some(2)).unwrap(), [0.6, 0.8]);
        assert_eq!(shortened(vec![3.0, 4.0], Some(2)).unwrap(), [3.0, 4.0]);
        assert_eq!(shortened(vec![0.0, 4.0], Some(1)).unwrap(), [0.0]);
        assert!(shortened(vec![3.0, 4.0], Some(3)).is_err());
    }

    #[test]
    fn base64_holds_the_numbers_as_they_are() {
        assert_eq!(written(&[1.0, -2.5], Encoding::Base64), "AACAPwAAIMA=");
        assert_eq!(written(&[1.0, -2.5], Encoding::Float), json!([1.0, -2.5]));
    }
}
