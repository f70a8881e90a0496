//! `GET /v1/realtime`: the conversation of `OpenAI`'s Realtime API, in text.
//!
//! A socket has a list of items of its own, which lives as long as it does. `model` in the address
//! names a provider or an alias, which is shown the items as they are, or a persona, which answers
//! as it does everywhere. What works and what is refused is written down in docs/realtime.md.
//!
//! ```text
//! text ─▶ ClientEvent ─▶ Dialogue (items, session) ─▶ ask ─▶ Response ─▶ server events
//! ```

mod ask;
mod dialogue;
mod event;
mod item;
mod items;
mod manner;
mod response;

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::HeaderValue,
    web::{Data, Payload, Query},
};
use serde::Deserialize;

use super::{
    House,
    access::protocols,
    error::HttpError,
    openai::{Target, target},
    wire,
};
use crate::access::Caller;
use dialogue::Dialogue;

/// The protocol that is spoken, and the only one that a client is told of: what else it offers may
/// hold its key.
const PROTOCOL: &str = "realtime";

#[derive(Deserialize)]
pub(super) struct Address {
    model: Option<String>,
}

/// Opens a socket.
pub(super) async fn open(
    house: Data<House>,
    caller: Caller,
    request: HttpRequest,
    address: Query<Address>,
    body: Payload,
) -> Result<HttpResponse, HttpError> {
    refuse_beta(&request)?;
    let name = address.into_inner().model.filter(|name| !name.is_empty());
    let whom = target(&house.conversation, name.clone())?;
    let model = name.unwrap_or_else(|| {
        let lineup = house.conversation.lineup();
        lineup.registry().default_name().to_owned()
    });
    let inner = Arc::clone(&house);
    let serve = async move |wire| Dialogue::new(inner, caller, wire, whom, model).run().await;
    wire::open(&house, &request, body, &[PROTOCOL], serve).await
}

/// Clients of the API's first form would understand nothing of what they are sent.
fn refuse_beta(request: &HttpRequest) -> Result<(), HttpError> {
    let mut asked = request.headers().get_all("openai-beta").map(HeaderValue::as_bytes);
    if asked.any(|value| value == b"realtime=v1")
        || protocols(request).any(|offered| offered == "openai-beta.realtime-v1")
    {
        let message = "the beta form of the Realtime API is not spoken here: leave out OpenAI-Beta";
        return Err(HttpError::unsupported("OpenAI-Beta", message));
    }
    Ok(())
}

/// An identifier that nobody has used.
fn fresh(prefix: &str) -> String {
    format!("{prefix}_{}", crate::turn::TurnId::generate())
}

/// Whom a dialogue is with.
type Whom = Target;
