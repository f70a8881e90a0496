//! `/admin/…`: what operators on this machine ask of a running service.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde::Serialize;
use serde_json::json;

use super::{House, error::HttpError};
use crate::registry::health::HealthReport;

/// Whether a call comes from this machine and not through a proxy on it.
pub(super) fn is_near(request: &HttpRequest) -> bool {
    let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip"];
    request.peer_addr().is_some_and(|peer| peer.ip().is_loopback())
        && !forwarded.iter().any(|name| request.headers().contains_key(*name))
}

/// A provider and how it is doing.
#[derive(Serialize)]
struct Told<'a> {
    name: &'a str,
    /// `ready`: it can be asked.
    state: &'static str,
    #[serde(flatten)]
    health: HealthReport,
}

/// How the providers are doing. Only for callers on this machine.
pub(super) async fn providers(
    house: web::Data<House>,
    request: HttpRequest,
) -> Result<HttpResponse, HttpError> {
    if !is_near(&request) {
        let message = "how providers are doing is only told on this machine";
        return Err(HttpError::new(StatusCode::FORBIDDEN, "forbidden", message));
    }
    let registry = house.conversation.registry();
    let told: Vec<_> = registry
        .entries()
        .map(|entry| Told {
            name: entry.provider.name(),
            state: "ready",
            health: entry.health.report(),
        })
        .collect();
    Ok(HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(json!({ "providers": told })))
}
