//! Lets pages of the origins that may connect read what is answered: without these headers a browser
//! keeps it from them.
//!
//! Who may connect is decided in [`super::origin`], before anything gets here.

use actix_web::{
    HttpResponse,
    dev::ServiceRequest,
    http::{
        Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};

/// What a page may send.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PATCH, DELETE");
const HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, traceparent, tracestate");

/// What a page may read beside the body.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("retry-after, x-request-id, x-should-retry, www-authenticate");

/// How long a browser may remember an answer, in seconds.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");

/// The answer to a browser that asks whether a page may send something; `None` when it does not ask.
pub(super) fn preflight(request: &ServiceRequest) -> Option<HttpResponse> {
    // The old server on that path says other things to pages, and its adapter says them.
    let asks = request.method() == Method::OPTIONS
        && request.path() != "/generate"
        && request.headers().contains_key(header::ORIGIN)
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    asks.then(|| {
        HttpResponse::NoContent()
            .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
            .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS))
            .insert_header((header::ACCESS_CONTROL_MAX_AGE, REMEMBERED))
            .finish()
    })
}

/// Says that pages of this origin may read the answer, where it does not say so already.
pub(super) fn allow(origin: HeaderValue, headers: &mut HeaderMap) {
    if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        return;
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.append(header::VARY, HeaderValue::from_name(HeaderName::from_static("origin")));
}
