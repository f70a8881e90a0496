//! Models on servers behind the surface: what goes over both wires.

use std::sync::Arc;

use anima_provider::Provider;
use anima_remote::RemoteProvider;
use anima_upstream::{Plan, Upstream};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{PATH, choice, chunks, events, tools, whole, with};
use crate::helpers::{TestApp, error, eventually};

pub(super) async fn behind(plan: Plan) -> (Upstream, TestApp) {
    let upstream = Upstream::start(plan).await.unwrap();
    let settings = json!({ "model": "far", "base_url": upstream.url("/v1"), "images": true });
    let settings = serde_json::from_value(settings).unwrap();
    let reveal = |_: anima_remote::SecretSource<'_>| Err("there is no key".to_owned());
    let provider: Arc<dyn Provider> =
        Arc::new(RemoteProvider::openai("server", settings, &reveal).unwrap());
    let app = TestApp::start(vec![provider]).await;
    (upstream, app)
}

#[tokio::test]
async fn tools_and_further_parameters_reach_the_server_and_its_calls_the_caller() {
    let call = |call: Value| json!({ "index": 0, "delta": { "tool_calls": [call] } });
    let plan = Plan::choosing([
        call(json!({ "index": 0, "id": "a", "function": { "name": "weather", "arguments": "{" } })),
        call(json!({ "index": 0, "function": { "arguments": "}" } })),
        json!({ "index": 0, "delta": {}, "finish_reason": "tool_calls" }),
    ]);
    let (upstream, app) = behind(plan).await;
    let asked = with(json!({ "tools": tools(), "tool_choice": "auto", "seed": 7, "user": "me",
        "logit_bias": { "5": -1 }, "parallel_tool_calls": false, "top_k": 3 }));
    let told = whole(&app, &asked).await;
    let called = json!([{ "id": "a", "type": "function",
        "function": { "name": "weather", "arguments": "{}" } }]);
    assert_eq!(choice(&told)["message"]["tool_calls"], called);
    let body = &upstream.recorded()[0].body;
    assert_eq!((&body["tools"], &body["model"]), (&tools(), &json!("far")));
    assert_eq!((&body["seed"], &body["logit_bias"]), (&json!(7), &json!({ "5": -1 })));
    assert_eq!(
        (&body["parallel_tool_calls"], body.get("user"), body.get("top_k")),
        (&json!(false), None, None)
    );
}

#[tokio::test]
async fn tokens_are_neither_lost_nor_mixed_up() {
    let (_upstream, app) = behind(Plan { stamps: 500, ..Plan::default() }).await;
    let call = with(json!({ "stream": true, "stream_options": { "include_usage": true } }));
    let told = chunks(&app, &call).await;
    let texts = told.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
    let expected: Vec<_> = (0..500).map(|token| format!("0.{token} ")).collect();
    // The first one comes with the role and is empty.
    assert_eq!(texts.skip(1).collect::<Vec<_>>(), expected);
    assert_eq!(told.last().unwrap()["usage"]["completion_tokens"], 500);
}

#[tokio::test]
async fn faults_have_their_status_before_the_first_delta_and_are_events_after_it() {
    for (fault, status, code) in [
        ("status-401", StatusCode::BAD_GATEWAY, "provider_auth"),
        ("status-429-after-3", StatusCode::TOO_MANY_REQUESTS, "overloaded"),
        ("status-500", StatusCode::SERVICE_UNAVAILABLE, "provider_unavailable"),
        ("html", StatusCode::SERVICE_UNAVAILABLE, "provider_unavailable"),
        ("reset-0", StatusCode::SERVICE_UNAVAILABLE, "provider_unavailable"),
    ] {
        let (_upstream, app) = behind(Plan::failing(fault.parse().unwrap())).await;
        let call = with(json!({ "stream": true }));
        let error = error(app.post(PATH, &call).await, status).await;
        assert_eq!(error["code"], code, "{fault}");
    }
    for fault in ["reset-2", "fin-2", "cut-2", "broken-2", "error-2"] {
        let (_upstream, app) = behind(Plan::failing(fault.parse().unwrap())).await;
        let events = events(app.post(PATH, &with(json!({ "stream": true }))).await).await;
        let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
        assert_eq!(last["error"]["code"], "provider_unavailable", "{fault}");
        assert_eq!(events.len(), 4, "{fault}: {events:?}");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_closes_the_connection_to_the_server() {
    let (upstream, app) = behind(Plan::failing("stall-2".parse().unwrap())).await;
    let mut response = app.post(PATH, &with(json!({ "stream": true }))).await;
    response.chunk().await.unwrap();
    assert_eq!(upstream.stats().open, 1);
    drop(response);
    eventually("the server is left", || upstream.stats().open == 0).await;
}
