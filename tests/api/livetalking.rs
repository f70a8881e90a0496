//! Sessions that are spoken by `LiveTalking`, of which the test plays the part.

mod stage;
mod troubles;

use std::time::Duration;

use anima_provider::{Script, Step};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    access::guarded_by_tenants,
    client::Client,
    helpers::{TestApp, error, eventually, json as body},
    providers::{
        ANSWER, SENTENCES, answering, assistant, conversation, half_an_answer, hanging, playing,
        user,
    },
};
use stage::{AVATAR, Mood, Stage, attach, heard, path, said};

/// A client in a session that an avatar speaks for.
async fn spoken(app: &TestApp) -> (Client, String) {
    let (client, session) = Client::join(app, "").await;
    let expected = json!({ "sessionid": AVATAR, "reachable": true, "acknowledges": true });
    assert_eq!(attach(app, &session).await, expected);
    (client, session)
}

/// The same, once it has been given an answer of which the avatar has played the first sentence.
async fn one_sentence_played(app: &TestApp, stage: &Stage) -> (Client, String) {
    let (mut client, session) = spoken(app).await;
    client.ask("one", "如何应对压力").await;
    stage.called(3).await;
    stage.play_whole(SENTENCES[0]);
    heard(app, &session, SENTENCES[0]).await;
    (client, session)
}

#[tokio::test]
async fn sentences_are_said_in_their_order_and_heard_as_far_as_they_are_played() {
    let stage = Stage::start();
    let model = playing("far", [Script::saying([ANSWER]), Script::saying(["好。"])]);
    let settings = stage
        .settings_with(&json!({ "tts": { "ref_file": "anna" }, "emotions": { "calm": "gentle" } }));
    let app = TestApp::start_with(vec![model.clone()], settings).await;
    let (mut client, session) = spoken(&app).await;
    let told = client.ask("one", "如何应对压力").await;
    assert_eq!(told.end()["heard"], "", "nothing was played yet");
    let calls = stage.called(3).await;
    assert_eq!(said(&calls), SENTENCES);
    let mut first = calls[0].1.clone();
    assert!(first["tts"].as_object_mut().unwrap().remove("anima").unwrap().is_u64());
    let expected = json!({ "sessionid": AVATAR, "type": "echo", "text": SENTENCES[0],
        "interrupt": true, "tts": { "ref_file": "anna", "emotion": "gentle" } });
    assert_eq!(first, expected);
    assert!(calls[1..].iter().all(|(_, body)| body.get("interrupt").is_none()), "{calls:?}");
    stage.play_whole(SENTENCES[0]);
    stage.play("start", SENTENCES[1]);
    heard(&app, &session, SENTENCES[0]).await;
    // The person goes on before the avatar has finished: it stops.
    client.ask("two", "谢谢").await;
    let calls = stage.called(5).await;
    assert_eq!(calls[3], ("/interrupt_talk".to_owned(), json!({ "sessionid": AVATAR })));
    assert_eq!(said(&calls[4..]), ["好。"]);
    let shown = [user("如何应对压力"), assistant("[calm]先深呼吸，"), user("谢谢")];
    assert_eq!(conversation(&model.requests()[1]), shown);
    stage.play_whole("好。");
    heard(&app, &session, "好。").await;
}

#[tokio::test]
async fn an_interruption_in_mid_sentence_silences_the_avatar_and_nothing_more_is_said() {
    let stage = Stage::start();
    let model = playing("far", [half_an_answer().then(Step::Hang), Script::saying([ANSWER])]);
    let app = TestApp::start_with(vec![model], stage.settings()).await;
    let (mut client, session) = spoken(&app).await;
    client.say("one", "如何应对压力").await;
    stage.called(2).await;
    stage.play_whole(SENTENCES[0]);
    stage.play("start", SENTENCES[1]);
    client.next_of_type("accepted").await;
    // What was heard of a turn that runs is told to nobody: no moment shows that it is known.
    tokio::time::sleep(Duration::from_millis(300)).await;
    client.send(&json!({ "type": "interrupt", "turn": "one" })).await;
    assert_eq!(client.next_of_type("heard").await["text"], SENTENCES[0]);
    assert_eq!(stage.called(3).await[2].0, "/interrupt_talk");
    // Some ways of making speech tell an end all the same.
    stage.play("end", SENTENCES[1]);
    client.ask("two", "再说一遍").await;
    stage.called(6).await;
    assert_eq!(app.exchanges(&session).await[0]["heard"], SENTENCES[0]);
    // The sentences are the same ones, and only the new ones count.
    stage.play_whole(SENTENCES[0]);
    heard(&app, &session, SENTENCES[0]).await;
}

#[tokio::test]
async fn an_answer_that_has_finished_and_is_still_being_said_is_cut() {
    let stage = Stage::start();
    let app = TestApp::start_with(vec![answering("far", ANSWER)], stage.settings()).await;
    let (mut client, session) = one_sentence_played(&app, &stage).await;
    let interrupt = format!("/v1/sessions/{session}/interrupt");
    let told = body(app.post(&interrupt, &json!({})).await, StatusCode::OK).await;
    assert_eq!(told["heard"], SENTENCES[0]);
    assert_eq!(stage.called(4).await[3].0, "/interrupt_talk");
    assert_eq!(app.exchanges(&session).await[0]["reason"], "complete");
    // Once is enough.
    body(app.post(&interrupt, &json!({})).await, StatusCode::OK).await;
    stage.called(4).await;
    // What was said to its end needs no interruption, and one begins the next answer in any case.
    client.ask("two", "再说一遍").await;
    stage.called(7).await;
    stage.play_whole(SENTENCES[2]);
    heard(&app, &session, &SENTENCES.concat()).await;
    client.ask("three", "再说一遍").await;
    assert_eq!(stage.called(10).await[7].1["interrupt"], true);
    // Forgetting what was said is an interruption, too.
    let history = format!("/v1/sessions/{session}/history");
    let forgotten = app.request(Method::DELETE, &history).send().await.unwrap();
    assert_eq!(forgotten.status(), StatusCode::NO_CONTENT);
    assert_eq!(stage.called(11).await[10].0, "/interrupt_talk");
}

#[tokio::test]
async fn nothing_of_an_old_answer_is_sent_after_a_new_turn_however_slow_the_server() {
    let stage = Stage::start();
    stage.be(Mood::Slow(Duration::from_millis(150)));
    let model = playing("far", [Script::saying([ANSWER]), Script::saying(["好。"])]);
    let app = TestApp::start_with(vec![model], stage.settings()).await;
    let (mut client, _) = spoken(&app).await;
    client.ask("one", "如何应对压力").await;
    stage.says(SENTENCES[0]).await;
    client.ask("two", "谢谢").await;
    stage.says("好。").await;
    let calls = stage.calls();
    assert_eq!(said(&calls), [SENTENCES[0], "好。"]);
    // At once, and again after the sentence that was on its way.
    let paths: Vec<_> = calls.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["/human", "/interrupt_talk", "/interrupt_talk", "/human"]);
}

#[tokio::test]
async fn what_is_told_again_is_not_said_again() {
    let stage = Stage::start();
    let app = TestApp::start_with(vec![answering("far", ANSWER)], stage.settings()).await;
    let (mut client, session) = spoken(&app).await;
    let say = json!({ "type": "say", "turn": "one", "text": "如何应对压力" });
    client.send(&say).await;
    client.turn("one").await;
    stage.called(3).await;
    assert_eq!(client.ask_again(&say).await.frames[0]["replay"], true);
    stage.called(3).await;
    stage.play_whole(SENTENCES[2]);
    heard(&app, &session, &SENTENCES.concat()).await;
}

#[tokio::test]
async fn an_avatar_is_let_go_with_its_session_and_falls_silent() {
    let stage = Stage::start();
    let app = TestApp::start_with(vec![hanging("far")], stage.settings()).await;
    let (mut client, session) = spoken(&app).await;
    client.say("one", "如何应对压力").await;
    stage.called(2).await;
    let let_go = app.request(Method::DELETE, &path(&session)).send().await.unwrap();
    assert_eq!(let_go.status(), StatusCode::NO_CONTENT);
    assert_eq!(stage.called(3).await[2].0, "/interrupt_talk");
    eventually("nobody listens", || stage.listeners() == 0).await;
    for method in [Method::GET, Method::DELETE] {
        let none = app.request(method, &path(&session)).send().await.unwrap();
        assert_eq!(error(none, StatusCode::NOT_FOUND).await["code"], "avatar_not_found");
    }
    client.leave().await;
    let (client, session) = spoken(&app).await;
    client.leave().await;
    app.post(
        &format!("/v1/sessions/{session}/turns"),
        &json!({ "purpose": "speak", "text": "好" }),
    )
    .await;
    stage.called(4).await;
    let sessions = format!("/v1/sessions/{session}");
    let deleted = app.request(Method::DELETE, &sessions).send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(stage.called(5).await[4].0, "/interrupt_talk");
    eventually("nobody listens", || stage.listeners() == 0).await;
    let gone = app.request(Method::GET, &sessions).send().await.unwrap();
    error(gone, StatusCode::NOT_FOUND).await;
    let history = app.request(Method::GET, &format!("{sessions}/history")).send().await.unwrap();
    error(history, StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn who_can_have_no_avatar_is_told_why() {
    let stage = Stage::start();
    let settings = stage.settings_with(&json!({ "max_sessions": 1 }));
    let app = TestApp::start_with(vec![answering("far", "好。")], settings).await;
    let session = app.session().await;
    let put = async |session: &str, body: &Value, status| {
        let request = app.request(Method::PUT, &path(session)).json(body);
        error(request.send().await.unwrap(), status).await["code"].clone()
    };
    let bad = StatusCode::BAD_REQUEST;
    for (call, code) in [
        (json!({ "sessionid": "nobody" }), "avatar_not_found"),
        (json!({ "sessionid": "" }), "invalid_value"),
        (json!({ "sessionid": "a b" }), "invalid_value"),
        (json!({ "sessionid": "x".repeat(129) }), "invalid_value"),
        (json!({ "sessionid": 7 }), "invalid_type"),
        (json!({}), "invalid_type"),
        (json!({ "sessionid": AVATAR, "url": "http://elsewhere" }), "invalid_type"),
    ] {
        assert_eq!(put(&session, &call, bad).await, code, "{call}");
    }
    let call = json!({ "sessionid": AVATAR });
    assert_eq!(put("unknown", &call, StatusCode::NOT_FOUND).await, "session_not_found");
    attach(&app, &session).await;
    // The same one once more changes nothing, and another session of the same tenant takes it over.
    attach(&app, &session).await;
    assert_eq!(stage.listeners(), 1);
    let other = app.session().await;
    attach(&app, &other).await;
    error(app.request(Method::GET, &path(&session)).send().await.unwrap(), StatusCode::NOT_FOUND)
        .await;
    eventually("one listens", || stage.listeners() == 1).await;
    let nobody = json!({ "sessionid": "another" });
    let full = put(&session, &nobody, StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(full, "overloaded");
    let off = TestApp::start(vec![answering("far", "好。")]).await;
    let session = off.session().await;
    let refused = off.request(Method::PUT, &path(&session)).json(&call).send().await.unwrap();
    let refused = error(refused, StatusCode::NOT_FOUND).await;
    assert!(refused["message"].as_str().unwrap().contains("avatars.livetalking"), "{refused}");
}

#[tokio::test]
async fn tenants_drive_neither_the_sessions_nor_the_avatars_of_others() {
    let stage = Stage::start();
    let service = guarded_by_tenants(stage.settings()).await;
    let (museum, bank) = (service.session("museum").await, service.session("bank").await);
    let ask = async |tenant: &str, method: Method, session: &str| {
        let request = service.request(tenant, method, &path(session));
        request.json(&json!({ "sessionid": AVATAR })).send().await.unwrap()
    };
    body(ask("museum", Method::PUT, &museum).await, StatusCode::OK).await;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let name = method.to_string();
        let refused = ask("bank", method, &museum).await;
        assert_eq!(refused.status(), StatusCode::NOT_FOUND, "{name}");
    }
    let taken = error(ask("bank", Method::PUT, &bank).await, StatusCode::CONFLICT).await;
    assert_eq!(taken["code"], "avatar_taken");
    body(ask("museum", Method::GET, &museum).await, StatusCode::OK).await;
}
