//! `/v1/chat/completions` and `/v1/models`: what callers of `OpenAI`'s API know.
//!
//! A call passes through: the provider gets the caller's messages, and the caller the model's words,
//! apart from the reasoning that they begin with. `model` names a provider, one of its aliases or
//! nobody, which is the default provider; the name of a persona gets the full pipeline. What works
//! and what is refused is written down in docs/openai.md.
//!
//! ```text
//! body ─▶ CallBody ─▶ Call (checked) ─▶ Answers (n, one after the other) ─▶ whole │ stream ─▶ chunk
//! ```

mod answers;
mod body;
mod call;
mod chunk;
mod format;
mod messages;
mod models;
mod parameters;
mod persona;
mod stream;
mod tools;
mod whole;

use actix_web::{
    HttpResponse,
    web::{self, Data, ServiceConfig},
};

use super::{House, body::Body, error::HttpError};
use crate::{session::CommandError, turn::EndReason};
use call::Call;

/// Adds the routes.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(super::resource("/v1/chat/completions", web::post().to(complete)))
        .service(super::resource("/v1/models", web::get().to(models::list)))
        .service(super::resource("/v1/models/{model:.+}", web::get().to(models::show)));
}

/// Answers a call.
async fn complete(house: Data<House>, body: Body) -> Result<HttpResponse, HttpError> {
    if !house.directory.is_open() {
        return Err(CommandError::ShuttingDown.into());
    }
    let bytes = body.read(house.server.max_message_bytes).await?;
    let call = Call::read(&house, &bytes)?;
    let place = house.conversation.admit()?;
    if call.stream {
        stream::respond(house, call, place).await
    } else {
        whole::respond(house, call, place).await
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
