//! `/healthz`, `/readyz`, `/metrics`: what operators and their machines ask.

use std::time::Duration;

use actix_web::{HttpResponse, http::StatusCode, web};
use serde_json::json;
use tokio::time::timeout;

use super::House;

/// How long the store may take to answer a probe.
const PROBE: Duration = Duration::from_secs(2);

/// Whether a path is asked by those who watch over the service.
pub(super) fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/metrics" | "/health")
}

/// The process is alive.
pub(super) async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

/// The process is alive, as vLLM's server says it.
pub(super) async fn alive() -> HttpResponse {
    HttpResponse::Ok().finish()
}

/// The service takes turns: the store can be written, or is not needed for that, and nobody is
/// shutting the service down.
pub(super) async fn ready(house: web::Data<House>) -> HttpResponse {
    let open = house.directory.is_open();
    let store = matches!(timeout(PROBE, house.directory.store().health()).await, Ok(Ok(())));
    let ready = open && (store || house.directory.goes_on_without_store());
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(status).json(json!({
        "ready": ready,
        "store": if store { "ok" } else { "unavailable" },
        "draining": !open,
        "providers": house.conversation.lineup().registry().names().collect::<Vec<_>>(),
        "running_turns": house.conversation.running(),
    }))
}

/// The metrics in Prometheus' text form.
pub(super) async fn metrics(house: web::Data<House>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(house.metrics.render())
}
