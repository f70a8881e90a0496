//! Two services on one Redis.

use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{runtime, time::sleep};

use super::{LEASE_MS, Place, server::RedisServer};
use crate::{
    client::Client,
    helpers::{PATIENCE, TestApp, error, eventually, json as body},
    providers::{ANSWER, Puppet, SENTENCES, answering, assistant, conversation, hanging, user},
};

/// The turns of a session and their texts, in order.
async fn kept(app: &TestApp, session: &str) -> Vec<(Value, Value, Value)> {
    let exchanges = app.exchanges(session).await;
    let parts = |exchange: &Value| ["turn", "state", "text"].map(|key| exchange[key].clone());
    exchanges.iter().map(parts).map(|[turn, state, text]| (turn, state, text)).collect()
}

fn finished(turn: &str, text: &str) -> (Value, Value, Value) {
    (json!(turn), json!("finished"), json!(text))
}

#[tokio::test]
async fn a_session_moves_from_one_process_to_the_other_and_back() {
    let place = Place::on(RedisServer::shared());
    let model_b = answering("demo", "好的。");
    let a = place.start(vec![answering("demo", ANSWER), answering("other", "另一个。")]).await;
    let b = place.start(vec![model_b.clone(), answering("other", "另一个。")]).await;
    let (mut at_a, session) = Client::join(&a, "").await;
    at_a.ask("one", "问一").await.finished("complete");
    let (mut at_b, welcome) = Client::hello(&b, &json!({ "session": session })).await;
    assert_eq!(welcome["session"], session.as_str());
    at_b.ask("two", "问二").await.finished("complete");
    let shown = [user("问一"), assistant(&format!("[calm]{}", SENTENCES.concat())), user("问二")];
    assert_eq!(conversation(&model_b.requests()[0]), shown);
    // What was switched there holds here, although this process has not asked.
    at_b.send(&json!({ "type": "switch", "provider": "other", "persona": "companion" })).await;
    at_b.next_of_type("switched").await;
    let told = at_a.ask("three", "问三").await;
    assert_eq!(told.all("started")[0]["provider"], "other");
    // And is not undone by a switch of something else.
    at_a.send(&json!({ "type": "switch", "provider": "demo" })).await;
    assert_eq!(at_a.next_of_type("switched").await["persona"], "companion");
    // A turn that was answered there is told again here.
    let again = at_a.ask("two", "问二").await;
    assert_eq!(again.frames[0]["replay"], true);
    let expected = [
        finished("one", &SENTENCES.concat()),
        finished("two", "好的。"),
        finished("three", "另一个。"),
    ];
    assert_eq!(kept(&a, &session).await, expected);
    assert_eq!(a.exchanges(&session).await, b.exchanges(&session).await);
    let sessions = b.get("/v1/sessions").await;
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_heard_can_be_told_to_any_process() {
    let place = Place::on(RedisServer::shared());
    let a = place.start(vec![answering("demo", ANSWER)]).await;
    let b = place.start(vec![answering("demo", ANSWER)]).await;
    let (mut at_a, session) = Client::join(&a, "").await;
    at_a.ask("one", "问一").await;
    let path = format!("/v1/sessions/{session}/interrupt");
    let told = body(b.post(&path, &json!({ "heard": "先深" })).await, StatusCode::OK).await;
    assert_eq!(told, json!({ "turn": "one", "heard": "先深" }));
    assert_eq!(a.exchanges(&session).await[0]["heard"], "先深");
    // The one who answered the turn before learns of the next one, which ended elsewhere.
    let (mut at_b, _) = Client::join(&b, &session).await;
    at_b.ask("two", "问二").await;
    let told = body(a.post(&path, &json!({ "heard": "先" })).await, StatusCode::OK).await;
    assert_eq!(told, json!({ "turn": "two", "heard": "先" }));
    at_a.send(&json!({ "type": "spoken", "turn": "one", "sentence": 2 })).await;
    at_a.settle().await;
    let heard: Vec<_> =
        b.exchanges(&session).await.iter().map(|exchange| exchange["heard"].clone()).collect();
    assert_eq!(heard, ["先深", "先"]);
}

#[tokio::test]
async fn a_persona_chosen_elsewhere_is_shown_as_much_as_it_wants() {
    let place = Place::on(RedisServer::shared());
    let model = answering("demo", "好。");
    let a = place.start(vec![model.clone()]).await;
    let b = place.start(vec![answering("demo", "好。")]).await;
    let (mut at_a, session) = Client::join(&a, "").await;
    for turn in ["one", "two", "three", "four"] {
        at_a.ask(turn, turn).await;
    }
    let (mut at_b, _) = Client::join(&b, &session).await;
    at_b.send(&json!({ "type": "switch", "persona": "companion" })).await;
    at_b.next_of_type("switched").await;
    at_a.ask("five", "five").await;
    let shown = conversation(model.requests().last().unwrap());
    assert_eq!(shown.len(), 9, "{shown:?}");
}

#[tokio::test]
async fn a_turn_that_runs_at_one_process_is_not_answered_by_the_other() {
    let place = Place::on(RedisServer::shared());
    let (puppet, mut hand) = Puppet::new("demo");
    let model_b = answering("demo", ANSWER);
    let (a, b) = (place.start(vec![puppet]).await, place.start(vec![model_b.clone()]).await);
    let (mut at_a, session) = Client::join(&a, "").await;
    at_a.say("one", "你好").await;
    let asked = hand.admitted().await;
    at_a.next_of_turn("one", "accepted").await;
    let (mut at_b, _) = Client::join(&b, &session).await;
    // Longer than a lease: it is renewed.
    for _ in 0..6 {
        at_b.say("one", "你好").await;
        let refused = at_b.error("turn_running_elsewhere").await;
        assert!(refused["retry_after_ms"].as_u64().unwrap() <= 1000, "{refused}");
        sleep(Duration::from_millis(LEASE_MS / 4)).await;
    }
    let path = format!("/v1/sessions/{session}/turns");
    let refused = b.post(&path, &json!({ "turn": "one", "text": "你好" })).await;
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(error(refused, StatusCode::CONFLICT).await["code"], "turn_running_elsewhere");
    asked.say("你好呀。");
    asked.finish();
    assert_eq!(at_a.next_of_turn("one", "finished").await["text"], "你好呀。");
    let told = at_b.ask("one", "你好").await;
    assert_eq!((&told.frames[0]["replay"], told.finished("complete")), (&json!(true), "你好呀。"));
    assert!(model_b.requests().is_empty());
}

#[tokio::test]
async fn a_turn_sent_to_both_at_once_is_answered_once() {
    let place = Place::on(RedisServer::shared());
    let models = [answering("demo", ANSWER), answering("demo", ANSWER)];
    let apps =
        [place.start(vec![models[0].clone()]).await, place.start(vec![models[1].clone()]).await];
    for round in 0..5 {
        let session = apps[round % 2].session().await;
        let path = format!("/v1/sessions/{session}/turns");
        let call = json!({ "turn": "one", "text": "你好" });
        let answers = join_all((0..8).map(|number| apps[number % 2].post(&path, &call))).await;
        for answer in answers {
            match answer.status() {
                StatusCode::OK => {
                    let told = body(answer, StatusCode::OK).await;
                    assert_eq!(told["text"], SENTENCES.concat());
                }
                status => assert_eq!(status, StatusCode::CONFLICT),
            }
        }
        assert_eq!(models[0].requests().len() + models[1].requests().len(), round + 1);
        assert_eq!(kept(&apps[0], &session).await, [finished("one", &SENTENCES.concat())]);
    }
}

#[tokio::test]
async fn a_new_turn_at_one_process_interrupts_the_other() {
    let place = Place::on(RedisServer::shared());
    let model_a = hanging("demo");
    let model_b = answering("demo", "好的。");
    let (a, b) =
        (place.start(vec![model_a.clone()]).await, place.start(vec![model_b.clone()]).await);
    let (mut at_a, session) = Client::join(&a, "").await;
    at_a.say("one", "讲个故事").await;
    at_a.sentences("one", 2).await;
    let (mut at_b, _) = Client::join(&b, &session).await;
    at_b.ask("two", "别讲了").await.finished("complete");
    // It learns it with its next sign of life.
    let told = at_a.turn("one").await;
    assert_eq!(told.finished("interrupted"), SENTENCES[..2].concat());
    eventually("the model stops", || model_a.running() == 0).await;
    // What it hears of that turn now changes nothing, and breaks nothing.
    at_a.send(&json!({ "type": "spoken", "turn": "one", "sentence": 0 })).await;
    at_a.send(&json!({ "type": "interrupt", "heard": "先" })).await;
    at_a.next_of_type("heard").await;
    let incomplete = (json!("one"), json!("incomplete"), Value::Null);
    assert_eq!(kept(&a, &session).await, [incomplete, finished("two", "好的。")]);
    at_b.ask("three", "继续").await.finished("complete");
    let shown = [user("别讲了"), assistant("[neutral]好的。"), user("继续")];
    assert_eq!(conversation(&model_b.requests()[1]), shown);
}

#[tokio::test]
async fn a_turn_that_ends_after_another_process_took_over_is_not_stored() {
    let place = Place::on(RedisServer::shared());
    let (puppet, mut hand) = Puppet::new("demo");
    let (a, b) =
        (place.start(vec![puppet]).await, place.start(vec![answering("demo", "好。")]).await);
    let (mut at_a, session) = Client::join(&a, "").await;
    at_a.say("one", "讲个故事").await;
    let asked = hand.admitted().await;
    at_a.next_of_turn("one", "accepted").await;
    let (mut at_b, _) = Client::join(&b, &session).await;
    at_b.ask("two", "别讲了").await.finished("complete");
    asked.say("从前有座山。");
    asked.finish();
    at_a.next_of_turn("one", "finished").await;
    let incomplete = (json!("one"), json!("incomplete"), Value::Null);
    assert_eq!(kept(&b, &session).await, [incomplete, finished("two", "好。")]);
}

#[tokio::test]
async fn a_turn_of_a_process_that_died_is_taken_by_another_in_its_old_position() {
    let place = Place::on(RedisServer::shared());
    // A process of its own as far as that can be: its runtime ends without a word.
    let runtime = runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let its_place = place.clone();
    let (_dead, session) = runtime
        .spawn(async move {
            let app = its_place.start(vec![hanging("demo")]).await;
            let (mut client, session) = Client::join(&app, "").await;
            client.say("one", "你好").await;
            client.sentences("one", 2).await;
            (app, session)
        })
        .await
        .unwrap();
    runtime.shutdown_background();
    let b = place.start(vec![answering("demo", "好。")]).await;
    let (mut client, _) = Client::join(&b, &session).await;
    let begun = Instant::now();
    loop {
        client.say("one", "你好").await;
        let frame = client.next_that(|frame| frame["turn"] == "one").await;
        if frame["type"] == "accepted" {
            break;
        }
        assert_eq!(frame["code"], "turn_running_elsewhere", "{frame}");
        assert!(begun.elapsed() < PATIENCE, "its lease does not run out");
        sleep(Duration::from_millis(frame["retry_after_ms"].as_u64().unwrap())).await;
    }
    client.next_of_turn("one", "finished").await;
    assert_eq!(kept(&b, &session).await, [finished("one", "好。")]);
}

#[tokio::test]
async fn a_turn_costs_the_service_two_calls_of_redis() {
    let server = RedisServer::start(&[]);
    let place = Place::on(&server);
    let app = TestApp::start_with(vec![answering("demo", ANSWER)], |settings| {
        place.settle(settings);
        // No turn takes so long that it is renewed.
        settings.history.redis.lease_ms = 120_000;
    })
    .await;
    let (mut client, _) = Client::join(&app, "").await;
    client.ask("one", "你好").await;
    server.command("CONFIG RESETSTAT");
    for turn in ["two", "three", "four"] {
        client.ask(turn, "你好").await.finished("complete");
    }
    assert_eq!((server.calls("evalsha"), server.calls("eval"), server.calls("hmget")), (6, 0, 6));
}

#[tokio::test]
async fn sixteen_sessions_talk_to_two_processes_at_once() {
    let place = Place::on(RedisServer::shared());
    let apps = [
        place.start(vec![answering("demo", ANSWER)]).await,
        place.start(vec![answering("demo", ANSWER)]).await,
    ];
    join_all((0..16).map(async |number| {
        let session = apps[number % 2].session().await;
        let path = format!("/v1/sessions/{session}/turns");
        for turn in 0..6 {
            let call = json!({ "turn": format!("turn{turn}"), "text": "你好" });
            let answer = apps[(number + turn) % 2].post(&path, &call).await;
            body(answer, StatusCode::OK).await;
        }
        let expected: Vec<_> =
            (0..6).map(|turn| finished(&format!("turn{turn}"), &SENTENCES.concat())).collect();
        assert_eq!(kept(&apps[number % 2], &session).await, expected);
    }))
    .await;
}
