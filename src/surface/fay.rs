//! Avatars of Fay: clients that show a digital human and know Fay's socket on port 10002.
//!
//! They have a listener of their own, since their socket is at the root of it. A client says whose words it
//! shows (`Username`); everybody has a session of their own, by that name, and every client of that
//! name follows it. What the person says comes in as one of Fay's calls, as a frame, or over any other
//! surface that knows the session. See docs/avatars.md.

mod calls;
mod frames;
mod talk;
mod user;

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, Resource, Route,
    http::header,
    web::{self, Data, Payload, ServiceConfig},
};

use super::{
    House,
    error::{self, HttpError},
    wire,
};
use crate::access::Caller;
use talk::Talk;

/// Adds the routes of the listener, which has no others.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(place("/", web::get().to(open)))
        .service(place("/api/send", web::post().to(calls::send)))
        .service(place("/to-stop-talking", web::post().to(calls::stop)))
        .service(place("/audio/{milliseconds}.wav", web::get().to(calls::silence)))
        .default_service(web::to(error::not_found));
}

/// A path with one method.
fn place(path: &str, route: Route) -> Resource {
    web::resource(path).route(route).default_service(web::to(error::method_not_allowed))
}

/// Opens a socket.
async fn open(
    house: Data<House>,
    caller: Caller,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, HttpError> {
    // Where the client found us, it finds sounds, too.
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let base = format!("http://{}", host.unwrap_or_default());
    let inner = Arc::clone(&house);
    let serve = async move |wire| Talk::serve(inner, caller, wire, base).await;
    wire::open(&house, &request, body, &[], serve).await
}
