//! Going on without the store, where the configuration wants that.

use std::time::{Duration, Instant};

use anima::settings::WhenUnavailable;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::time::sleep;

use super::{Place, server::RedisServer};
use crate::{
    client::Client,
    helpers::{PATIENCE, Providers, TestApp, error, json as body},
    providers::{ANSWER, Puppet, SENTENCES, answering, assistant, conversation, hanging, user},
};

async fn going_on(server: &RedisServer, providers: Providers) -> TestApp {
    let place = Place::on(server);
    TestApp::start_with(providers, |settings| {
        place.settle(settings);
        settings.history.when_unavailable = WhenUnavailable::Continue;
    })
    .await
}

async fn store_is(app: &TestApp, state: &str) {
    let begun = Instant::now();
    loop {
        let ready = app.get("/readyz").await;
        assert_eq!(ready["ready"], true);
        if ready["store"] == state {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "the store does not become {state}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn turns_go_on_from_memory_and_are_told_not_to_be_durable() {
    let mut server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let model = answering("demo", ANSWER);
    let app = going_on(&server, vec![model.clone()]).await;
    let (mut client, session) = Client::join(&app, "").await;
    let told = client.ask("one", "问一").await;
    assert!(told.frames[0].get("durable").is_none());
    server.kill();
    for (turn, words) in [("two", "问二"), ("three", "问三")] {
        let told = client.ask(turn, words).await;
        assert_eq!(told.frames[0]["durable"], false);
        assert_eq!(told.finished("complete"), SENTENCES.concat());
    }
    let answer = assistant(&format!("[calm]{}", SENTENCES.concat()));
    let shown = [user("问一"), answer.clone(), user("问二"), answer, user("问三")];
    assert_eq!(conversation(&model.requests()[2]), shown);
    // The same turn again is told again, and is still not durable.
    let again = client.ask("three", "问三").await;
    assert_eq!(
        (&again.frames[0]["replay"], &again.frames[0]["durable"]),
        (&json!(true), &json!(false))
    );
    client.send(&json!({ "type": "say", "turn": "three", "text": "别的" })).await;
    client.error("turn_id_conflict").await;
    assert_eq!(model.requests().len(), 3);
    store_is(&app, "unavailable").await;
    // What only the store knows is refused.
    client.send(&json!({ "type": "regenerate", "turn": "again" })).await;
    client.error("store_unavailable").await;
    let refused = app.request(Method::GET, &format!("/v1/sessions/{session}/history")).send().await;
    assert_eq!(
        error(refused.unwrap(), StatusCode::SERVICE_UNAVAILABLE).await["code"],
        "store_unavailable"
    );
    // Back again, turns are kept; those in between were not, and nothing says that they were.
    server.restart();
    store_is(&app, "ok").await;
    let again = client.ask("three", "问三").await;
    assert_eq!(
        (&again.frames[0]["replay"], &again.frames[0]["durable"]),
        (&json!(true), &json!(false))
    );
    assert!(client.ask("four", "问四").await.frames[0].get("durable").is_none());
    let kept = app.exchanges(&session).await;
    let kept: Vec<_> = kept.iter().map(|kept| kept["turn"].as_str().unwrap()).collect();
    assert_eq!(kept, ["one", "four"]);
}

#[tokio::test]
async fn a_session_that_cannot_be_looked_up_is_taken_for_known() {
    let mut server = RedisServer::start(&[]);
    server.kill();
    let app = going_on(&server, vec![answering("demo", ANSWER)]).await;
    let call = json!({ "turn": "one", "text": "你好" });
    let told = app.post("/v1/sessions/kiosk-7/turns", &call).await;
    let told = body(told, StatusCode::OK).await;
    assert_eq!((&told["durable"], &told["text"]), (&json!(false), &json!(SENTENCES.concat())));
    let call = json!({ "prompt": "你好", "session": "kiosk-8" });
    body(app.post("/", &call).await, StatusCode::OK).await;
    let (mut client, session) = Client::join(&app, "kiosk-9").await;
    assert_eq!(session, "kiosk-9");
    assert_eq!(client.ask("one", "你好").await.frames[0]["durable"], false);
}

#[tokio::test]
async fn a_person_cuts_in_on_a_turn_that_is_not_kept() {
    let mut server = RedisServer::start(&[]);
    server.kill();
    let model = hanging("demo");
    let app = going_on(&server, vec![model.clone(), answering("other", "好的。")]).await;
    let (mut client, _) = Client::join(&app, "").await;
    client.say("one", "讲个故事").await;
    client.sentences("one", 2).await;
    let next = json!({
        "type": "say", "turn": "two", "text": "别讲了", "heard": "先深", "provider": "other",
    });
    client.send(&next).await;
    let told = client.turn("one").await;
    told.finished("interrupted");
    assert_eq!(told.end()["heard"], "先深");
    client.turn("two").await.finished("complete");
    client.say("three", "再说").await;
    client.sentences("three", 2).await;
    let shown = conversation(model.requests().last().unwrap());
    let expected = [
        user("讲个故事"),
        assistant("[calm]先深"),
        user("别讲了"),
        assistant("[neutral]好的。"),
        user("再说"),
    ];
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn an_answer_that_could_not_be_kept_is_kept_with_the_next_turn() {
    let mut server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let (puppet, mut hand) = Puppet::new("demo");
    let app = going_on(&server, vec![puppet]).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.say("one", "你好").await;
    let asked = hand.admitted().await;
    client.next_of_turn("one", "accepted").await;
    server.kill();
    asked.say("你好呀。");
    asked.finish();
    assert_eq!(client.next_of_turn("one", "finished").await["text"], "你好呀。");
    server.restart();
    store_is(&app, "ok").await;
    client.ask_puppet(&mut hand, "two").await.finished("complete");
    let kept = app.exchanges(&session).await;
    let kept: Vec<_> = kept.iter().map(|kept| (&kept["state"], &kept["text"])).collect();
    let finished = json!("finished");
    assert_eq!(kept, [(&finished, &json!("你好呀。")), (&finished, &json!("好的。"))]);
}
