//! How much one client may ask.

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::Client,
    helpers::{TestApp, error},
    providers::answering,
    raw::{Raw, TEXT},
};

#[tokio::test]
async fn more_connections_than_allowed_are_refused_before_the_upgrade() {
    let app = TestApp::start_with(vec![answering("demo", "你好。")], |settings| {
        settings.server.max_connections = 2;
    })
    .await;
    let first = Client::connect(&app).await;
    let _second = Client::connect(&app).await;
    let refused = Client::try_connect(&app, &[]).await.err();
    assert_eq!(refused.map(|status| status.as_u16()), Some(503));
    // A refusal takes no place, and a place that is free again can be taken.
    first.leave().await;
    Client::connect_in_time(&app).await;
}

#[tokio::test]
async fn a_refused_connection_is_told_when_to_come_back() {
    let app = TestApp::start_with(vec![answering("demo", "你好。")], |settings| {
        settings.server.max_connections = 1;
    })
    .await;
    let _first = Client::connect(&app).await;
    let request = app
        .request(Method::GET, "/ws")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let response = request.send().await.unwrap();
    assert!(response.headers().contains_key("retry-after"));
    let error = error(response, StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(error["code"], "overloaded");
}

#[tokio::test]
async fn a_path_for_sockets_wants_a_handshake() {
    let app = TestApp::start(vec![answering("demo", "你好。")]).await;
    let response = app.request(Method::GET, "/ws").send().await.unwrap();
    let invalid = error(response, StatusCode::BAD_REQUEST).await;
    assert_eq!(invalid["code"], "invalid_handshake");
    let response = app.request(Method::POST, "/ws").send().await.unwrap();
    assert_eq!(response.headers()["allow"], "GET");
    error(response, StatusCode::METHOD_NOT_ALLOWED).await;
}

#[tokio::test]
async fn too_many_messages_are_4003() {
    let app = TestApp::start_with(vec![answering("demo", "你好。")], |settings| {
        settings.server.messages_per_minute = 5;
    })
    .await;
    let (mut client, welcome) = Client::hello(&app, &json!({})).await;
    assert_eq!(welcome["limits"]["messages_per_minute"], 5);
    for _ in 0..4 {
        client.settle().await;
    }
    client.send(&json!({ "type": "ping" })).await;
    client.error("rate_limited").await;
    assert_eq!(client.closed().await, 4003);
    // Another connection of the session begins with a full allowance.
    let (mut client, _) = Client::join(&app, welcome["session"].as_str().unwrap()).await;
    client.settle().await;
}

#[tokio::test]
async fn pings_of_the_protocol_do_not_count_as_messages() {
    let app = TestApp::start_with(vec![answering("demo", "你好。")], |settings| {
        settings.server.messages_per_minute = 2;
    })
    .await;
    let (mut client, _) = Client::hello(&app, &json!({})).await;
    for _ in 0..10 {
        client.send_message(Message::Ping(Vec::new().into())).await;
        assert!(matches!(client.message().await, Message::Pong(_)));
    }
    client.settle().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_its_socket() {
    let long = "一二三四五六七八九十。".repeat(900);
    let app = TestApp::start_with(vec![answering("demo", "你好。")], |settings| {
        settings.server.max_connections = 1;
        settings.server.messages_per_minute = 100_000;
    })
    .await;
    let session = app.session().await;
    let speech = json!({ "purpose": "speak", "text": long });
    let path = format!("/v1/sessions/{session}/turns");
    assert_eq!(app.post(&path, &speech).await.status(), StatusCode::OK);
    let mut raw = Raw::open_narrow(&app).await;
    let hello = json!({ "type": "hello", "session": session }).to_string();
    raw.send(TEXT, hello.as_bytes()).await;
    assert_eq!(raw.next().await.unwrap().json()["type"], "welcome");
    // 400 answers of more than 100 kB each: far more than the two kernels hold.
    for _ in 0..400 {
        raw.send(TEXT, br#"{"type":"history"}"#).await;
    }
    // Ours would be the only place: it is free again once the service has given up on the client.
    Client::connect_in_time(&app).await;
    let read = raw.drain().await;
    assert!(read < 16 << 20, "{read} bytes were kept for a client that does not read");
}

#[tokio::test]
async fn other_sessions_do_not_wait_for_a_client_that_does_not_read() {
    let long = "一二三四五六七八九十。".repeat(900);
    let app = TestApp::start(vec![answering("demo", "你好。")]).await;
    let session = app.session().await;
    let speech = json!({ "purpose": "speak", "text": long });
    let path = format!("/v1/sessions/{session}/turns");
    assert_eq!(app.post(&path, &speech).await.status(), StatusCode::OK);
    let mut raw = Raw::open_narrow(&app).await;
    let hello = json!({ "type": "hello", "session": session }).to_string();
    raw.send(TEXT, hello.as_bytes()).await;
    for _ in 0..400 {
        raw.send(TEXT, br#"{"type":"history"}"#).await;
    }
    for _ in 0..4 {
        let (mut client, _) = Client::join(&app, "").await;
        assert_eq!(client.ask("one", "你好").await.finished("complete"), "你好。");
    }
    // Nor does the session itself: a turn in it goes on without its reader.
    let response = app.post(&path, &json!({ "text": "你好" })).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(app.exchanges(&session).await.len(), 2);
}
