//! `/healthz`, `/readyz`, `/metrics`: what operators and their machines ask.

use std::time::Duration;

use actix_web::{HttpResponse, http::StatusCode, web};
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::House;
use crate::registry::Phase;

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

/// The service takes turns: the store can be written, or is not needed for that, there is a provider,
/// and nobody is shutting the service down. `reasons` says what is missing.
///
/// A provider that is left alone for a while is there all the same: it is the same one for every
/// replica, and without any nobody would be told when to come back.
pub(super) async fn ready(house: web::Data<House>) -> HttpResponse {
    let open = house.directory.is_open();
    let store = matches!(timeout(PROBE, house.directory.store().health()).await, Ok(Ok(())));
    let lineup = house.conversation.lineup();
    let registry = lineup.registry();
    let providers: serde_json::Map<_, _> = registry
        .entries()
        .map(|entry| {
            let rests = entry.health.is_resting(Instant::now());
            (entry.provider.name().to_owned(), json!(if rests { "resting" } else { "ready" }))
        })
        .chain(registry.coming().map(|coming| {
            let failed = matches!(coming.phase(), Phase::Failed { .. });
            (coming.name.clone(), json!(if failed { "failed" } else { "loading" }))
        }))
        .collect();
    let answers = registry.entries().next().is_some();
    let needs_store = !store && !house.directory.goes_on_without_store();
    let reasons: Vec<_> = [
        (!open, "the service is shutting down"),
        (needs_store, "the store cannot be written"),
        (!answers, "no provider is there yet"),
    ]
    .into_iter()
    .filter_map(|(holds, reason)| holds.then_some(reason))
    .collect();
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(status).json(json!({
        "ready": ready,
        "reasons": reasons,
        "store": if store { "ok" } else { "unavailable" },
        "draining": !open,
        "providers": registry.names().collect::<Vec<_>>(),
        "provider_states": providers,
        "running_turns": house.conversation.running(),
    }))
}

/// The metrics in Prometheus' text form.
pub(super) async fn metrics(house: web::Data<House>) -> HttpResponse {
    let running = u32::try_from(house.conversation.running()).unwrap_or(u32::MAX);
    metrics::gauge!("anima_running_turns").set(f64::from(running));
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(house.metrics.render())
}
