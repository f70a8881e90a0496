//! `GET /client-ws`: the web client of Open-LLM-VTuber, with Anima as its server.
//!
//! Each socket has a conversation of its own, which is a session like any other; what a browser said
//! before is found again by a cookie. A sentence goes out with a sound as long as it takes to say it:
//! a silence, or real speech from a server, so that subtitles, expressions and what was heard come
//! about as they do with its own server. See docs/vtuber.md.

mod chain;
mod commands;
mod histories;
mod stage;
mod talk;
mod visitor;

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Payload},
};

use super::{House, error::HttpError, wire};
use crate::access::Caller;
use talk::Talk;
use visitor::Visitor;

pub use stage::Stage;

/// Opens a socket.
pub(super) async fn open(
    house: Data<House>,
    caller: Caller,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, HttpError> {
    let (visitor, is_new) = Visitor::of(&request);
    let cookie = visitor.cookie(request.app_config().secure());
    let inner = Arc::clone(&house);
    let serve = async move |wire| Talk::new(inner, caller, wire, visitor).run().await;
    let mut response = wire::open(&house, &request, body, &[], serve).await?;
    if is_new && let Ok(cookie) = header::HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
