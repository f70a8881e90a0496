//! Streams: their shape, their end, and clients that go away or do not read.

use std::{sync::Arc, time::Duration};

use anima_provider::{FinishReason, ProviderError, ProviderEvent, Script, ScriptedProvider, Step};
use futures::StreamExt;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
    time::{sleep, timeout},
};

use super::{PATH, choice, chunks, event, events, with};
use crate::{
    helpers::{PATIENCE, TestApp, error, eventually},
    providers::{Puppet, answering, hanging, playing, unavailable},
};

fn streamed() -> Value {
    with(json!({ "stream": true }))
}

#[tokio::test]
async fn a_stream_begins_with_the_role_and_ends_with_the_reason_the_cost_and_the_mark() {
    let script = || {
        Script::admitted()
            .then(event(ProviderEvent::Reasoning("嗯".to_owned())))
            .text("你好")
            .text("😊\"\n")
            .done(FinishReason::Length)
    };
    let app = TestApp::start(vec![playing("far", [script(), script()])]).await;
    let told = chunks(&app, &streamed()).await;
    let delta = |index: usize| choice(&told[index])["delta"].clone();
    assert_eq!(delta(0), json!({ "role": "assistant", "content": "" }));
    assert_eq!(delta(1), json!({ "reasoning_content": "嗯" }));
    assert_eq!(
        (delta(2), delta(3)),
        (json!({ "content": "你好" }), json!({ "content": "😊\"\n" }))
    );
    assert_eq!((delta(4), told.len()), (json!({}), 5));
    for (index, chunk) in told.iter().enumerate() {
        assert_eq!((&chunk["id"], &chunk["created"]), (&told[0]["id"], &told[0]["created"]));
        assert_eq!(
            (&chunk["object"], &chunk["model"]),
            (&json!("chat.completion.chunk"), &json!("far"))
        );
        let reason = if index == 4 { json!("length") } else { Value::Null };
        assert_eq!(choice(chunk)["finish_reason"], reason);
        assert!(chunk.get("usage").is_none());
    }
    let call = with(json!({ "stream": true, "stream_options": { "include_usage": true } }));
    let told = chunks(&app, &call).await;
    let (last, others) = told.split_last().unwrap();
    assert_eq!(
        (last["choices"].clone(), last["usage"]["total_tokens"].clone()),
        (json!([]), json!(2))
    );
    assert!(others.len() == 5 && others.iter().all(|chunk| chunk["usage"].is_null()), "{others:?}");
}

#[tokio::test]
async fn a_token_leaves_when_it_comes() {
    let (puppet, mut hand) = Puppet::new("far");
    let app = TestApp::start(vec![puppet]).await;
    let sent = tokio::spawn(async move { app.post(PATH, &streamed()).await });
    let asked = hand.admitted().await;
    asked.say("一");
    let mut body = sent.await.unwrap().bytes_stream();
    for text in ["一", "二", "三"] {
        let mut told = String::new();
        while !told.contains(text) {
            let bytes = timeout(PATIENCE, body.next()).await.unwrap().unwrap().unwrap();
            told.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        asked.say(if text == "一" { "二" } else { "三" });
    }
    asked.finish();
}

#[tokio::test]
async fn a_failure_before_the_first_delta_has_its_status() {
    let limit = ProviderError::RateLimited { retry_after: Some(Duration::from_secs(3)) };
    for (failure, status, code) in [
        (ProviderError::Unauthorized, StatusCode::BAD_GATEWAY, "provider_auth"),
        (limit, StatusCode::TOO_MANY_REQUESTS, "overloaded"),
        (ProviderError::Refused("no".to_owned()), StatusCode::BAD_REQUEST, "content_filter"),
        (
            ProviderError::ContextOverflow { prompt_tokens: 9, context_length: 8 },
            StatusCode::BAD_REQUEST,
            "context_length_exceeded",
        ),
    ] {
        let app =
            TestApp::start(vec![playing("far", [Script::admitted().then(Step::Fail(failure))])])
                .await;
        let error = error(app.post(PATH, &streamed()).await, status).await;
        assert_eq!(error["code"], code);
    }
}

#[tokio::test]
async fn a_failure_after_it_is_an_error_without_the_mark_of_the_end() {
    let broken = Script::admitted().text("一").then(Step::Fail(unavailable()));
    let app = TestApp::start(vec![playing("far", [broken]), answering("good", "好。")]).await;
    let events = events(app.post(PATH, &streamed()).await).await;
    let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], "provider_unavailable");
    assert!(last["error"]["message"].is_string() && last["error"]["type"].is_string(), "{last}");
    assert!(!last.to_string().contains("10.0.0.7"), "{last}");
    assert_eq!(events.len(), 3, "the role, the text, the error: {events:?}");
}

#[tokio::test]
async fn an_answer_may_be_empty() {
    let app =
        TestApp::start(vec![playing("far", [Script::saying([""])]), answering("good", "好")]).await;
    let told = chunks(&app, &streamed()).await;
    assert_eq!((told.len(), &told[0]["model"]), (2, &json!("far")));
}

/// Sends a call over a socket of its own.
async fn raw(app: &TestApp, call: &Value, narrow: bool) -> tokio::net::TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    if narrow {
        socket.set_recv_buffer_size(4096).unwrap();
    }
    let mut stream = socket.connect(app.address).await.unwrap();
    let body = call.to_string();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{body}",
        app.address,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_client_that_goes_away_stops_the_generation() {
    // While it waits for an object, for a stream that has begun, and for one that has not.
    let silent =
        || Arc::new(ScriptedProvider::new("far", |_| Ok(Script::admitted().then(Step::Hang))));
    for (provider, call, told) in [
        (hanging("far"), with(json!({})), ""),
        (hanging("far"), streamed(), "data: "),
        (silent(), streamed(), ""),
        (hanging("far"), with(json!({ "stream": true, "model": "lingxi" })), "data: "),
    ] {
        let app = TestApp::start(vec![provider.clone()]).await;
        let mut stream = raw(&app, &call, false).await;
        eventually("it generates", || provider.running() == 1).await;
        if !told.is_empty() {
            let mut head = String::new();
            while !head.contains(told) {
                let mut piece = [0; 1024];
                let read = timeout(PATIENCE, stream.read(&mut piece)).await.unwrap().unwrap();
                head.push_str(&String::from_utf8_lossy(&piece[..read]));
            }
        }
        drop(stream);
        eventually("it has stopped", || provider.running() == 0).await;
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_its_model_back() {
    // Far more than fits into all buffers on the way, and all of it there at once.
    let text = "啊".repeat(1000);
    let endless = Arc::new(ScriptedProvider::new("far", move |_| {
        Ok((0..3_000).fold(Script::admitted(), |script, _| script.text(text.clone())))
    }));
    let app = TestApp::start(vec![endless.clone()]).await;
    let stream = raw(&app, &streamed(), true).await;
    eventually("it generates", || endless.running() == 1).await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!(endless.running(), 1, "9 MB are nowhere but in the script");
    drop(stream);
    eventually("it has stopped", || endless.running() == 0).await;
}
