//! A provider that panics: the turn fails, its caller is told, and the service lives.

use std::sync::Arc;

use anima_provider::ScriptedProvider;
use reqwest::StatusCode;
use serde_json::json;

use crate::{
    client::Client,
    helpers::{TestApp, error, json},
    providers::answering,
};

/// A service whose first provider panics; the second one is well, and no help: a fault may be in
/// the turn itself.
async fn app() -> TestApp {
    let faulty = ScriptedProvider::new("faulty", |_| panic!("as the test wants it"));
    TestApp::start(vec![Arc::new(faulty), answering("sound", "你好。")]).await
}

#[tokio::test]
async fn a_request_whose_provider_panics_is_a_500_and_the_next_one_is_answered() {
    let app = app().await;
    let session = app.session().await;
    let path = format!("/v1/sessions/{session}/turns");
    for _ in 0..3 {
        let response = app.post(&path, &json!({ "text": "你好" })).await;
        let error = error(response, StatusCode::INTERNAL_SERVER_ERROR).await;
        assert_eq!(error["code"], "internal_error");
        assert!(!error["message"].as_str().unwrap().contains("as the test wants it"), "{error}");
        let told = json(
            app.post("/", &json!({ "prompt": "你好" })).await,
            StatusCode::INTERNAL_SERVER_ERROR,
        );
        assert_eq!(told.await["status"], 500);
    }
    let sound = app.post(&path, &json!({ "text": "你好", "provider": "sound" })).await;
    assert_eq!(json(sound, StatusCode::OK).await["text"], "你好。");
    assert_eq!(app.get("/readyz").await["running_turns"], 0, "a fault keeps no place");
}

#[tokio::test]
async fn a_turn_whose_provider_panics_fails_and_its_socket_stays_open() {
    let app = app().await;
    let (mut client, _) = Client::join(&app, "").await;
    assert_eq!(client.ask("one", "你好").await.failed(), "internal_error");
    client
        .send(&json!({ "type": "say", "turn": "two", "text": "你好", "provider": "sound" }))
        .await;
    assert_eq!(client.turn("two").await.finished("complete"), "你好。");
}
