//! What is wrong with a call is said in `OpenAI`'s shape, with the parameter that it is about.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{PATH, question, tools, with};
use crate::{
    helpers::{TestApp, error},
    providers::answering,
};

async fn refused(app: &TestApp, call: &Value) -> (String, String) {
    let error = error(app.post(PATH, call).await, StatusCode::BAD_REQUEST).await;
    assert_eq!(error["type"], "invalid_request_error");
    let text = |field: &str| error[field].as_str().unwrap_or_default().to_owned();
    (text("code"), text("param"))
}

fn message(message: Value) -> Value {
    json!({ "messages": vec![message] })
}

#[tokio::test]
async fn values_that_are_wrong_are_named() {
    let app = TestApp::start(vec![answering("far", "好。")]).await;
    let tool = |name: &str| json!({ "type": "function", "function": { "name": name } });
    let type_ = "invalid_type";
    let value = "invalid_value";
    let unsupported = "unsupported";
    for (parameters, code, param) in [
        (json!({ "temperature": "0.7" }), type_, "temperature"),
        (json!({ "temperature": 2.01 }), value, "temperature"),
        (json!({ "temperature": -1 }), value, "temperature"),
        (json!({ "top_p": 0 }), value, "top_p"),
        (json!({ "top_p": 1.0001 }), value, "top_p"),
        (json!({ "top_k": -2 }), value, "top_k"),
        (json!({ "top_k": 1.5 }), type_, "top_k"),
        (json!({ "min_p": 2 }), value, "min_p"),
        (json!({ "repetition_penalty": 0 }), value, "repetition_penalty"),
        (json!({ "presence_penalty": 2.01 }), value, "presence_penalty"),
        (json!({ "frequency_penalty": -2.01 }), value, "frequency_penalty"),
        (json!({ "max_tokens": 0 }), value, "max_tokens"),
        (json!({ "max_tokens": 1.5 }), type_, "max_tokens"),
        (json!({ "max_completion_tokens": -1 }), value, "max_completion_tokens"),
        (json!({ "n": 0 }), value, "n"),
        (json!({ "n": 11 }), value, "n"),
        (json!({ "stop": ["a", "b", "c", "d", "e"] }), value, "stop"),
        (json!({ "stop": [""] }), value, "stop"),
        (json!({ "stop": [1] }), type_, "stop"),
        (json!({ "stream": "true" }), type_, "stream"),
        (json!({ "stream_options": { "include_usage": true } }), value, "stream_options"),
        (json!({ "model": 7 }), type_, "model"),
        (json!({ "logprobs": 1 }), type_, "logprobs"),
        (json!({ "logprobs": true, "top_logprobs": 21 }), value, "top_logprobs"),
        (json!({ "top_logprobs": 1 }), value, "top_logprobs"),
        (json!({ "tools": {} }), type_, "tools"),
        (json!({ "tools": [tool("a"), tool("a")] }), value, "tools[1].function.name"),
        (json!({ "tools": [tool("a b")] }), value, "tools[0].function.name"),
        (json!({ "tools": [{ "type": "retrieval" }] }), value, "tools[0].type"),
        (json!({ "tools": vec![tool("a"); 129] }), value, "tools"),
        (json!({ "tool_choice": "required" }), value, "tool_choice"),
        (json!({ "tools": tools(), "tool_choice": tool("other") }), value, "tool_choice"),
        (json!({ "response_format": { "type": "xml" } }), value, "response_format"),
        (
            json!({ "response_format": { "type": "json_schema", "json_schema": { "name": "a" } } }),
            "missing_required_parameter",
            "response_format.json_schema.schema",
        ),
        (json!({ "guided_json": "not JSON" }), type_, "guided_json"),
        (json!({ "guided_json": {}, "guided_regex": "a" }), value, "guided_regex"),
        (json!({ "guided_regex": "a".repeat(5000) }), value, "guided_regex"),
        (json!({ "structured_outputs": { "grammar": "a" } }), unsupported, "structured_outputs"),
        (json!({ "functions": [] }), unsupported, "functions"),
        (json!({ "audio": {} }), unsupported, "audio"),
        (json!({ "modalities": ["text", "audio"] }), unsupported, "modalities"),
        (json!({ "num_beams": 4 }), unsupported, "num_beams"),
        (json!({ "best_of": 2 }), unsupported, "best_of"),
    ] {
        let refused = refused(&app, &with(parameters.clone())).await;
        assert_eq!(refused, (code.to_owned(), param.to_owned()), "{parameters}");
    }
}

#[tokio::test]
async fn conversations_that_are_wrong_are_named() {
    let app = TestApp::start(vec![answering("far", "好。")]).await;
    let missing = "missing_required_parameter";
    let image = |url: &str| {
        let part = json!({ "type": "image_url", "image_url": { "url": url } });
        message(json!({ "role": "user", "content": [part] }))
    };
    let picture = "messages[0].content[0].image_url";
    let nine = vec![
        json!({ "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } });
        9
    ];
    for (call, code, param) in [
        (json!({}), missing, "messages"),
        (json!({ "messages": null }), missing, "messages"),
        (json!({ "messages": [] }), missing, "messages"),
        (json!({ "messages": 7 }), "invalid_type", "messages"),
        (json!({ "messages": [7] }), "invalid_type", "messages"),
        (message(json!({})), missing, "messages[0].role"),
        (message(json!({ "role": "user" })), missing, "messages[0].content"),
        (message(json!({ "role": "assistant" })), missing, "messages[0].content"),
        (message(json!({ "role": "king", "content": "a" })), "invalid_value", "messages[0].role"),
        (message(json!({ "role": "tool", "content": "a" })), missing, "messages[0].tool_call_id"),
        (
            message(json!({ "role": "user", "content": [{ "type": "text" }] })),
            missing,
            "messages[0].content[0].text",
        ),
        (
            message(json!({ "role": "user", "content": [{ "type": "input_audio" }] })),
            "unsupported",
            "messages[0].content[0].type",
        ),
        (image("https://example.org/a.png"), "invalid_image", picture),
        (image("http://169.254.169.254/latest"), "invalid_image", picture),
        (image("file:///etc/passwd"), "invalid_image", picture),
        (image("data:text/html;base64,AAAA"), "invalid_image", picture),
        (image("data:image/png;base64,not base64"), "invalid_image", picture),
        (message(json!({ "role": "user", "content": nine })), "invalid_value", "messages"),
    ] {
        let refused = refused(&app, &call).await;
        assert_eq!(refused, (code.to_owned(), param.to_owned()), "{call}");
    }
}

#[tokio::test]
async fn bodies_that_are_no_call_are_refused() {
    let app = TestApp::start(vec![answering("far", "好。")]).await;
    let deep = "[".repeat(100_000);
    for (body, code) in [
        (&b""[..], "invalid_json"),
        (b"{", "invalid_json"),
        (b"\xef\xbb\xbf{}", "invalid_json"),
        (b"{\"messages\": \"a\"} {}", "invalid_json"),
        (b"{\"messages\": \"\\ud800\"}", "invalid_json"),
        (b"{\"messages\": \"\xff\"}", "invalid_encoding"),
        (b"[]", "invalid_type"),
        (b"null", "invalid_type"),
        (deep.as_bytes(), "invalid_json"),
        (format!("{{\"tools\": {deep}").as_bytes(), "invalid_json"),
    ] {
        let response = app.request(Method::POST, PATH).body(body.to_vec()).send().await.unwrap();
        let error = error(response, StatusCode::BAD_REQUEST).await;
        assert_eq!(
            error["code"],
            code,
            "{:?}",
            String::from_utf8_lossy(&body[..body.len().min(40)])
        );
    }
    let large = json!({ "messages": "a".repeat(2 * 1024 * 1024) });
    let response = app.post(PATH, &large).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let wrong = app.request(Method::GET, PATH).send().await.unwrap();
    assert_eq!(
        (wrong.status(), &wrong.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"POST".parse().unwrap())
    );
}

#[tokio::test]
async fn what_is_null_or_unknown_is_not_there() {
    let app = TestApp::start(vec![answering("far", "好。")]).await;
    let call = with(json!({
        "model": null, "temperature": null, "n": null, "stop": null, "stream": null, "tools": null,
        "tool_choice": null, "response_format": null, "seed": null, "thinking": null, "user": null,
        "stream_options": null, "metadata": { "a": 1 }, "store": true, "service_tier": "auto",
        "temperature_": "x",
    }));
    assert_eq!(app.post(PATH, &call).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn calls_count_as_turns() {
    let app = TestApp::start_with(vec![answering("far", "好。")], |settings| {
        settings.server.max_turns = 0;
    })
    .await;
    let response = app.post(PATH, &question()).await;
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(error(response, StatusCode::TOO_MANY_REQUESTS).await["code"], "overloaded");
}
