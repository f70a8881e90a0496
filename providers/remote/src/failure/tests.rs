//! Every row of the table, in the shapes in which the providers send it.

use reqwest::header::HeaderValue;
use serde_json::json;

use super::*;

/// What a response with this status and body means, in one word.
fn outcome(status: u16, headers: &[(&'static str, &str)], body: &str) -> String {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_str(value).unwrap());
    }
    let failure = Failure::of_response(status, &map, body.as_bytes(), &Blotter::default());
    word_for(&failure.into_error())
}

fn word_for(error: &ProviderError) -> String {
    match error {
        ProviderError::Unauthorized => "unauthorized".to_owned(),
        ProviderError::RateLimited { retry_after: None } => "limited".to_owned(),
        ProviderError::RateLimited { retry_after: Some(wait) } => {
            format!("limited {}", wait.as_millis())
        }
        ProviderError::ContextOverflow { prompt_tokens, context_length } => {
            format!("overflow {prompt_tokens}/{context_length}")
        }
        ProviderError::Refused(_) => "refused".to_owned(),
        ProviderError::InvalidRequest { .. } => "invalid".to_owned(),
        ProviderError::Unsupported { .. } => "unsupported".to_owned(),
        ProviderError::Timeout(_) => "timeout".to_owned(),
        ProviderError::Unavailable(_) => "unavailable".to_owned(),
        ProviderError::Protocol(_) => "protocol".to_owned(),
    }
}

fn openai(code: &str, kind: &str, message: &str) -> String {
    let error = json!({ "message": message, "type": kind, "param": null, "code": code });
    json!({ "error": error }).to_string()
}

#[test]
fn openai_by_its_codes() {
    let overflow = "This model's maximum context length is 4096 tokens. However, you requested 5001 tokens (4000 in the messages, 1001 in the completion).";
    for (status, code, message, expected) in [
        (400, "invalid_value", "x", "unsupported"),
        (400, "context_length_exceeded", overflow, "overflow 5001/4096"),
        (400, "content_policy_violation", "x", "refused"),
        (400, "content_filter", "x", "refused"),
        (401, "invalid_api_key", "x", "unauthorized"),
        (403, "unsupported_country_region_territory", "x", "unauthorized"),
        (404, "model_not_found", "x", "protocol"),
        (429, "rate_limit_exceeded", "x", "limited"),
        (429, "insufficient_quota", "x", "unauthorized"),
        (500, "server_error", "x", "unavailable"),
        (503, "overloaded", "x", "unavailable"),
    ] {
        let body = openai(code, "invalid_request_error", message);
        assert_eq!(outcome(status, &[], &body), expected, "{status} {code}");
    }
    // The quota may be said in the type alone.
    let body = json!({ "error": { "message": "x", "type": "insufficient_quota", "code": null } });
    assert_eq!(outcome(429, &[], &body.to_string()), "unauthorized");
}

#[test]
fn servers_that_speak_like_openai_in_their_own_shapes() {
    for (status, body, expected) in [
        // FastAPI, whose validation is 422.
        (
            422,
            json!({ "detail": [{ "type": "missing", "loc": ["body"], "msg": "Field required" }] }),
            "unsupported",
        ),
        (400, json!({ "detail": "Invalid request" }), "unsupported"),
        (404, json!({ "detail": "Not Found" }), "protocol"),
        // vLLM, flat.
        (
            404,
            json!({ "object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404 }),
            "protocol",
        ),
        (
            400,
            json!({ "object": "error", "message": "This model's maximum context length is 2048 tokens, however you requested 3000 tokens", "code": 400 }),
            "overflow 3000/2048",
        ),
        // llama.cpp.
        (
            400,
            json!({ "error": { "code": 400, "message": "the request exceeds the available context size", "type": "exceed_context_size_error" } }),
            "unsupported",
        ),
        // Ollama.
        (500, json!({ "error": "model requires more system memory" }), "unavailable"),
        // mistral.rs.
        (500, json!({ "message": "x" }), "unavailable"),
        // Gemini's compatible endpoint: a list, and a number as code.
        (
            400,
            json!([{ "error": { "code": 400, "message": "Unknown name \"reasoning\"", "status": "INVALID_ARGUMENT" } }]),
            "unsupported",
        ),
        (
            429,
            json!([{ "error": { "code": 429, "message": "x", "status": "RESOURCE_EXHAUSTED" } }]),
            "limited",
        ),
        // Azure's filter.
        (
            400,
            json!({ "error": { "code": null, "message": "x", "innererror": { "code": "content_filter" } } }),
            "refused",
        ),
        (404, json!({ "error": { "code": "DeploymentNotFound", "message": "x" } }), "protocol"),
    ] {
        assert_eq!(outcome(status, &[], &body.to_string()), expected, "{status} {body}");
    }
}

#[test]
fn gemini_by_its_status_and_its_details() {
    let body = |code: u16, status: &str, message: &str, details: Value| {
        json!({ "error": { "code": code, "message": message, "status": status, "details": details } })
            .to_string()
    };
    let none = || json!([]);
    let key = json!([{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID" }]);
    let wait =
        json!([{ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37.5s" }]);
    let long =
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).";
    for (status, body, expected) in [
        (400, body(400, "INVALID_ARGUMENT", "Please use a valid role", none()), "unsupported"),
        (400, body(400, "INVALID_ARGUMENT", "API key not valid.", key), "unauthorized"),
        (400, body(400, "INVALID_ARGUMENT", long, none()), "overflow 1200000/1048576"),
        (
            400,
            body(400, "FAILED_PRECONDITION", "User location is not supported", none()),
            "unauthorized",
        ),
        (401, body(401, "UNAUTHENTICATED", "x", none()), "unauthorized"),
        (403, body(403, "PERMISSION_DENIED", "x", none()), "unauthorized"),
        (404, body(404, "NOT_FOUND", "x", none()), "protocol"),
        (429, body(429, "RESOURCE_EXHAUSTED", "x", wait), "limited 37500"),
        (429, body(429, "RESOURCE_EXHAUSTED", "x", none()), "limited"),
        (500, body(500, "INTERNAL", "x", none()), "unavailable"),
        (503, body(503, "UNAVAILABLE", "x", none()), "unavailable"),
        (504, body(504, "DEADLINE_EXCEEDED", "x", none()), "unavailable"),
    ] {
        assert_eq!(outcome(status, &[], &body), expected, "{body}");
    }
}

#[test]
fn zhipu_by_its_own_codes_and_not_by_the_status() {
    for (code, expected) in [
        ("1000", "unauthorized"),
        ("1001", "unauthorized"),
        ("1002", "unauthorized"),
        ("1003", "unauthorized"),
        ("1004", "unauthorized"),
        ("1005", "unauthorized"),
        ("1112", "unauthorized"),
        ("1113", "unauthorized"),
        ("1121", "unauthorized"),
        ("1200", "unavailable"),
        ("1210", "unsupported"),
        ("1211", "protocol"),
        ("1213", "unsupported"),
        ("1214", "unsupported"),
        ("1234", "unavailable"),
        ("1261", "unsupported"),
        ("1301", "refused"),
        ("1302", "limited"),
        ("1303", "limited"),
        ("1304", "limited 120000"),
        ("1305", "limited"),
        ("1308", "limited 120000"),
        ("1310", "limited 120000"),
        ("1312", "limited"),
    ] {
        for status in [400, 429, 500] {
            let text = json!({ "error": { "code": code, "message": "x" } }).to_string();
            assert_eq!(outcome(status, &[], &text), expected, "{status} {code}");
            let number = code.parse::<u32>().unwrap();
            let number = json!({ "error": { "code": number, "message": "x" } }).to_string();
            assert_eq!(outcome(status, &[], &number), expected, "{status} {code} as a number");
        }
    }
}

#[test]
fn a_status_that_nobody_explains_speaks_for_itself() {
    for (status, expected) in [
        (302, "protocol"),
        (400, "unsupported"),
        (401, "unauthorized"),
        (402, "unauthorized"),
        (403, "unauthorized"),
        (404, "protocol"),
        (405, "protocol"),
        (408, "unavailable"),
        (409, "unavailable"),
        (413, "unsupported"),
        (422, "unsupported"),
        (425, "unavailable"),
        (429, "limited"),
        (500, "unavailable"),
        (502, "unavailable"),
        (503, "unavailable"),
        (504, "unavailable"),
        (529, "limited"),
    ] {
        for body in ["", "upstream connect error", "<html>502</html>", "{}", "[]", "null", "\"x\""]
        {
            assert_eq!(outcome(status, &[], body), expected, "{status} {body}");
        }
    }
}

#[test]
fn the_time_to_wait_is_read_in_all_its_forms_and_capped() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_hours(1));
    let past = httpdate::fmt_http_date(SystemTime::now() - Duration::from_mins(1));
    for (headers, expected) in [
        (&[("retry-after", "3")][..], "limited 3000"),
        (&[("retry-after", "1.5")], "limited 1500"),
        (&[("retry-after-ms", "250"), ("retry-after", "9")], "limited 250"),
        (&[("retry-after", "86400")], "limited 120000"),
        (&[("retry-after", date.as_str())], "limited 120000"),
        (&[("retry-after", past.as_str())], "limited 0"),
        (&[("retry-after", "-3")], "limited"),
        (&[("retry-after", "soon")], "limited"),
        (&[("retry-after", "NaN")], "limited"),
    ] {
        assert_eq!(outcome(429, headers, ""), expected, "{headers:?}");
    }
    // Who is down and says until when is busy.
    assert_eq!(outcome(503, &[("retry-after", "7")], ""), "limited 7000");
}

#[test]
fn what_a_server_said_is_short_and_without_secrets() {
    let mut blotter = Blotter::default();
    blotter.add(&"sk-123456".to_owned().into());
    let body = openai("x", "x", &format!("no key sk-123456 here, {}", "long ".repeat(1000)));
    let failure = Failure::of_response(500, &HeaderMap::new(), body.as_bytes(), &blotter);
    let ProviderError::Unavailable(source) = failure.into_error() else { panic!() };
    let said = source.to_string();
    assert!(said.starts_with("it answered 500 x x: no key *** here"), "{said}");
    assert!(said.chars().count() < 400, "{said}");
}
