//! The generator of texts: `{"context", "maxlength", "samples"}` becomes `{"result", "time"}`.
//!
//! Each result is the context and what the model wrote behind it. Models that only take
//! conversations are told to go on with the text, by the style `continue`.

use std::{sync::Arc, time::Instant};

use actix_web::{HttpResponse, web::Data};
use anima_provider::{Input, LaneId, Request, Sampling, TextPart};
use serde_json::json;

use super::super::{
    House,
    answers::{Answers, Asked, Asking, MOST_CHOICES},
    error::HttpError,
    parameters::Parameters,
};
use crate::{
    access::Caller,
    turn::{TurnId, pipeline::Relay},
};

/// The fields of a call.
pub(super) const KNOWN: [&str; 3] = ["context", "maxlength", "samples"];

/// Answers a call.
pub(super) async fn answer(
    house: Data<House>,
    caller: &Caller,
    mut parameters: Parameters,
) -> Result<HttpResponse, HttpError> {
    let began = Instant::now();
    let context = parameters.text("context")?.ok_or_else(|| HttpError::missing("context"))?;
    let length = parameters.whole("maxlength", -1, i64::MAX)?;
    let length = match length.ok_or_else(|| HttpError::missing("maxlength"))? {
        // As many as the model can.
        -1 => None,
        0 => return Err(HttpError::parameter("maxlength", "maxlength must be -1 or at least 1")),
        length => Some(u32::try_from(length).unwrap_or(u32::MAX)),
    };
    let samples = parameters.whole("samples", 0, MOST_CHOICES)?;
    let samples = samples.ok_or_else(|| HttpError::missing("samples"))?.max(1);
    if context.trim().is_empty() {
        // What that server answers: a text, not a list.
        return Ok(HttpResponse::Ok().json(json!({ "result": "[]", "time": 0 })));
    }
    let place = house.conversation.admit(&caller.take_turn()?)?;
    let asking = asking(&house, &context, length, u32::try_from(samples).unwrap_or(1));
    let mut answers = Answers::begin(house, asking, place);
    let mut results = Vec::new();
    loop {
        let answer = answers.whole().await?;
        results.push(format!("{context}{}", answer.text).trim().to_owned());
        if !answers.go_on() {
            break;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    Ok(HttpResponse::Ok()
        .content_type("application/json; charset=utf-8")
        .json(json!({ "result": results, "time": seconds })))
}

/// What the default provider is asked, drawn as that server draws.
fn asking(house: &House, context: &str, length: Option<u32>, each: u32) -> Asking {
    let id = TurnId::generate();
    let sampling = Sampling {
        temperature: Some(1.0),
        top_k: Some(30),
        max_tokens: length,
        ..Sampling::default()
    };
    let parts = vec![TextPart::Template(context.to_owned())];
    let request = Request::new(Input::Text { parts }, sampling, LaneId(id.to_string()));
    let otherwise = house.conversation.continuation(context).map(Arc::new);
    let relay = Relay { otherwise, ..Relay::new(id.clone(), None, Arc::new(request)) };
    Asking { id, asked: vec![Asked::Provider(relay)], each }
}
