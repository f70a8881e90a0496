//! What goes wrong with `LiveTalking` harms no turn, and is told.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{
    one_sentence_played, spoken,
    stage::{AVATAR, Mood, Stage, attach, heard, path, stands},
};
use crate::{
    client::Client,
    helpers::{TestApp, error, eventually},
    providers::{ANSWER, SENTENCES, answering, assistant, conversation, user},
};

#[tokio::test]
async fn a_server_that_is_down_harms_no_turn_and_is_used_again_when_it_is_back() {
    let mut stage = Stage::start();
    stage.close().await;
    let model = answering("far", ANSWER);
    let app = TestApp::start_with(vec![model.clone()], stage.settings()).await;
    let (mut client, session) = Client::join(&app, "").await;
    let expected = json!({ "sessionid": AVATAR, "reachable": false, "acknowledges": false });
    assert_eq!(attach(&app, &session).await, expected);
    let begun = Instant::now();
    assert_eq!(client.ask("one", "如何应对压力").await.finished("complete"), SENTENCES.concat());
    assert!(begun.elapsed() < Duration::from_secs(2));
    // Nobody has heard it, but who reads has it: the next prompt must not forget it.
    heard(&app, &session, &SENTENCES.concat()).await;
    stage.unsilence();
    stage.open();
    stands(&app, &session, "acknowledges", true).await;
    client.ask("two", "再说一遍").await;
    let shown = [user("如何应对压力"), assistant(ANSWER), user("再说一遍")];
    assert_eq!(conversation(&model.requests()[1]), shown);
    // It is left alone for at most so long.
    tokio::time::sleep(Duration::from_secs(2)).await;
    client.ask("three", "再说一遍").await;
    stage.says(SENTENCES[2]).await;
    stands(&app, &session, "reachable", true).await;
    let metrics = app.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    let counted = r#"anima_livetalking_calls_total{call="say",outcome="unreachable"}"#;
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn a_slow_server_is_told_nothing_twice() {
    let stage = Stage::start();
    stage.be(Mood::Slow(Duration::from_millis(400)));
    let settings = stage.settings_with(&json!({ "deadline_ms": 100 }));
    let app = TestApp::start_with(vec![answering("far", ANSWER)], settings).await;
    let (mut client, session) = spoken(&app).await;
    let begun = Instant::now();
    client.ask("one", "如何应对压力").await.finished("complete");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    stands(&app, &session, "reachable", false).await;
    stage.says(SENTENCES[2]).await;
    assert_eq!(stage.said(), SENTENCES);
    // It has taken them in spite of all, and plays them.
    stage.play_whole(SENTENCES[0]);
    heard(&app, &session, SENTENCES[0]).await;
    let interrupt = format!("/v1/sessions/{session}/interrupt");
    app.post(&interrupt, &json!({})).await;
    eventually("it is told to stop", || stage.interruptions() > 0).await;
}

#[tokio::test]
async fn a_server_that_refuses_with_the_status_200_is_asked_again_and_then_left_alone() {
    let stage = Stage::start();
    let app = TestApp::start_with(vec![answering("far", ANSWER)], stage.settings()).await;
    let (mut client, session) = spoken(&app).await;
    stage.be(Mood::Refusing);
    client.ask("one", "如何应对压力").await.finished("complete");
    heard(&app, &session, &SENTENCES.concat()).await;
    assert_eq!(stage.said(), [SENTENCES[0]; 3], "the same sentence, three times");
    stands(&app, &session, "reachable", false).await;
    stage.be(Mood::Well);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    client.ask("two", "再说一遍").await;
    stage.says(SENTENCES[2]).await;
    stands(&app, &session, "reachable", true).await;
    assert_eq!(stage.said()[3..], SENTENCES);
}

#[tokio::test]
async fn where_playback_is_not_told_what_is_sent_counts_as_heard() {
    let stage = Stage::start();
    let app = TestApp::start_with(vec![answering("far", ANSWER)], stage.settings()).await;
    let (mut client, session) = one_sentence_played(&app, &stage).await;
    // In the middle of an answer.
    stage.silence();
    stands(&app, &session, "acknowledges", false).await;
    heard(&app, &session, &SENTENCES.concat()).await;
    client.ask("two", "再说一遍").await;
    heard(&app, &session, &SENTENCES.concat()).await;
    // What it is saying is not known: it is told to stop.
    assert_eq!(stage.called(7).await[3].0, "/interrupt_talk");
    stands(&app, &session, "reachable", true).await;
    stage.unsilence();
    stands(&app, &session, "acknowledges", true).await;
    client.ask("three", "再说一遍").await;
    stage.called(11).await;
    assert_eq!(app.exchanges(&session).await[2]["heard"], "");
    stage.play_whole(SENTENCES[1]);
    heard(&app, &session, &SENTENCES[..2].concat()).await;
    // A connection that breaks off comes again.
    stage.break_off();
    stands(&app, &session, "acknowledges", false).await;
    stands(&app, &session, "acknowledges", true).await;
}

#[tokio::test]
async fn an_avatar_that_is_gone_is_let_go_after_a_while() {
    let stage = Stage::start();
    let settings = stage.settings_with(&json!({ "gone_ms": 700 }));
    let app = TestApp::start_with(vec![answering("far", ANSWER)], settings).await;
    let (mut client, session) = spoken(&app).await;
    // One that is well and has nothing to say stays.
    tokio::time::sleep(Duration::from_secs(1)).await;
    stands(&app, &session, "acknowledges", true).await;
    // The page is closed: what is open to it stays open and tells nothing.
    stage.be(Mood::Empty);
    client.ask("one", "如何应对压力").await.finished("complete");
    heard(&app, &session, &SENTENCES.concat()).await;
    stands(&app, &session, "acknowledges", false).await;
    eventually("nobody listens", || stage.listeners() == 0).await;
    let begun = Instant::now();
    loop {
        let response = app.request(Method::GET, &path(&session)).send().await.unwrap();
        if response.status() == StatusCode::NOT_FOUND {
            assert_eq!(error(response, StatusCode::NOT_FOUND).await["code"], "avatar_not_found");
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(4), "it is never let go");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Without an avatar everything that is sent is heard again.
    let told = client.ask("two", "再说一遍").await;
    assert!(told.end().get("heard").is_none(), "{told:?}");
    assert!(stage.said().is_empty());
}
