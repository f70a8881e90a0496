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
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
const HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, traceparent, tracestate");

/// Longest list of headers that a page is told it may send, in bytes.
const MAX_HEADERS: usize = 1024;

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
            .insert_header((
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                requested(request.headers()).unwrap_or(HEADERS),
            ))
            .insert_header((header::ACCESS_CONTROL_MAX_AGE, REMEMBERED))
            .insert_header((header::VARY, "access-control-request-headers"))
            .finish()
    })
}

/// The headers that a page asks to send, which it may all: libraries add some of their own, as
/// `x-stainless-lang`. A page cannot do with them what a program could not, and there is nothing here
/// that a browser would add by itself: callers bring keys and no cookies.
///
/// `None` when it asks for none, for more than anybody needs, or for what is no list of names.
pub(super) fn requested(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut lists = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let (list, None) = (lists.next()?, lists.next()) else { return None };
    let is_name = |name: &str| HeaderName::try_from(name.trim()).is_ok();
    let fits = list.len() <= MAX_HEADERS && list.to_str().ok()?.split(',').all(is_name);
    fits.then(|| list.clone())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_names_is_repeated_and_nothing_else_is() {
        let asked = |lists: &[&str]| {
            let mut headers = HeaderMap::new();
            for list in lists {
                let list = HeaderValue::from_str(list).unwrap();
                headers.append(header::ACCESS_CONTROL_REQUEST_HEADERS, list);
            }
            requested(&headers)
        };
        for good in ["authorization", "content-type, x-stainless-lang,x-stainless-os"] {
            assert_eq!(asked(&[good]).unwrap(), good);
        }
        let long = "x-a,".repeat(MAX_HEADERS / 4) + "x";
        for bad in ["", ",", "a b", "a,,b", "a;b", &long] {
            assert_eq!(asked(&[bad]), None, "{bad}");
        }
        assert_eq!(asked(&[]), None);
        assert_eq!(asked(&["a", "b"]), None);
    }
}
