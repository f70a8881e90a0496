//! `POST /generate`, on which two old servers answer: vLLM's, and a generator of texts on GPT-2.
//!
//! The body tells which is meant: `context` belongs to the generator, and vLLM's server takes no
//! such key. Both get the model's own words behind the prompt that they sent.

mod generator;
mod vllm;

use std::fmt;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
    web::Data,
};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

use super::{
    House,
    body::Body,
    cors,
    error::{self, HttpError},
    parameters::Parameters,
    request,
};
use crate::{access::Caller, session::CommandError};

/// Answers a call of either server's.
pub(super) async fn answer(
    house: Data<House>,
    caller: Caller,
    request: HttpRequest,
    body: Body,
) -> Result<HttpResponse, HttpError> {
    if !house.directory.is_open() {
        return Err(CommandError::ShuttingDown.into());
    }
    let bytes = body.read(house.server.max_message_bytes).await?;
    let Fields { parameters, has_context, unknown } = request::whole(&bytes)?;
    if !has_context {
        return vllm::answer(house, &caller, parameters, unknown).await;
    }
    let mut response = match generator::answer(house, &caller, parameters).await {
        Ok(response) => response,
        Err(error) => actix_web::ResponseError::error_response(&error),
    };
    share(&request, &mut response);
    Ok(response)
}

/// Lets the page that asks read the answer of the generator. Which pages may ask at all is decided
/// before, by the list of origins.
fn share(request: &HttpRequest, response: &mut HttpResponse) {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else { return };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    let exposed = HeaderValue::from_static(
        "Content-Length,Date,Retry-After,X-Request-Id,X-Should-Retry,WWW-Authenticate",
    );
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
}

/// What a browser asks before it lets a page send JSON.
pub(super) async fn preflight(request: HttpRequest) -> HttpResponse {
    let headers = request.headers();
    let asks = headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let Some(origin) = headers.get(header::ORIGIN).filter(|_| asks) else {
        return error::method_not_allowed(request).await;
    };
    let allowed = cors::requested(headers).unwrap_or(HeaderValue::from_static("content-type"));
    HttpResponse::build(StatusCode::OK)
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()))
        .insert_header((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "POST"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, allowed))
        .insert_header((header::VARY, "Origin"))
        .finish()
}

/// A body: what is known of it, and the first name that is not.
#[derive(Default)]
struct Fields {
    parameters: Parameters,
    has_context: bool,
    unknown: Option<String>,
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        while let Some(name) = entries.next_key::<String>()? {
            fields.has_context |= name == "context";
            if vllm::knows(&name) || generator::KNOWN.contains(&name.as_str()) {
                fields.parameters.put(name, entries.next_value()?);
            } else {
                entries.next_value::<IgnoredAny>()?;
                fields.unknown.get_or_insert_with(|| name.chars().take(64).collect());
            }
        }
        Ok(fields)
    }
}
