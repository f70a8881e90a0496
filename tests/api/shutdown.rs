//! The end of the service, and what is there when it comes back.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use anima::settings::Settings;
use anima_provider::{Script, Step};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    client::Client,
    helpers::{Providers, TestApp, error, http, json as body},
    providers::{
        ANSWER, Puppet, SENTENCES, answering, assistant, conversation, half_an_answer, hanging,
        playing, user,
    },
};

/// Gives running turns no time at the end.
fn at_once(settings: &mut Settings) {
    settings.server.drain_ms = 0;
}

#[tokio::test]
async fn clients_are_told_and_a_running_turn_ends_before_the_close() {
    let (puppet, mut hand) = Puppet::new("demo");
    let app = TestApp::start(vec![puppet]).await;
    let (mut client, session) = Client::join(&app, "").await;
    let (mut idle, _) = Client::join(&app, "").await;
    client.say("one", "你好").await;
    let asked = hand.admitted().await;
    asked.say("第一句话在这里。第");
    client.sentences("one", 1).await;
    let address = app.address;
    let stopping = app.begin_stop();
    let goaway = json!({ "type": "goaway", "time_left_ms": 10_000 });
    assert_eq!(client.next_of_type("goaway").await, goaway);
    assert_eq!(idle.next_of_type("goaway").await, goaway);
    // No new turns, on any surface.
    idle.send(&json!({ "type": "say", "text": "你好" })).await;
    assert!(idle.error("shutting_down").await["retry_after_ms"].is_number());
    let http = http();
    let post = async |path: &str, call: Value| {
        http.post(format!("http://{address}{path}")).json(&call).send().await.unwrap()
    };
    let refused = post(&format!("/v1/sessions/{session}/turns"), json!({ "text": "你好" })).await;
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(error(refused, StatusCode::SERVICE_UNAVAILABLE).await["code"], "shutting_down");
    let refused = post("/", json!({ "prompt": "你好" })).await;
    assert_eq!(body(refused, StatusCode::SERVICE_UNAVAILABLE).await["status"], 503);
    let ready = http.get(format!("http://{address}/readyz")).send().await.unwrap();
    assert_eq!(body(ready, StatusCode::SERVICE_UNAVAILABLE).await["draining"], true);
    let health = http.get(format!("http://{address}/healthz")).send().await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
    let socket = http.get(format!("http://{address}/ws")).send().await.unwrap();
    assert_eq!(error(socket, StatusCode::SERVICE_UNAVAILABLE).await["code"], "shutting_down");
    // The running turn goes on to its end.
    asked.say("二句。");
    asked.finish();
    let told = client.turn("one").await;
    assert_eq!(told.finished("complete"), "第一句话在这里。第二句。");
    assert_eq!(client.closed().await, 1012);
    assert_eq!(idle.closed().await, 1012);
    drop((client, idle));
    let folder = stopping.ended().await;
    // Nothing was lost.
    let app = TestApp::start_in(folder, vec![answering("demo", ANSWER)]).await;
    assert_eq!(app.exchanges(&session).await[0]["text"], "第一句话在这里。第二句。");
}

#[tokio::test]
async fn a_turn_that_does_not_end_in_time_fails_and_can_be_asked_for_again() {
    let model = hanging("demo");
    let app = TestApp::start_with(vec![model.clone()], at_once).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.say("one", "你好").await;
    client.sentences("one", 2).await;
    let stopping = app.begin_stop();
    let told = client.turn("one").await;
    assert_eq!(told.failed(), "shutting_down");
    assert_eq!(client.closed().await, 1012);
    drop(client);
    let folder = stopping.ended().await;
    assert_eq!(model.running(), 0);
    let app = TestApp::start_in(folder, vec![answering("demo", ANSWER)]).await;
    let exchange = &app.exchanges(&session).await[0];
    assert_eq!(exchange["state"], "failed");
    assert_eq!(exchange["sentences"].as_array().unwrap().len(), 2);
    let (mut client, _) = Client::join(&app, &session).await;
    assert_eq!(client.ask("one", "你好").await.finished("complete"), SENTENCES.concat());
}

#[tokio::test]
async fn a_request_that_waits_for_its_turn_is_answered_before_the_end() {
    let app = TestApp::start_with(vec![hanging("demo")], at_once).await;
    let session = app.session().await;
    let (mut client, _) = Client::join(&app, &session).await;
    let path = format!("/v1/sessions/{session}/turns");
    let call = json!({ "turn": "one", "text": "你好" });
    let waiting = tokio::spawn(app.request(Method::POST, &path).json(&call).send());
    client.sentences("one", 2).await;
    let stopping = app.begin_stop();
    let answer = waiting.await.unwrap().unwrap();
    assert_eq!(error(answer, StatusCode::SERVICE_UNAVAILABLE).await["code"], "shutting_down");
    assert_eq!(client.closed().await, 1012);
    drop(client);
    stopping.ended().await;
}

#[tokio::test]
async fn a_service_without_work_ends_at_once() {
    let app = TestApp::start(vec![answering("demo", ANSWER)]).await;
    let (mut client, _) = Client::join(&app, "").await;
    client.ask("one", "你好").await;
    let begun = Instant::now();
    let stopping = app.begin_stop();
    assert_eq!(client.closed().await, 1012);
    drop(client);
    stopping.ended().await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn history_and_settings_are_there_after_a_restart() {
    let providers =
        || -> Providers { vec![answering("demo", ANSWER), answering("other", "好的。")] };
    let app = TestApp::start(providers()).await;
    let (mut client, before) = Client::hello(&app, &json!({ "persona": "companion" })).await;
    let session = before["session"].as_str().unwrap().to_owned();
    let told = client.ask("one", "你好").await;
    client.send(&json!({ "type": "switch", "provider": "other" })).await;
    client.next_of_type("switched").await;
    client.ask("two", "然后呢").await;
    let kept = app.exchanges(&session).await;
    client.leave().await;
    let folder = app.stop().await;
    let app = TestApp::start_in(folder, providers()).await;
    assert_eq!(app.exchanges(&session).await, kept);
    let hello = json!({
        "session": session, "resume_from": told.frames[0]["seq"], "epoch": before["epoch"],
    });
    let (mut client, welcome) = Client::hello(&app, &hello).await;
    assert_eq!(welcome["session"], session.as_str());
    assert_eq!((&welcome["resumed"], &welcome["persona"]), (&json!(false), &json!("companion")));
    assert_eq!(welcome["provider"], "other");
    assert_ne!(welcome["epoch"], before["epoch"]);
    // A turn of before is told again under numbers that were never used.
    let again = client.ask("one", "你好").await;
    assert_eq!(again.frames[0]["replay"], true);
    assert!(again.frames[0]["seq"].as_u64() > told.end()["seq"].as_u64());
    client.send(&json!({ "type": "say", "turn": "one", "text": "别的" })).await;
    client.error("turn_id_conflict").await;
}

/// The data folder as a crash leaves it: a copy, taken while the service runs.
fn crashed(app: &TestApp) -> Arc<TempDir> {
    let copy = TempDir::new().unwrap();
    for entry in fs::read_dir(app.folder().path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    Arc::new(copy)
}

#[tokio::test]
async fn a_turn_that_a_crash_left_running_runs_again_in_its_old_position() {
    let scripts = [Script::saying(["一。"]), half_an_answer().then(Step::Hang)];
    let app = TestApp::start(vec![playing("demo", scripts)]).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.ask("one", "问一").await;
    client.say("two", "问二").await;
    // Accepted means durable.
    client.next_of_turn("two", "accepted").await;
    let folder = crashed(&app);
    let scripts = ["三。", "二。"].map(|text| Script::saying([text]));
    let model = playing("demo", scripts);
    let app = TestApp::start_in(folder, vec![model.clone()]).await;
    let exchanges = app.exchanges(&session).await;
    assert_eq!(exchanges[1]["state"], "incomplete");
    assert_eq!(exchanges[1]["said"], "问二");
    let (mut client, _) = Client::join(&app, &session).await;
    client.ask("three", "问三").await.finished("complete");
    let told = client.ask("two", "问二").await;
    assert!(told.frames[0].get("replay").is_none());
    assert_eq!(told.finished("complete"), "二。");
    let kept: Vec<_> = app
        .exchanges(&session)
        .await
        .iter()
        .map(|exchange| (exchange["turn"].clone(), exchange["text"].clone()))
        .collect();
    let expected = [("one", "一。"), ("two", "二。"), ("three", "三。")];
    assert_eq!(kept, expected.map(|(turn, text)| (json!(turn), json!(text))));
    let shown = [user("问一"), assistant("[neutral]一。"), user("问二")];
    assert_eq!(conversation(&model.requests()[1]), shown);
}

#[tokio::test]
async fn what_was_finished_before_a_crash_is_there() {
    let app = TestApp::start(vec![answering("demo", ANSWER)]).await;
    let (mut client, session) = Client::join(&app, "").await;
    for turn in ["one", "two", "three"] {
        client.ask(turn, turn).await;
    }
    let kept = app.exchanges(&session).await;
    let app = TestApp::start_in(crashed(&app), vec![answering("demo", ANSWER)]).await;
    assert_eq!(app.exchanges(&session).await, kept);
    let (mut client, _) = Client::join(&app, &session).await;
    assert_eq!(client.ask("three", "three").await.frames[0]["replay"], true);
}
