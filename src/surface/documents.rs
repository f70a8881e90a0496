//! `/openapi.json`, `/asyncapi.json` and `/docs`: what goes over the wire, for machines and for people.
//!
//! Schemas are made of the types that are read and written, where there are such types; what a surface
//! writes by hand has its shape in [`openai`] and [`others`]. The tests hold the routes against the
//! route table, and answers of the service against the schemas.

mod asyncapi;
mod openai;
mod openapi;
mod operation;
mod others;
mod page;
mod schemas;

use std::sync::LazyLock;

use actix_web::{HttpResponse, web::Bytes};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

/// The document of HTTP.
static OPENAPI: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(openapi::document().to_string()));

/// The document of the native WebSocket.
static ASYNCAPI: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(asyncapi::document().to_string()));

/// Both for people, and what the page may do: apply its one style sheet, and nothing else.
static PAGE: LazyLock<(Bytes, String)> = LazyLock::new(|| {
    let page = page::page(&openapi::document(), &asyncapi::document());
    let style = STANDARD.encode(Sha256::digest(page::STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    (Bytes::from(page), policy)
});

/// Describes HTTP.
pub(super) async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(OPENAPI.clone())
}

/// Describes the native WebSocket.
pub(super) async fn asyncapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(ASYNCAPI.clone())
}

/// Shows both.
pub(super) async fn page() -> HttpResponse {
    let (page, policy) = &*PAGE;
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("content-security-policy", policy.as_str()))
        .insert_header(("x-content-type-options", "nosniff"))
        .insert_header(("referrer-policy", "no-referrer"))
        .body(page.clone())
}
