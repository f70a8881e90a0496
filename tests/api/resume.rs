//! Clients that come back, and more than one of them.

use std::time::Instant;

use serde_json::{Value, json};

use crate::{
    client::Client,
    helpers::{PATIENCE, TestApp},
    providers::{ANSWER, Puppet, SENTENCES, answering, hanging},
};

#[tokio::test]
async fn a_client_that_comes_back_gets_what_it_missed() {
    let app = TestApp::start(vec![answering("demo", ANSWER)]).await;
    let (mut client, welcome) = Client::hello(&app, &json!({})).await;
    let told = client.ask("one", "你好").await;
    client.leave().await;
    // Wherever the connection broke, the rest comes, equal as JSON.
    for received in 0..told.frames.len() {
        let seq = &told.frames[received]["seq"];
        let hello = json!({
            "session": welcome["session"], "resume_from": seq, "epoch": welcome["epoch"],
        });
        let (mut client, welcome) = Client::hello(&app, &hello).await;
        assert_eq!(welcome["resumed"], true);
        for frame in &told.frames[received + 1..] {
            assert_eq!(client.next().await, *frame);
        }
        client.settle().await;
        assert!(client.left_over().is_empty());
    }
}

#[tokio::test]
async fn a_turn_outlives_its_socket() {
    let (puppet, mut hand) = Puppet::new("demo");
    let app = TestApp::start(vec![puppet]).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.say("one", "你好").await;
    let asked = hand.admitted().await;
    asked.say("第一句话在这里。第");
    client.sentences("one", 1).await;
    let last = client.left_over().last().unwrap()["seq"].clone();
    drop(client);
    asked.say("二句话在这里。第");
    let hello = json!({ "session": session, "resume_from": last });
    let (mut client, welcome) = Client::hello(&app, &hello).await;
    assert_eq!(welcome["resumed"], true);
    assert_eq!(client.next_of_turn("one", "sentence").await["index"], 1);
    asked.say("三句。");
    asked.finish();
    assert_eq!(client.next_of_turn("one", "sentence").await["index"], 2);
    let end = client.next_of_turn("one", "finished").await;
    assert_eq!(end["text"], "第一句话在这里。第二句话在这里。第三句。");
}

#[tokio::test]
async fn a_turn_that_ends_while_nobody_looks_is_kept_and_found() {
    let (puppet, mut hand) = Puppet::new("demo");
    let app = TestApp::start(vec![puppet]).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.say("one", "你好").await;
    let accepted = client.next_of_type("accepted").await;
    let asked = hand.admitted().await;
    client.leave().await;
    asked.say("没有人在看。");
    asked.finish();
    let hello = json!({ "session": session, "resume_from": accepted["seq"] });
    let (mut client, _) = Client::hello(&app, &hello).await;
    assert_eq!(client.next_of_turn("one", "finished").await["text"], "没有人在看。");
    assert_eq!(app.exchanges(&session).await[0]["text"], "没有人在看。");
}

#[tokio::test]
async fn commands_sent_during_a_replay_wait_for_its_end() {
    let app = TestApp::start(vec![answering("demo", ANSWER)]).await;
    let (mut client, session) = Client::join(&app, "").await;
    let told = client.ask("one", "你好").await;
    let mut client = Client::connect(&app).await;
    let seq = &told.frames[0]["seq"];
    client.send(&json!({ "type": "hello", "session": session, "resume_from": seq })).await;
    client.send(&json!({ "type": "ping" })).await;
    assert_eq!(client.next().await["type"], "welcome");
    for frame in &told.frames[1..] {
        assert_eq!(client.next().await, *frame);
    }
    assert_eq!(client.next().await["type"], "pong");
}

#[tokio::test]
async fn what_the_log_does_not_hold_is_not_resumed() {
    let app = TestApp::start(vec![answering("demo", ANSWER)]).await;
    let (mut client, welcome) = Client::hello(&app, &json!({})).await;
    let last = client.ask("one", "你好").await.end()["seq"].as_u64().unwrap();
    let epoch: u64 = welcome["epoch"].as_str().unwrap().parse().unwrap();
    for fields in [
        json!({ "resume_from": last + 1 }),
        json!({ "resume_from": u64::MAX }),
        json!({ "resume_from": 0 }),
        json!({ "resume_from": epoch - 2 }),
        json!({ "resume_from": last, "epoch": "1" }),
        json!({ "resume_from": last, "epoch": epoch + 1 }),
        json!({ "resume_from": last, "epoch": "none" }),
        json!({}),
    ] {
        let mut hello = json!({ "session": welcome["session"] });
        hello.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let (mut client, again) = Client::hello(&app, &hello).await;
        assert_eq!(again["resumed"], false, "{fields}");
        assert_eq!(again["session"], welcome["session"]);
        client.settle().await;
        assert!(client.left_over().is_empty());
    }
    let hello = json!({ "session": "somebody-else-s", "resume_from": last });
    assert_eq!(Client::hello(&app, &hello).await.1["resumed"], false);
}

#[tokio::test]
async fn a_log_that_is_full_forgets_but_not_the_running_turn() {
    let (puppet, mut hand) = Puppet::new("demo");
    let app = TestApp::start_with(vec![puppet], |settings| settings.session.log_bytes = 1).await;
    let (mut client, session) = Client::join(&app, "").await;
    let first = client.ask_puppet(&mut hand, "one").await;
    client.say("two", "再说").await;
    let asked = hand.admitted().await;
    asked.say("第一句话在这里。第二句话在这里。第");
    client.sentences("two", 2).await;
    let seen = client.left_over();
    let hello = json!({ "session": session, "resume_from": first.frames[0]["seq"] });
    let (mut client, welcome) = Client::hello(&app, &hello).await;
    assert_eq!(welcome["resumed"], false);
    for frame in seen {
        assert_eq!(client.next().await, frame, "a running turn comes from its beginning");
    }
    asked.say("三句。");
    asked.finish();
    client.next_of_turn("two", "finished").await;
    client.send(&json!({ "type": "history" })).await;
    assert_eq!(client.next_of_type("history").await["exchanges"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_running_turn_is_told_from_its_beginning_to_whoever_comes_new() {
    let app = TestApp::start(vec![hanging("demo")]).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.say("one", "你好").await;
    client.sentences("one", 2).await;
    let seen = client.left_over();
    let (mut client, _) = Client::join(&app, &session).await;
    for frame in seen {
        assert_eq!(client.next().await, frame);
    }
}

#[tokio::test]
async fn a_session_that_left_memory_is_still_there() {
    let app = TestApp::start_with(vec![answering("demo", ANSWER)], |settings| {
        settings.session.idle_seconds = 0;
    })
    .await;
    let (mut client, welcome) = Client::hello(&app, &json!({ "persona": "companion" })).await;
    let told = client.ask("one", "你好").await;
    let session = welcome["session"].as_str().unwrap();
    client.leave().await;
    let mut epoch = welcome["epoch"].clone();
    let begun = Instant::now();
    while epoch == welcome["epoch"] {
        assert!(begun.elapsed() < PATIENCE, "it stays in memory");
        let hello = json!({ "session": session, "resume_from": told.frames[0]["seq"] });
        let (client, again) = Client::hello(&app, &hello).await;
        assert_eq!(
            (&again["session"], &again["persona"]),
            (&welcome["session"], &json!("companion"))
        );
        epoch = again["epoch"].clone();
        assert_eq!(again["resumed"], epoch == welcome["epoch"]);
        client.leave().await;
    }
    assert_eq!(app.exchanges(session).await.len(), 1);
    let (mut client, _) = Client::join(&app, session).await;
    assert_eq!(client.ask("one", "你好").await.frames[0]["replay"], true);
}

#[tokio::test]
async fn sequence_numbers_rise_over_all_turns_of_a_session() {
    let app = TestApp::start(vec![answering("demo", ANSWER)]).await;
    let (mut client, welcome) = Client::hello(&app, &json!({})).await;
    let epoch: u64 = welcome["epoch"].as_str().unwrap().parse().unwrap();
    let mut expected = epoch;
    for turn in ["one", "two", "one"] {
        for frame in client.ask(turn, "你好").await.frames {
            assert_eq!(frame["seq"], expected);
            expected += 1;
        }
    }
}

#[tokio::test]
async fn the_newest_socket_owns_the_session() {
    let app = TestApp::start(vec![hanging("demo")]).await;
    let (mut older, session) = Client::join(&app, "").await;
    older.say("one", "你好").await;
    older.sentences("one", 2).await;
    let (mut newer, _) = Client::join(&app, &session).await;
    assert_eq!(older.closed().await, 4501);
    newer.sentences("one", 2).await;
    newer.send(&json!({ "type": "interrupt" })).await;
    newer.turn("one").await.finished("interrupted");
}

#[tokio::test]
async fn a_socket_of_its_own_session_is_left_alone() {
    let app = TestApp::start(vec![answering("demo", ANSWER)]).await;
    let (mut one, _) = Client::join(&app, "").await;
    let (mut other, _) = Client::join(&app, "").await;
    one.ask("one", "你好").await.finished("complete");
    other.settle().await;
    assert!(other.left_over().is_empty());
}

#[tokio::test]
async fn observers_only_watch() {
    let app = TestApp::start(vec![answering("demo", ANSWER), answering("other", "好。")]).await;
    let (mut owner, session) = Client::join(&app, "").await;
    let watch = json!({ "session": session, "observe": true, "provider": "other" });
    let (mut observer, welcome) = Client::hello(&app, &watch).await;
    assert_eq!(welcome["provider"], "demo", "an observer chooses nothing");
    let told = owner.ask("one", "你好").await;
    assert_eq!(told.all("started")[0]["provider"], "demo");
    for frame in &told.frames {
        assert_eq!(observer.next().await, *frame);
    }
    for frame in [
        json!({ "type": "say", "text": "你好" }),
        json!({ "type": "speak", "text": "你好" }),
        json!({ "type": "regenerate" }),
        json!({ "type": "spoken", "turn": "one", "sentence": 0 }),
        json!({ "type": "interrupt" }),
        json!({ "type": "switch", "provider": "other" }),
        json!({ "type": "clear" }),
    ] {
        observer.send(&frame).await;
        observer.error("observer").await;
    }
    observer.settle().await;
    observer.send(&json!({ "type": "history" })).await;
    assert_eq!(observer.next_of_type("history").await["exchanges"].as_array().unwrap().len(), 1);
    // Several of them, and a new owner, change nothing for an observer.
    let watch = json!({ "session": session, "observe": true });
    let (mut second, _) = Client::hello(&app, &watch).await;
    let (mut newer, _) = Client::join(&app, &session).await;
    assert_eq!(owner.closed().await, 4501);
    let told = newer.ask("two", "你好").await;
    for watcher in [&mut observer, &mut second] {
        assert_eq!(watcher.next_of_turn("two", "finished").await, *told.end());
    }
}

#[tokio::test]
async fn an_observer_of_a_running_turn_sees_it_from_its_beginning() {
    let app = TestApp::start(vec![hanging("demo")]).await;
    let (mut owner, session) = Client::join(&app, "").await;
    owner.say("one", "你好").await;
    owner.sentences("one", 2).await;
    let watch = json!({ "session": session, "observe": true });
    let (mut observer, _) = Client::hello(&app, &watch).await;
    observer.sentences("one", 2).await;
    let texts: Vec<Value> = observer
        .left_over()
        .into_iter()
        .filter(|frame| frame["type"] == "sentence")
        .map(|frame| frame["text"].clone())
        .collect();
    assert_eq!(texts, SENTENCES[..2]);
}

#[tokio::test]
async fn a_socket_that_was_taken_over_commands_nothing_more() {
    let model = answering("demo", ANSWER);
    let app = TestApp::start(vec![model.clone()]).await;
    for _ in 0..10 {
        let (mut older, session) = Client::join(&app, "").await;
        let (_newer, _) = Client::join(&app, &session).await;
        // It may not know yet.
        let say = json!({ "type": "say", "turn": "late", "text": "你好" }).to_string();
        older.try_send(&say).await;
        assert_eq!(older.closed().await, 4501);
        assert!(app.exchanges(&session).await.is_empty());
    }
    assert!(model.requests().is_empty());
}
