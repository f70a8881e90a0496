//! `/v1/chat/completions`, `/v1/completions`, `/v1/embeddings` and `/v1/models`: what callers of `OpenAI`'s API know.
//!
//! A call passes through: the provider gets the caller's messages, and the caller the model's words,
//! apart from the reasoning that they begin with. `model` names a provider, one of its aliases or
//! nobody, which is the default provider; the name of a persona gets the full pipeline. What works
//! and what is refused is written down in docs/openai.md.
//!
//! ```text
//! body ─▶ CallBody ─▶ Call (checked) ─▶ Answers (one after the other) ─▶ whole │ stream ─▶ chunk
//! ```

mod beside;
mod body;
mod call;
mod chunk;
mod completions;
mod embeddings;
mod format;
mod messages;
mod models;
mod parameters;
mod persona;
mod pictures;
mod stream;
mod tools;
mod whole;

use actix_web::{
    HttpResponse,
    web::{self, Data, ServiceConfig},
};

use super::{House, body::Body, error::HttpError};
use crate::{access::Caller, session::CommandError, turn::EndReason};
use body::CallBody;
use call::Call;
pub(super) use call::{Target, job, target};
use messages::WireMessage;
pub(super) use messages::picture;
pub(super) use persona::turn as persona_turn;
pub(super) use tools::read as read_tools;

/// Adds the routes.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(super::resource("/v1/chat/completions", web::post().to(complete)))
        .service(super::resource("/v1/completions", web::post().to(completions::complete)))
        .service(super::resource("/v1/embeddings", web::post().to(embeddings::embed)))
        .service(super::resource("/v1/models", web::get().to(models::list)))
        .service(super::resource("/v1/models/{model:.+}", web::get().to(models::show)));
}

/// Answers a call.
async fn complete(
    house: Data<House>,
    caller: Caller,
    body: Body,
) -> Result<HttpResponse, HttpError> {
    if !house.directory.is_open() {
        return Err(CommandError::ShuttingDown.into());
    }
    let bytes = body.read(house.server.max_message_bytes).await?;
    let mut body = CallBody::<WireMessage>::read(&bytes)?;
    let told = house.server.openai.whole_conversation.then(|| messages::told(&body.subject));
    let (call, place);
    if pictures::are_elsewhere(&mut body.subject) {
        // What is wrong with the call is told before anything is fetched for it.
        let mut trial = CallBody::<WireMessage>::read(&bytes)?;
        pictures::stand_in(&mut trial.subject);
        Call::read(&house, trial)?;
        place = house.conversation.admit(&caller.take_turn()?)?;
        pictures::fetch(&house.pictures, &mut body.subject).await?;
        call = Call::read(&house, body)?;
    } else {
        call = Call::read(&house, body)?;
        place = house.conversation.admit(&caller.take_turn()?)?;
    }
    if call.stream {
        stream::respond(house, call, place).await
    } else {
        whole::respond(house, call, place, told.unwrap_or_default()).await
    }
}

/// Why an answer ended, as callers know it.
fn finish_reason(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Complete | EndReason::Interrupted => "stop",
        EndReason::Length => "length",
        EndReason::Filtered => "content_filter",
        EndReason::ToolCalls => "tool_calls",
    }
}
