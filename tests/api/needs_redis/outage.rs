//! A Redis that is down, dies or stalls, and turns that need it.

use std::time::{Duration, Instant};

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Place, server::RedisServer};
use crate::{
    client::Client,
    helpers::{PATIENCE, TestApp, error, json as body},
    providers::{ANSWER, Puppet, SENTENCES, answering},
};

/// A refusal takes about 600 ms at most; this machine may be busy.
const REFUSED_WITHIN: Duration = Duration::from_millis(1800);

/// The answer, which has to come in time.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let answer = what.await;
    assert!(begun.elapsed() < REFUSED_WITHIN, "{:?}", begun.elapsed());
    answer
}

async fn is_refused(response: Response) {
    let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=120).contains(&wait), "{wait}");
    assert_eq!(error(response, StatusCode::SERVICE_UNAVAILABLE).await["code"], "store_unavailable");
}

/// What is refused and what is not while there is no store.
async fn refuses_what_has_to_be_kept(app: &TestApp, session: &str) {
    let turn = json!({ "turn": "late", "text": "你好" });
    let path = format!("/v1/sessions/{session}/turns");
    is_refused(soon(app.post(&path, &turn)).await).await;
    is_refused(soon(app.post("/v1/sessions", &json!({}))).await).await;
    let mut client = Client::connect(app).await;
    soon(async {
        client.say("late", "你好").await;
        client.next_of_type("welcome").await;
        let refused = client.error("store_unavailable").await;
        assert!(refused["retry_after_ms"].is_number(), "{refused}");
    })
    .await;
    let call = json!({ "prompt": "你好", "session": "kiosk" });
    let refused = body(soon(app.post("/", &call)).await, StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(refused["status"], 503);
    let answer = body(app.post("/", &json!({ "prompt": "你好" })).await, StatusCode::OK).await;
    assert_eq!(answer["response"], SENTENCES.concat());
    let ready = soon(app.request(Method::GET, "/readyz").send()).await.unwrap();
    let ready = body(ready, StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!((&ready["ready"], &ready["store"]), (&json!(false), &json!("unavailable")));
    let health = app.request(Method::GET, "/healthz").send().await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
}

pub(super) async fn becomes_ready(app: &TestApp) -> Value {
    let begun = Instant::now();
    loop {
        let ready = app.request(Method::GET, "/readyz").send().await.unwrap();
        if ready.status() == StatusCode::OK {
            return ready.json().await.unwrap();
        }
        assert!(begun.elapsed() < PATIENCE, "it does not become ready");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_service_starts_without_redis_and_is_ready_when_that_comes() {
    let mut server = RedisServer::start(&[]);
    server.kill();
    let app = Place::on(&server).start(vec![answering("demo", ANSWER)]).await;
    refuses_what_has_to_be_kept(&app, "unknown").await;
    server.restart();
    assert_eq!(becomes_ready(&app).await["store"], "ok");
    let (mut client, session) = Client::join(&app, "").await;
    client.ask("one", "你好").await.finished("complete");
    assert_eq!(app.exchanges(&session).await.len(), 1);
}

#[tokio::test]
async fn a_redis_that_dies_in_the_middle_loses_no_turn_that_was_accepted() {
    let mut server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let (puppet, mut hand) = Puppet::new("demo");
    let place = Place::on(&server);
    let app = place.start(vec![puppet, answering("other", ANSWER)]).await;
    let (mut client, session) = Client::join(&app, "").await;
    let say = |turn: &str, provider: &str| json!({ "type": "say", "turn": turn, "text": "你好", "provider": provider });
    client.send(&say("one", "other")).await;
    client.turn("one").await.finished("complete");
    client.send(&say("two", "demo")).await;
    let asked = hand.admitted().await;
    client.next_of_turn("two", "accepted").await;
    server.kill();
    asked.say("好的。");
    asked.finish();
    let failed = soon(client.next_of_turn("two", "failed")).await;
    assert_eq!(failed["code"], "store_unavailable");
    let refused = soon(async {
        client.send(&say("three", "other")).await;
        client.error("store_unavailable").await
    });
    assert_eq!(refused.await["turn"], "three");
    server.restart();
    becomes_ready(&app).await;
    client.left_over();
    // The same turn runs again, in its old position; the refused one is new.
    client.send(&say("two", "demo")).await;
    let asked = hand.admitted().await;
    asked.say("好的。");
    asked.finish();
    assert_eq!(client.turn("two").await.finished("complete"), "好的。");
    client.send(&say("three", "other")).await;
    client.turn("three").await.finished("complete");
    let kept = app.exchanges(&session).await;
    let kept: Vec<_> = kept.iter().map(|kept| (&kept["turn"], &kept["state"])).collect();
    let finished = json!("finished");
    let turns = ["one", "two", "three"].map(|turn| json!(turn));
    assert_eq!(kept, turns.iter().map(|turn| (turn, &finished)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_redis_that_stalls_is_refused_in_time_and_used_again() {
    let server = RedisServer::start(&[]);
    let app = Place::on(&server).start(vec![answering("demo", ANSWER)]).await;
    let session = app.session().await;
    server.freeze();
    refuses_what_has_to_be_kept(&app, &session).await;
    server.thaw();
    becomes_ready(&app).await;
    let path = format!("/v1/sessions/{session}/turns");
    let told = app.post(&path, &json!({ "turn": "late", "text": "你好" })).await;
    assert_eq!(body(told, StatusCode::OK).await["replay"], false);
    assert_eq!(app.exchanges(&session).await.len(), 1);
}

#[tokio::test]
async fn a_client_waits_for_a_stalled_redis_no_longer_than_for_one_call() {
    let server = RedisServer::start(&[]);
    let app = Place::on(&server).start(vec![answering("demo", ANSWER)]).await;
    becomes_ready(&app).await;
    server.freeze();
    // A fresh socket makes the service read the session, and then begin the turn.
    let mut client = Client::connect(&app).await;
    soon(async {
        client.say("one", "你好").await;
        client.next_of_type("welcome").await;
        client.error("store_unavailable").await
    })
    .await;
    server.thaw();
}
