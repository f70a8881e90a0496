//! One turn at a time: new ones, the same ones again, and how they stop.

use std::sync::{Arc, OnceLock};

use anima_provider::{FinishReason, ProviderError, ProviderEvent, Script, ScriptedProvider, Step};
use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    client::Client,
    helpers::{TestApp, eventually, json as body, once_each},
    providers::{
        ANSWER, Puppet, SENTENCES, answering, assistant, conversation, half_an_answer, hanging,
        playing, unavailable, user,
    },
};

#[tokio::test]
async fn a_second_turn_interrupts_the_first() {
    let model = hanging("demo");
    let app = TestApp::start(vec![model.clone()]).await;
    let (mut client, _) = Client::join(&app, "").await;
    client.say("one", "你好").await;
    client.sentences("one", 2).await;
    client.say("two", "等等").await;
    client.sentences("two", 2).await;
    let one = client.turn("one").await;
    assert_eq!(one.finished("interrupted"), SENTENCES[..2].concat());
    eventually("only the second is generated", || model.running() == 1).await;
    // The end of the first comes before the beginning of the second.
    let two = client.next_of_turn("two", "accepted").await;
    assert!(one.end()["seq"].as_u64() < two["seq"].as_u64());
}

#[tokio::test]
async fn a_barge_in_never_finds_the_one_before_in_its_place() {
    // A provider with a single place: asked while an answer is under way, it is at its limit.
    let place = Arc::new(OnceLock::<Arc<ScriptedProvider>>::new());
    let own = Arc::clone(&place);
    let model = ScriptedProvider::new("demo", move |_| match own.get().map(|own| own.running()) {
        Some(0) => Ok(half_an_answer().then(Step::Hang)),
        _ => Err(ProviderError::RateLimited { retry_after: None }),
    });
    let model = Arc::clone(place.get_or_init(|| Arc::new(model)));
    let app = TestApp::start(vec![model]).await;
    let (mut client, _) = Client::join(&app, "").await;
    for number in 0..50 {
        client.say(&format!("turn-{number}"), "等等").await;
    }
    client.sentences("turn-49", 2).await;
    for number in 0..49 {
        client.turn(&format!("turn-{number}")).await.finished("interrupted");
    }
}

#[tokio::test]
async fn a_turn_that_waits_says_how_many_are_before_it() {
    let waiting = |ahead| Step::Event(ProviderEvent::Queued { ahead });
    let admitted = Step::Event(ProviderEvent::Admitted { model: "busy".to_owned() });
    let script = Script::default().then(waiting(2)).then(waiting(1)).then(admitted);
    let script = script.text("轮到你了。").done(FinishReason::Stop);
    let app = TestApp::start(vec![playing("demo", [script])]).await;
    let (mut client, _) = Client::join(&app, "").await;
    let told = client.ask("one", "你好").await;
    let ahead: Vec<_> = told.all("queued").iter().map(|frame| frame["ahead"].clone()).collect();
    assert_eq!(ahead, [2, 1]);
    assert_eq!(told.kinds()[..4], ["accepted", "queued", "queued", "started"]);
}

#[tokio::test]
async fn a_turn_that_waits_can_be_interrupted() {
    let script =
        Script::default().then(Step::Event(ProviderEvent::Queued { ahead: 1 })).then(Step::Hang);
    let model = playing("demo", [script]);
    let app = TestApp::start(vec![model.clone()]).await;
    let (mut client, _) = Client::join(&app, "").await;
    client.say("one", "你好").await;
    client.next_that(|frame| frame["type"] == "accepted").await;
    client.next_of_turn("one", "queued").await;
    client.send(&json!({ "type": "interrupt" })).await;
    assert_eq!(client.next_of_turn("one", "finished").await["reason"], "interrupted");
    eventually("it leaves the queue", || model.running() == 0).await;
}

#[tokio::test]
async fn a_finished_turn_that_comes_again_is_told_again() {
    let model = answering("demo", ANSWER);
    let app = TestApp::start(vec![model.clone()]).await;
    let (mut client, session) = Client::join(&app, "").await;
    let first = client.ask("one", "你好").await;
    let again = client.ask("one", "你好").await;
    assert_eq!(again.frames[0]["replay"], true);
    assert_eq!(again.all("sentence").len(), 3);
    let without_seq = |frames: Vec<&Value>| -> Vec<Value> {
        let strip = |frame: &Value| {
            let mut frame = frame.clone();
            frame.as_object_mut().unwrap().remove("seq");
            frame
        };
        frames.into_iter().map(strip).collect()
    };
    for kind in ["sentence", "verdict", "finished"] {
        assert_eq!(without_seq(again.all(kind)), without_seq(first.all(kind)));
    }
    assert!(again.frames[0]["seq"].as_u64() > first.end()["seq"].as_u64());
    assert_eq!(model.requests().len(), 1);
    assert_eq!(app.exchanges(&session).await.len(), 1);
}

#[tokio::test]
async fn an_interrupted_turn_that_comes_again_is_told_again() {
    let model = hanging("demo");
    let app = TestApp::start(vec![model.clone()]).await;
    let (mut client, _) = Client::join(&app, "").await;
    client.say("one", "你好").await;
    client.sentences("one", 2).await;
    client.send(&json!({ "type": "interrupt", "heard": "先深" })).await;
    client.turn("one").await.finished("interrupted");
    let again = client.ask("one", "你好").await;
    assert_eq!(again.finished("interrupted"), SENTENCES[..2].concat());
    assert_eq!(again.end()["heard"], "先深");
    assert_eq!(model.requests().len(), 1);
}

#[tokio::test]
async fn an_id_that_belongs_to_other_content_is_a_conflict() {
    let model = answering("demo", ANSWER);
    let app = TestApp::start(vec![model.clone(), answering("other", "好。")]).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.ask("one", "你好").await;
    for other in [
        json!({ "type": "say", "turn": "one", "text": "您好" }),
        json!({ "type": "say", "turn": "one", "text": "你好", "provider": "other" }),
        json!({ "type": "say", "turn": "one", "text": "你好", "style": "chat" }),
        json!({ "type": "say", "turn": "one", "text": "你好", "turns": 0 }),
        json!({ "type": "say", "turn": "one", "text": "你好", "sampling": { "top_k": 1 } }),
        json!({ "type": "say", "turn": "one", "text": "你好", "knowledge": ["天是蓝的。"] }),
        json!({ "type": "speak", "turn": "one", "text": "你好" }),
        json!({ "type": "regenerate", "turn": "one" }),
    ] {
        client.send(&other).await;
        assert_eq!(client.error("turn_id_conflict").await["turn"], "one", "{other}");
    }
    assert_eq!(model.requests().len(), 1);
    assert_eq!(app.exchanges(&session).await.len(), 1);
    // An id belongs to its session.
    let (mut client, _) = Client::join(&app, "").await;
    assert!(client.ask("one", "您好").await.frames[0].get("replay").is_none());
}

#[tokio::test]
async fn a_conflict_interrupts_nothing() {
    let (puppet, mut hand) = Puppet::new("demo");
    let app = TestApp::start(vec![puppet]).await;
    let (mut client, _) = Client::join(&app, "").await;
    client.say("one", "你好").await;
    let asked = hand.admitted().await;
    client.say("one", "您好").await;
    client.next_that(|frame| frame["code"] == "turn_id_conflict").await;
    asked.say("我还在说。");
    asked.finish();
    assert_eq!(client.turn("one").await.finished("complete"), "我还在说。");
}

#[tokio::test]
async fn a_replay_interrupts_nothing() {
    let (puppet, mut hand) = Puppet::new("demo");
    let app = TestApp::start(vec![puppet]).await;
    let (mut client, _) = Client::join(&app, "").await;
    client.say("one", "你好").await;
    let asked = hand.admitted().await;
    asked.say("第一个回答。");
    asked.finish();
    client.turn("one").await;
    client.say("two", "还有呢").await;
    let asked = hand.admitted().await;
    assert_eq!(client.ask("one", "你好").await.frames[0]["replay"], true);
    asked.say("第二个回答。");
    asked.finish();
    assert_eq!(client.turn("two").await.finished("complete"), "第二个回答。");
}

#[tokio::test]
async fn a_running_turn_that_comes_again_is_joined() {
    let (puppet, mut hand) = Puppet::new("demo");
    let app = TestApp::start(vec![puppet]).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.say("one", "你好").await;
    let asked = hand.admitted().await;
    asked.say("第一句话在这里。第");
    client.sentences("one", 1).await;
    let accepted = client.next_of_turn("one", "accepted").await;
    // Its response begins once it has joined.
    let call = json!({ "turn": "one", "text": "你好", "stream": true });
    let response = app.post(&format!("/v1/sessions/{session}/turns"), &call).await;
    // The same socket joins, too: it is told the turn from its beginning.
    client.say("one", "你好").await;
    assert_eq!(client.next_of_turn("one", "accepted").await, accepted);
    asked.say("二句话。");
    asked.finish();
    let end = client.next_of_turn("one", "finished").await;
    assert_eq!(end["text"], "第一句话在这里。第二句话。");
    let events = response.text().await.unwrap();
    assert!(events.starts_with("event: accepted\n") && !events.contains("replay"), "{events}");
    assert!(events.contains(&format!("data: {end}\n")), "{events}");
    assert!(hand.is_idle());
}

#[tokio::test]
async fn a_turn_that_many_ask_for_at_once_is_answered_once() {
    let model = answering("demo", ANSWER);
    let app = TestApp::start(vec![model.clone()]).await;
    let session = app.session().await;
    let path = format!("/v1/sessions/{session}/turns");
    let call = json!({ "turn": "one", "text": "你好" });
    let answers = join_all((0..30).map(|_| app.post(&path, &call))).await;
    for answer in answers {
        assert_eq!(body(answer, StatusCode::OK).await["text"], SENTENCES.concat());
    }
    assert_eq!(model.requests().len(), 1);
    assert_eq!(app.exchanges(&session).await.len(), 1);
}

#[tokio::test]
async fn a_failed_turn_runs_again_in_its_old_position() {
    let scripts = [
        Script::saying(["一。"]),
        Script::admitted().then(Step::Fail(unavailable())),
        Script::saying(["三。"]),
        Script::saying(["二。"]),
    ];
    let model = playing("demo", scripts);
    let app = TestApp::start_with(vec![model.clone()], once_each).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.ask("one", "问一").await.finished("complete");
    let failed = client.ask("two", "问二").await;
    assert_eq!(failed.failed(), "provider_unavailable");
    assert!(failed.end()["retry_after_ms"].is_number());
    client.ask("three", "问三").await.finished("complete");
    let again = client.ask("two", "问二").await;
    assert!(again.frames[0].get("replay").is_none());
    assert_eq!(again.finished("complete"), "二。");
    let order: Vec<_> = app.exchanges(&session).await.iter().map(|e| e["turn"].clone()).collect();
    assert_eq!(order, ["one", "two", "three"]);
    // It is shown what came before it, and the third was not shown a question without an answer.
    let requests = model.requests();
    assert_eq!(
        conversation(&requests[2]),
        [user("问一"), assistant("[neutral]一。"), user("问三")]
    );
    assert_eq!(
        conversation(&requests[3]),
        [user("问一"), assistant("[neutral]一。"), user("问二")]
    );
}

#[tokio::test]
async fn interrupt_stops_the_turn_and_the_generation() {
    let model = hanging("demo");
    let app = TestApp::start(vec![model.clone()]).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.say("one", "你好").await;
    client.sentences("one", 2).await;
    assert_eq!(model.running(), 1);
    client.send(&json!({ "type": "interrupt", "turn": "one" })).await;
    let told = client.turn("one").await;
    assert_eq!(told.finished("interrupted"), SENTENCES[..2].concat());
    let heard = client.next().await;
    let expected = json!({ "type": "heard", "turn": "one", "text": SENTENCES[..2].concat() });
    assert_eq!(heard, expected);
    eventually("the model stops", || model.running() == 0).await;
    let exchange = &app.exchanges(&session).await[0];
    assert_eq!(
        (&exchange["state"], &exchange["reason"]),
        (&json!("finished"), &json!("interrupted"))
    );
}

#[tokio::test]
async fn an_interrupt_before_the_first_sentence_leaves_the_words() {
    let model = playing(
        "demo",
        [Script::admitted().text("还没").then(Step::Hang), Script::saying(["好。"])],
    );
    let app = TestApp::start(vec![model.clone()]).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.say("one", "第一个问题").await;
    client.next_that(|frame| frame["type"] == "accepted").await;
    eventually("the model is asked", || model.running() == 1).await;
    client.send(&json!({ "type": "interrupt" })).await;
    assert_eq!(client.next_of_turn("one", "finished").await["text"], "");
    assert_eq!(client.next_of_type("heard").await["text"], "");
    client.ask("two", "第二个问题").await.finished("complete");
    assert_eq!(app.exchanges(&session).await[0]["said"], "第一个问题");
    assert_eq!(conversation(&model.requests()[1]), [user("第一个问题\n第二个问题")]);
}

#[tokio::test]
async fn an_interrupt_for_an_older_turn_does_not_stop_the_running_one() {
    let model = playing("demo", [Script::saying([ANSWER]), half_an_answer().then(Step::Hang)]);
    let app = TestApp::start(vec![model.clone()]).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.ask("one", "你好").await;
    client.say("two", "然后呢").await;
    client.sentences("two", 2).await;
    client.send(&json!({ "type": "interrupt", "turn": "one", "heard": "先" })).await;
    // The next prompt is built: what was heard of the older turn is settled.
    let heard = client.next_of_type("heard").await;
    assert_eq!((&heard["turn"], &heard["text"]), (&json!("one"), &json!(SENTENCES.concat())));
    assert_eq!(model.running(), 1);
    assert_eq!(app.exchanges(&session).await[1]["state"], "running");
    client.send(&json!({ "type": "interrupt", "turn": "two" })).await;
    client.turn("two").await.finished("interrupted");
}

#[tokio::test]
async fn a_second_interrupt_changes_nothing() {
    let app = TestApp::start(vec![hanging("demo")]).await;
    let (mut client, _) = Client::join(&app, "").await;
    client.say("one", "你好").await;
    client.sentences("one", 2).await;
    for _ in 0..2 {
        client.send(&json!({ "type": "interrupt" })).await;
        assert_eq!(client.next_of_type("heard").await["text"], SENTENCES[..2].concat());
    }
    client.turn("one").await.finished("interrupted");
    assert!(client.left_over().is_empty());
}

#[tokio::test]
async fn many_turns_at_once_all_end_and_the_last_one_is_answered() {
    let app = TestApp::start(vec![answering("demo", ANSWER)]).await;
    let (mut client, session) = Client::join(&app, "").await;
    for index in 0..20 {
        client.say(&format!("turn-{index}"), &format!("问题{index}")).await;
    }
    for index in 0..20 {
        assert_eq!(client.turn(&format!("turn-{index}")).await.kind(), "finished");
    }
    let exchanges = app.exchanges(&session).await;
    assert_eq!(exchanges.len(), 20);
    assert_eq!(exchanges[19]["reason"], "complete");
}

#[tokio::test]
async fn the_model_is_shown_as_many_exchanges_as_the_persona_or_the_turn_says() {
    let model = answering("demo", "好的。");
    let app = TestApp::start(vec![model.clone()]).await;
    let (mut client, _) = Client::join(&app, "").await;
    for turn in ["a", "b", "c", "d"] {
        client.ask(turn, turn).await;
    }
    let say = json!({ "type": "say", "turn": "e", "text": "e", "turns": 0 });
    client.send(&say).await;
    client.turn("e").await;
    let said = |index: usize| {
        let said = conversation(&model.requests()[index]);
        said.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(said(0), "a");
    assert_eq!(said(3), "b [neutral]好的。 c [neutral]好的。 d");
    assert_eq!(said(4), "e");
}
