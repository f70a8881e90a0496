//! `/admin/…`: what operators ask of a running service, and what they change in it.

use std::{sync::Arc, time::Instant};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    House, access,
    body::Body,
    error::HttpError,
    origin::{is_address, is_loopback},
    request,
};
use crate::{
    registry::{Coming, Phase, health::HealthReport},
    reload::Reloader,
};

/// Who may call `/admin/…`, and what can be changed there.
#[derive(Clone)]
pub struct Admin {
    key: Option<SecretString>,
    reloader: Option<Arc<Reloader>>,
}

impl Admin {
    /// Those who know `key`; without one, callers on this machine.
    pub fn new(key: Option<SecretString>, reloader: Option<Arc<Reloader>>) -> Self {
        Self { key, reloader }
    }

    /// Lets a call in or refuses it.
    fn authorize(&self, request: &HttpRequest) -> Result<(), HttpError> {
        let Some(key) = &self.key else {
            if is_near(request) {
                return Ok(());
            }
            let message =
                "this is only for callers on this machine; set server.admin_key_env to let others";
            return Err(HttpError::new(StatusCode::FORBIDDEN, "forbidden", message));
        };
        if shows_key(request, key) {
            return Ok(());
        }
        let message = "the admin key is missing or wrong; send it as Authorization: Bearer KEY";
        Err(HttpError::new(StatusCode::UNAUTHORIZED, "invalid_api_key", message))
    }

    /// Whether a caller may change who answers old callers: from this machine, or with the key.
    pub(super) fn lets_change(&self, request: &HttpRequest) -> bool {
        is_near(request) || self.knows(request)
    }

    /// Whether a call shows the admin key.
    pub(super) fn knows(&self, request: &HttpRequest) -> bool {
        self.key.as_ref().is_some_and(|key| shows_key(request, key))
    }

    fn reloader(&self) -> Result<&Arc<Reloader>, HttpError> {
        self.reloader.as_ref().ok_or_else(|| {
            let message = "this service was not made of configuration files";
            HttpError::new(StatusCode::CONFLICT, "not_reloadable", message)
        })
    }
}

fn shows_key(request: &HttpRequest, key: &SecretString) -> bool {
    // Of the sums nobody learns anything by the time that comparing them takes.
    let sum = |text: &str| Sha256::digest(text.trim());
    access::bearer(request).is_some_and(|given| sum(given) == sum(key.expose_secret()))
}

/// Whether a call comes from this machine, not through a proxy on it, and not from a page of another
/// one, not even a page that may talk.
fn is_near(request: &HttpRequest) -> bool {
    let forwarded = [
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
    ];
    // A name that somebody has made to point to this machine is another one.
    let host = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    let here = |host: &str| is_loopback(&format!("http://{host}")) || is_address(host);
    let origin = request.headers().get(header::ORIGIN);
    request.peer_addr().is_some_and(|peer| peer.ip().is_loopback())
        && host.is_none_or(|host| host.is_empty() || here(host))
        && origin.is_none_or(|origin| origin.to_str().is_ok_and(is_loopback))
        && !forwarded.iter().any(|name| request.headers().contains_key(*name))
}

/// A provider and how it is doing.
#[derive(Serialize)]
struct Told<'a> {
    name: &'a str,
    /// Whether it answers when nobody in particular is asked.
    default: bool,
    /// `ready`: it can be asked.
    state: &'static str,
    #[serde(flatten)]
    health: HealthReport,
}

/// A provider whose model is not there yet.
#[derive(Serialize)]
struct Expected<'a> {
    name: &'a str,
    kind: &'static str,
    /// `waiting`, `loading` or `failed`.
    state: &'static str,
    /// The size of its files.
    bytes: u64,
    /// How long it has been loading.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<u64>,
    /// Why it could not be loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl<'a> From<&'a Coming> for Expected<'a> {
    fn from(coming: &'a Coming) -> Self {
        let (state, seconds, reason) = match coming.phase() {
            Phase::Waiting => ("waiting", None, None),
            Phase::Loading { since } => {
                ("loading", Some(Instant::now().duration_since(since).as_secs()), None)
            }
            Phase::Failed { reason } => ("failed", None, Some(reason)),
        };
        Self { name: &coming.name, kind: "local", state, bytes: coming.bytes, seconds, reason }
    }
}

/// How the providers are doing.
pub(super) async fn providers(
    house: web::Data<House>,
    request: HttpRequest,
) -> Result<HttpResponse, HttpError> {
    house.admin.authorize(&request)?;
    let lineup = house.conversation.lineup();
    let registry = lineup.registry();
    let told: Vec<_> = registry
        .entries()
        .map(|entry| Told {
            name: entry.provider.name(),
            default: entry.provider.name() == registry.default_name(),
            state: "ready",
            health: entry.health.report(),
        })
        .collect();
    let expected: Vec<_> = registry.coming().map(Expected::from).collect();
    Ok(private(&json!({ "providers": told, "loading": expected })))
}

/// Reads the configuration again. The answer says what has changed.
pub(super) async fn reload(
    house: web::Data<House>,
    request: HttpRequest,
) -> Result<HttpResponse, HttpError> {
    house.admin.authorize(&request)?;
    match house.admin.reloader()?.reload().await {
        Ok(report) => Ok(private(&json!(report))),
        Err(error) => {
            let message = format!("the configuration stays as it was: {error}");
            Err(HttpError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_configuration", message))
        }
    }
}

/// The body of a change of the default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    provider: String,
}

/// Lets another provider answer by default.
pub(super) async fn change(
    house: web::Data<House>,
    request: HttpRequest,
    body: Body,
) -> Result<HttpResponse, HttpError> {
    house.admin.authorize(&request)?;
    let Change { provider } = request::json(body, house.server.max_message_bytes).await?;
    let default = house.admin.reloader()?.switch(&provider).await?;
    Ok(private(&json!({ "default": default })))
}

/// An answer that nobody keeps.
fn private(body: &serde_json::Value) -> HttpResponse {
    HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(body)
}
