//! `GET /` and `/static/…`: the page, for browsers, and what to try, for everybody else.
//!
//! The page lies in the program itself (`static/`, listed by `build.rs`), so that it is always the one
//! that belongs to this version.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    web,
};

use super::error::HttpError;

/// A built file of the page.
struct File {
    /// Where it lies below `static/`.
    path: &'static str,
    kind: &'static str,
    content: &'static [u8],
    /// The content as gzip, where that is smaller.
    gzip: Option<&'static [u8]>,
    /// Another one for another content.
    tag: &'static str,
}

static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// The name of the page among them.
const INDEX: &str = "index.html";

/// What the page may do: load what this service sends, and talk to it. No script, style or address
/// inside of the page's own text counts, and no text can become markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// The page for browsers; for others examples that work as they stand.
pub(super) async fn page(request: HttpRequest) -> HttpResponse {
    let accepted = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let browser = accepted.is_some_and(|accept| accept.contains("text/html"));
    match FILES.iter().find(|file| file.path == INDEX) {
        Some(index) if browser => {
            let mut response = send(&request, index, "no-cache");
            let vary = HeaderValue::from_static("accept, accept-encoding");
            response.headers_mut().insert(header::VARY, vary);
            response
        }
        _ => examples(&request),
    }
}

/// Sends a file of the page.
pub(super) async fn file(
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, HttpError> {
    let found = FILES.iter().find(|file| file.path == path.as_str());
    let missing =
        || HttpError::new(StatusCode::NOT_FOUND, "not_found", "the page has no such file");
    let found = found.ok_or_else(missing)?;
    // The names of these have a sum of their content in them; another content has another name.
    let forever = found.path.starts_with("assets/");
    Ok(send(
        &request,
        found,
        if forever { "public, max-age=31536000, immutable" } else { "no-cache" },
    ))
}

fn send(request: &HttpRequest, file: &File, cache: &'static str) -> HttpResponse {
    let header = |name: HeaderName| request.headers().get(name).and_then(|it| it.to_str().ok());
    let known = header(header::IF_NONE_MATCH).is_some_and(|tags| {
        tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == file.tag)
    });
    let mut response =
        HttpResponse::build(if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
    response
        .insert_header((header::CACHE_CONTROL, cache))
        .insert_header((header::ETAG, file.tag))
        .insert_header((header::VARY, "accept-encoding"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header(("cross-origin-opener-policy", "same-origin"))
        .insert_header(("permissions-policy", "camera=(), geolocation=(), microphone=(self)"));
    if known {
        return response.finish();
    }
    response.content_type(file.kind);
    match file.gzip.filter(|_| header(header::ACCEPT_ENCODING).is_some_and(takes_gzip)) {
        Some(smaller) => response.insert_header((header::CONTENT_ENCODING, "gzip")).body(smaller),
        None => response.body(file.content),
    }
}

/// Whether a caller reads gzip.
fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = quality.trim().strip_prefix("q=").is_some_and(|it| it.parse() == Ok(0.0));
        matches!(name.trim(), "gzip" | "*") && !refused
    })
}

fn examples(request: &HttpRequest) -> HttpResponse {
    let connection = request.connection_info();
    // By TLS here, or at a proxy that says so.
    let (http, ws) = if connection.scheme() == "https" { ("https", "wss") } else { ("http", "ws") };
    // The name comes from the caller; only what a host can hold is repeated.
    let host: String = connection
        .host()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || ".:-[]".contains(*c))
        .take(255)
        .collect();
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header((header::VARY, "accept"))
        .body(format!(
            "Anima, the brain of a digital human.\n\n\
             See it:\n  {http}://{host}/ in a browser\n\n\
             Ask it:\n  curl -X POST {http}://{host}/ -H 'Content-Type: application/json' -d '{{\"prompt\": \"如何应对压力\"}}'\n\n\
             Talk in a terminal:\n  anima chat --url {ws}://{host}/ws\n\n\
             Speak the protocol: connect to {ws}://{host}/ws and send\n  {{\"type\":\"say\",\"text\":\"你好\"}}\n\n\
             Other paths: /v1/chat/completions, /v1/completions, /v1/embeddings and /v1/models (OpenAI), /generate (vLLM), /v1/sessions (REST), /llm_response/ and /llm_change_model/ (Linly-Talker), /healthz, /readyz, /metrics; all of them: /docs, /openapi.json, /asyncapi.json\n"
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_only_to_those_who_read_it() {
        for good in ["gzip", "gzip, deflate, br", "br;q=1.0, gzip;q=0.8", "*"] {
            assert!(takes_gzip(good), "{good}");
        }
        for bad in ["", "br", "gzip;q=0", "gzip; q=0.0", "x-gzipped", "identity"] {
            assert!(!takes_gzip(bad), "{bad}");
        }
    }

    #[test]
    fn the_page_names_only_files_that_are_there() {
        let text = |file: &File| String::from_utf8(file.content.to_vec()).unwrap();
        let index = FILES.iter().find(|file| file.path == INDEX).unwrap();
        let named: Vec<String> = text(index)
            .split('"')
            .filter_map(|part| part.strip_prefix("/static/").map(str::to_owned))
            .collect();
        assert!(named.len() >= 3, "a script, a style sheet, an icon: {named:?}");
        for name in named {
            assert!(FILES.iter().any(|file| file.path == name), "{name}");
        }
    }
}
