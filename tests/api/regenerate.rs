//! Answering the last exchange again.

use anima_provider::{Script, Step};
use serde_json::{Value, json};

use crate::{
    client::{Client, Told},
    helpers::{TestApp, once_each},
    providers::{
        Puppet, SENTENCES, answering, assistant, conversation, half_an_answer, playing,
        unavailable, user,
    },
};

async fn regenerate(client: &mut Client, turn: &str) -> Told {
    client.send(&json!({ "type": "regenerate", "turn": turn })).await;
    client.turn(turn).await
}

/// The turns and texts of a session.
async fn kept(app: &TestApp, session: &str) -> Vec<(Value, Value)> {
    let exchanges = app.exchanges(session).await;
    exchanges.iter().map(|exchange| (exchange["turn"].clone(), exchange["text"].clone())).collect()
}

#[tokio::test]
async fn the_old_answer_stands_until_the_new_one_has_finished() {
    let (puppet, mut hand) = Puppet::new("demo");
    let app = TestApp::start(vec![puppet]).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.ask_puppet(&mut hand, "one").await;
    client.send(&json!({ "type": "regenerate", "turn": "again" })).await;
    let asked = hand.admitted().await;
    assert_eq!(conversation(&asked.request), [user("你好")], "the old answer is not shown");
    asked.say("新的回答来了。第");
    client.sentences("again", 1).await;
    assert_eq!(kept(&app, &session).await, [(json!("one"), json!("好的。"))]);
    asked.say("二句。");
    asked.finish();
    let text = client.turn("again").await.finished("complete").to_owned();
    assert_eq!(text, "新的回答来了。第二句。");
    assert_eq!(kept(&app, &session).await, [(json!("again"), json!(text))]);
}

#[tokio::test]
async fn the_next_turn_is_shown_the_new_answer() {
    let scripts = ["一。", "二。", "三。", "四。"].map(|text| Script::saying([text]));
    let model = playing("demo", scripts);
    let app = TestApp::start(vec![model.clone()]).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.ask("one", "问一").await;
    client.ask("two", "问二").await;
    regenerate(&mut client, "three").await.finished("complete");
    client.ask("four", "问四").await;
    let requests = model.requests();
    assert_eq!(conversation(&requests[2]), conversation(&requests[1]));
    let shown = [
        user("问一"),
        assistant("[neutral]一。"),
        user("问二"),
        assistant("[neutral]三。"),
        user("问四"),
    ];
    assert_eq!(conversation(&requests[3]), shown);
    let order: Vec<_> = kept(&app, &session).await.into_iter().map(|(turn, _)| turn).collect();
    assert_eq!(order, ["one", "three", "four"]);
}

#[tokio::test]
async fn a_failed_regenerate_leaves_the_old_answer_and_runs_again() {
    let failing = || Script::admitted().then(Step::Fail(unavailable()));
    let half = half_an_answer().then(Step::Fail(unavailable()));
    let scripts = [Script::saying(["旧。"]), failing(), half, Script::saying(["新。"])];
    let app = TestApp::start_with(vec![playing("demo", scripts)], once_each).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.ask("one", "问").await;
    for _ in 0..2 {
        assert_eq!(regenerate(&mut client, "again").await.failed(), "provider_unavailable");
        assert_eq!(kept(&app, &session).await, [(json!("one"), json!("旧。"))]);
    }
    regenerate(&mut client, "again").await.finished("complete");
    assert_eq!(kept(&app, &session).await, [(json!("again"), json!("新。"))]);
    // Once it has finished it is told again.
    assert_eq!(regenerate(&mut client, "again").await.frames[0]["replay"], true);
}

#[tokio::test]
async fn a_regenerate_that_was_interrupted_replaces_what_it_said() {
    let silent = Script::admitted().text("还").then(Step::Hang);
    let scripts = [Script::saying(["旧。"]), silent, half_an_answer().then(Step::Hang)];
    let app = TestApp::start(vec![playing("demo", scripts)]).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.ask("one", "问").await;
    client.send(&json!({ "type": "regenerate", "turn": "two" })).await;
    client.next_that(|frame| frame["type"] == "accepted" && frame["turn"] == "two").await;
    client.send(&json!({ "type": "interrupt" })).await;
    client.next_of_turn("two", "finished").await;
    assert_eq!(kept(&app, &session).await, [(json!("one"), json!("旧。"))], "it said nothing");
    client.send(&json!({ "type": "regenerate", "turn": "three" })).await;
    client.sentences("three", 2).await;
    client.send(&json!({ "type": "interrupt" })).await;
    let text = client.turn("three").await.finished("interrupted").to_owned();
    assert_eq!(text, SENTENCES[..2].concat());
    assert_eq!(kept(&app, &session).await, [(json!("three"), json!(text))]);
}

#[tokio::test]
async fn a_running_turn_is_interrupted_and_answered_again() {
    let scripts = [half_an_answer().then(Step::Hang), Script::saying(["新。"])];
    let model = playing("demo", scripts);
    let app = TestApp::start(vec![model.clone()]).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.say("one", "问").await;
    client.sentences("one", 2).await;
    client.send(&json!({ "type": "regenerate", "turn": "two" })).await;
    client.turn("one").await.finished("interrupted");
    client.turn("two").await.finished("complete");
    assert_eq!(conversation(&model.requests()[1]), [user("问")]);
    assert_eq!(kept(&app, &session).await, [(json!("two"), json!("新。"))]);
}

#[tokio::test]
async fn another_provider_can_answer_again() {
    let app = TestApp::start(vec![answering("demo", "一。"), answering("other", "二。")]).await;
    let (mut client, _) = Client::join(&app, "").await;
    client.ask("one", "问").await;
    client.send(&json!({ "type": "regenerate", "turn": "two", "provider": "other" })).await;
    let told = client.turn("two").await;
    assert_eq!(told.all("started")[0]["provider"], "other");
    assert_eq!(told.finished("complete"), "二。");
}

#[tokio::test]
async fn a_text_that_was_spoken_is_not_answered_again() {
    let app = TestApp::start(vec![answering("demo", "一。")]).await;
    let (mut client, _) = Client::join(&app, "").await;
    client.send(&json!({ "type": "speak", "turn": "one", "text": "欢迎。" })).await;
    client.turn("one").await;
    client.send(&json!({ "type": "regenerate" })).await;
    client.error("turn_not_found").await;
}
