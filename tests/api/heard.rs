//! What was heard of an answer, and what the model is shown of it.

use anima_provider::{Script, Step};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    client::Client,
    helpers::{TestApp, eventually, json as body},
    providers::{
        ANSWER, Puppet, SENTENCES, answering, assistant, conversation, half_an_answer, hanging,
        playing, user,
    },
};

/// A client that acknowledges what it has played.
async fn acknowledging(app: &TestApp) -> (Client, String) {
    let (client, welcome) = Client::hello(app, &json!({ "playback": "acknowledged" })).await;
    (client, welcome["session"].as_str().unwrap().to_owned())
}

async fn interrupt(client: &mut Client, fields: &Value) -> String {
    let mut frame = json!({ "type": "interrupt" });
    frame.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    client.send(&frame).await;
    client.next_of_type("heard").await["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn without_acknowledgements_what_was_sent_was_heard() {
    let model = playing("demo", [half_an_answer().then(Step::Hang), Script::saying(["好。"])]);
    let app = TestApp::start(vec![model.clone()]).await;
    let (mut client, _) = Client::join(&app, "").await;
    client.say("one", "你好").await;
    client.sentences("one", 2).await;
    assert_eq!(interrupt(&mut client, &json!({})).await, SENTENCES[..2].concat());
    client.ask("two", "然后呢").await;
    let shown = [user("你好"), assistant("[calm]先深呼吸，把大事拆成小步。"), user("然后呢")];
    assert_eq!(conversation(&model.requests()[1]), shown);
}

#[tokio::test]
async fn with_acknowledgements_only_what_was_played_was_heard() {
    let model = playing("demo", [half_an_answer().then(Step::Hang), Script::saying(["好。"])]);
    let app = TestApp::start(vec![model.clone()]).await;
    let (mut client, session) = acknowledging(&app).await;
    client.say("one", "你好").await;
    client.sentences("one", 2).await;
    client.send(&json!({ "type": "spoken", "turn": "one", "sentence": 0 })).await;
    assert_eq!(interrupt(&mut client, &json!({})).await, SENTENCES[0]);
    let told = client.turn("one").await;
    assert_eq!(told.finished("interrupted"), SENTENCES[..2].concat());
    assert_eq!(told.end()["heard"], SENTENCES[0]);
    assert_eq!(app.exchanges(&session).await[0]["heard"], SENTENCES[0]);
    client.ask("two", "然后呢").await;
    let shown = [user("你好"), assistant("[calm]先深呼吸，"), user("然后呢")];
    assert_eq!(conversation(&model.requests()[1]), shown);
}

#[tokio::test]
async fn where_nothing_was_heard_the_prompt_skips_the_answer() {
    let model = playing("demo", [half_an_answer().then(Step::Hang), Script::saying(["好。"])]);
    let app = TestApp::start(vec![model.clone()]).await;
    let (mut client, session) = acknowledging(&app).await;
    client.say("one", "你好").await;
    client.sentences("one", 2).await;
    // The next turn is the interruption.
    client.ask("two", "等等").await;
    assert_eq!(client.turn("one").await.end()["heard"], "");
    assert_eq!(conversation(&model.requests()[1]), [user("你好\n等等")]);
    let exchange = &app.exchanges(&session).await[0];
    assert_eq!(
        (&exchange["heard"], &exchange["text"]),
        (&json!(""), &json!(SENTENCES[..2].concat()))
    );
}

#[tokio::test]
async fn the_text_heard_counts_as_far_as_it_was_said() {
    let app = TestApp::start(vec![hanging("demo")]).await;
    for (heard, counts) in [
        ("先深呼吸，把大事", "先深呼吸，把大事"),
        ("先深呼吸。把", "先深呼吸"),
        ("先深呼吸，把大事拆成小步。累了就休息", "先深呼吸，把大事拆成小步。"),
        ("完全是别的", ""),
        ("", ""),
    ] {
        let (mut client, _) = Client::join(&app, "").await;
        client.say("one", "你好").await;
        client.sentences("one", 2).await;
        assert_eq!(interrupt(&mut client, &json!({ "heard": heard })).await, counts, "{heard}");
        assert_eq!(client.turn("one").await.end()["heard"], counts, "{heard}");
    }
}

#[tokio::test]
async fn a_turn_can_say_what_was_heard_of_the_one_before() {
    let model = playing("demo", [half_an_answer().then(Step::Hang), Script::saying(["好。"])]);
    let app = TestApp::start(vec![model.clone()]).await;
    let (mut client, _) = Client::join(&app, "").await;
    client.say("one", "你好").await;
    client.sentences("one", 2).await;
    client
        .send(&json!({ "type": "say", "turn": "two", "text": "停", "heard": "先深呼吸，把" }))
        .await;
    client.turn("two").await;
    assert_eq!(client.turn("one").await.end()["heard"], "先深呼吸，把");
    let shown = [user("你好"), assistant("[calm]先深呼吸，把"), user("停")];
    assert_eq!(conversation(&model.requests()[1]), shown);
}

#[tokio::test]
async fn text_outruns_speech_and_a_finished_turn_can_still_be_interrupted() {
    let model = answering("demo", ANSWER);
    let app = TestApp::start(vec![model.clone()]).await;
    let (mut client, session) = acknowledging(&app).await;
    let told = client.ask("one", "你好").await;
    assert_eq!(told.end()["heard"], "", "nothing was played yet");
    client.send(&json!({ "type": "spoken", "turn": "one", "sentence": 1 })).await;
    client.settle().await;
    assert_eq!(app.exchanges(&session).await[0]["heard"], SENTENCES[..2].concat());
    assert_eq!(interrupt(&mut client, &json!({ "turn": "one", "heard": "先深" })).await, "先深");
    assert_eq!(app.exchanges(&session).await[0]["heard"], "先深");
    client.ask("two", "然后呢").await;
    let shown = [user("你好"), assistant("[calm]先深"), user("然后呢")];
    assert_eq!(conversation(&model.requests()[1]), shown);
}

#[tokio::test]
async fn what_is_told_once_the_next_prompt_is_built_is_ignored() {
    let model = answering("demo", ANSWER);
    let app = TestApp::start(vec![model.clone()]).await;
    let (mut client, session) = acknowledging(&app).await;
    client.ask("one", "你好").await;
    client.send(&json!({ "type": "spoken", "turn": "one", "sentence": 0 })).await;
    client.ask("two", "然后呢").await;
    client.send(&json!({ "type": "spoken", "turn": "one", "sentence": 2 })).await;
    assert_eq!(
        interrupt(&mut client, &json!({ "turn": "one", "heard": "先深呼" })).await,
        SENTENCES[0]
    );
    assert_eq!(app.exchanges(&session).await[0]["heard"], SENTENCES[0]);
}

#[tokio::test]
async fn acknowledgements_only_rise_and_stop_at_what_was_released() {
    let app = TestApp::start(vec![hanging("demo")]).await;
    let (mut client, _) = acknowledging(&app).await;
    client.say("one", "你好").await;
    client.sentences("one", 2).await;
    for sentence in [1, 0] {
        client.send(&json!({ "type": "spoken", "turn": "one", "sentence": sentence })).await;
    }
    assert_eq!(interrupt(&mut client, &json!({})).await, SENTENCES[..2].concat());
    let (mut client, _) = acknowledging(&app).await;
    client.say("one", "你好").await;
    client.sentences("one", 2).await;
    client.send(&json!({ "type": "spoken", "turn": "one", "sentence": 4_000_000_000_u32 })).await;
    assert_eq!(interrupt(&mut client, &json!({})).await, SENTENCES[..2].concat());
}

#[tokio::test]
async fn what_was_heard_is_told_after_a_restart_as_well() {
    let app = TestApp::start(vec![answering("demo", ANSWER)]).await;
    let mut sessions = Vec::new();
    for _ in 0..5 {
        let (mut client, session) = acknowledging(&app).await;
        client.ask("zero", "在吗").await;
        client.ask("one", "你好").await;
        client.send(&json!({ "type": "spoken", "turn": "one", "sentence": 0 })).await;
        client.settle().await;
        sessions.push(session);
    }
    let model = answering("demo", ANSWER);
    let app = TestApp::start_in(app.stop().await, vec![model.clone()]).await;
    let two = json!({ "type": "say", "turn": "two", "text": "然后呢", "turns": 1 });
    for (frames, heard) in [
        (
            vec![json!({ "type": "spoken", "turn": "one", "sentence": 1 })],
            &*SENTENCES[..2].concat(),
        ),
        (vec![json!({ "type": "interrupt", "heard": "先深吸" })], "先深"),
        (vec![json!({ "type": "interrupt", "turn": "one", "heard": "先" })], "先"),
        // An older turn is not changed, and the newest stays as it was.
        (vec![json!({ "type": "interrupt", "turn": "zero", "heard": "先" })], SENTENCES[0]),
        (vec![], SENTENCES[0]),
    ] {
        let hello = json!({ "session": sessions.pop().unwrap(), "playback": "acknowledged" });
        let (mut client, _) = Client::hello(&app, &hello).await;
        for frame in frames {
            client.send(&frame).await;
        }
        client.settle().await;
        client.left_over();
        client.send(&two).await;
        client.turn("two").await;
        let shown = [user("你好"), assistant(&format!("[calm]{heard}")), user("然后呢")];
        assert_eq!(conversation(model.requests().last().unwrap()), shown);
    }
}

#[tokio::test]
async fn a_turn_can_say_what_was_heard_before_the_service_was_started_again() {
    let app = TestApp::start(vec![answering("demo", ANSWER)]).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.ask("one", "你好").await;
    let model = answering("demo", ANSWER);
    let app = TestApp::start_in(app.stop().await, vec![model.clone()]).await;
    let (mut client, _) = Client::join(&app, &session).await;
    let two = json!({ "type": "say", "turn": "two", "text": "停", "heard": "先深呼吸，把" });
    client.send(&two).await;
    client.turn("two").await;
    let shown = [user("你好"), assistant("[calm]先深呼吸，把"), user("停")];
    assert_eq!(conversation(&model.requests()[0]), shown);
    assert_eq!(app.exchanges(&session).await[0]["heard"], "先深呼吸，把");
}

#[tokio::test]
async fn what_was_heard_is_told_of_a_session_that_left_memory() {
    let app = TestApp::start_with(vec![answering("demo", ANSWER)], |settings| {
        settings.session.idle_seconds = 0;
    })
    .await;
    let (mut client, welcome) = Client::hello(&app, &json!({})).await;
    let session = welcome["session"].as_str().unwrap();
    client.ask("one", "你好").await;
    client.leave().await;
    let mut epoch = welcome["epoch"].clone();
    while epoch == welcome["epoch"] {
        let (client, again) = Client::hello(&app, &json!({ "session": session })).await;
        epoch = again["epoch"].clone();
        client.leave().await;
    }
    let path = format!("/v1/sessions/{session}/interrupt");
    let told = body(app.post(&path, &json!({ "heard": "先" })).await, StatusCode::OK).await;
    assert_eq!(told, json!({ "turn": "one", "heard": "先" }));
    assert_eq!(app.exchanges(session).await[0]["heard"], "先");
}

#[tokio::test]
async fn a_turn_told_again_tells_what_was_heard() {
    let app = TestApp::start(vec![answering("demo", ANSWER)]).await;
    let (mut client, _) = acknowledging(&app).await;
    client.ask("one", "你好").await;
    client.send(&json!({ "type": "spoken", "turn": "one", "sentence": 0 })).await;
    assert_eq!(client.ask("one", "你好").await.end()["heard"], SENTENCES[0]);
}

#[tokio::test]
async fn playback_is_that_of_the_socket_that_owns_the_session() {
    let (puppet, mut hand) = Puppet::new("demo");
    let app = TestApp::start(vec![puppet]).await;
    let (mut client, session) = acknowledging(&app).await;
    client.ask_puppet(&mut hand, "one").await;
    let (mut client, _) = Client::join(&app, &session).await;
    let told = client.ask_puppet(&mut hand, "two").await;
    assert!(told.end().get("heard").is_none());
    // One that only watches changes nothing.
    let watch = json!({ "session": session, "observe": true, "playback": "acknowledged" });
    let (_observer, _) = Client::hello(&app, &watch).await;
    let told = client.ask_puppet(&mut hand, "three").await;
    assert!(told.end().get("heard").is_none());
}

#[tokio::test]
async fn interrupt_works_without_a_socket() {
    let model = hanging("demo");
    let app = TestApp::start(vec![model.clone()]).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.say("one", "你好").await;
    client.sentences("one", 2).await;
    client.leave().await;
    assert_eq!(model.running(), 1, "a turn outlives its socket");
    let path = format!("/v1/sessions/{session}/interrupt");
    let told = body(app.post(&path, &json!({ "heard": "先" })).await, StatusCode::OK).await;
    assert_eq!(told, json!({ "turn": "one", "heard": "先" }));
    eventually("the model stops", || model.running() == 0).await;
    assert_eq!(app.exchanges(&session).await[0]["reason"], "interrupted");
}
