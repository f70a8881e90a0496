//! Before the first sentence another provider takes over and nobody notices; after it nobody does.

use std::{sync::Arc, time::Duration};

use anima_provider::{ProviderError, ProviderEvent, Script, ScriptedProvider, Step};
use serde_json::json;

use crate::{
    client::{Client, Told},
    helpers::{Providers, TestApp, eventually},
    providers::{ANSWER, SENTENCES, answering, failing, half_an_answer, playing, unavailable},
};

/// The answer of a service with these providers.
async fn told(providers: Providers) -> Told {
    let app = TestApp::start(providers).await;
    let (mut client, _) = Client::join(&app, "").await;
    client.ask("one", "你好").await
}

fn broken(script: Script, error: ProviderError) -> Arc<ScriptedProvider> {
    playing("broken", [script.then(Step::Fail(error))])
}

#[tokio::test]
async fn a_failure_before_the_first_sentence_is_never_noticed() {
    let untouched = told(vec![answering("good", ANSWER)]).await;
    let reasoning = || Step::Event(ProviderEvent::Reasoning("我想".to_owned()));
    let queued = Script::default().then(Step::Event(ProviderEvent::Queued { ahead: 3 }));
    let admitted = Script::admitted;
    for (what, provider) in [
        ("refuses to begin", failing("broken")),
        ("fails at once", broken(Script::default(), unavailable())),
        ("fails after admission", broken(admitted(), unavailable())),
        ("refuses our key", broken(admitted(), ProviderError::Unauthorized)),
        ("is at its limit", broken(admitted(), ProviderError::RateLimited { retry_after: None })),
        ("talks nonsense", broken(admitted(), ProviderError::Protocol("<html>".into()))),
        ("fails after some words", broken(admitted().text("[sad]我想说的是"), unavailable())),
        ("fails after thinking", broken(admitted().then(reasoning()), unavailable())),
        ("says nothing", playing("broken", [Script::saying([""])])),
        ("only marks emotions", playing("broken", [Script::saying(["[joy]", " "])])),
        ("has no end", playing("broken", [admitted().text("我")])),
    ] {
        let told = told(vec![provider, answering("good", ANSWER)]).await;
        assert_eq!(told.kinds(), untouched.kinds(), "{what}");
        assert_eq!(told.all("started")[0]["provider"], "good", "{what}");
        assert_eq!(told.finished("complete"), SENTENCES.concat(), "{what}");
        assert_eq!(told.all("sentence")[0]["emotion"], "calm", "{what}");
    }
    // That it waited is no secret.
    let provider = broken(queued, unavailable());
    let told = told(vec![provider, answering("good", ANSWER)]).await;
    assert_eq!(told.kinds()[..3], ["accepted", "queued", "started"]);
}

#[tokio::test]
async fn a_failure_after_the_first_sentence_is_the_turns_failure() {
    let good = answering("good", ANSWER);
    let app = TestApp::start(vec![broken(half_an_answer(), unavailable()), good.clone()]).await;
    let (mut client, session) = Client::join(&app, "").await;
    let told = client.ask("one", "你好").await;
    assert_eq!(told.failed(), "provider_unavailable");
    assert_eq!(told.texts("sentence"), SENTENCES[..2]);
    assert_eq!(told.texts("delta"), SENTENCES[..2]);
    assert!(good.requests().is_empty(), "two models were spliced");
    let exchange = &app.exchanges(&session).await[0];
    assert_eq!(exchange["state"], "failed");
    assert_eq!(exchange["sentences"].as_array().unwrap().len(), 2);
    // The same id runs again, and another provider may answer it then.
    let again = client.ask("one", "你好").await;
    assert_eq!(again.finished("complete"), SENTENCES.concat());
}

#[tokio::test]
async fn an_answer_that_breaks_off_after_the_first_sentence_is_a_failure() {
    let good = answering("good", ANSWER);
    let told = told(vec![playing("broken", [half_an_answer()]), good.clone()]).await;
    assert_eq!(told.failed(), "provider_unavailable");
    assert!(good.requests().is_empty());
}

#[tokio::test]
async fn a_refusal_on_grounds_of_content_is_nobody_elses_to_lift() {
    let good = answering("good", ANSWER);
    let refused = ProviderError::Refused("no".to_owned());
    let told = told(vec![broken(Script::admitted(), refused), good.clone()]).await;
    assert_eq!(told.failed(), "content_filter");
    assert!(good.requests().is_empty());
}

#[tokio::test]
async fn when_all_fail_the_turn_fails_and_tells_no_secrets() {
    let second = playing("second", [Script::admitted().then(Step::Fail(unavailable()))]);
    let told = told(vec![broken(Script::admitted(), unavailable()), second]).await;
    assert_eq!(told.failed(), "provider_unavailable");
    assert_eq!(told.kinds(), ["accepted", "failed"]);
    let message = told.end()["message"].as_str().unwrap();
    assert!(message.contains("second"), "{message}");
    assert!(!message.contains("10.0.0.7") && !message.contains("sk-secret"), "{message}");
}

#[tokio::test]
async fn the_provider_that_was_asked_for_comes_first() {
    let (first, third) = (answering("first", "一。"), answering("third", "三。"));
    let app = TestApp::start(vec![first.clone(), failing("second"), third]).await;
    let (mut client, _) = Client::hello(&app, &json!({ "provider": "third" })).await;
    assert_eq!(client.ask("one", "你好").await.all("started")[0]["provider"], "third");
    let say = json!({ "type": "say", "turn": "two", "text": "你好", "provider": "second" });
    client.send(&say).await;
    assert_eq!(client.turn("two").await.all("started")[0]["provider"], "third");
    assert!(first.requests().is_empty(), "the default is no fallback");
}

#[tokio::test]
async fn a_provider_that_says_nothing_in_time_is_passed_over() {
    let silent = playing("silent", [Script::admitted().then(Step::Hang)]);
    let patience = Duration::from_millis(50);
    let app =
        TestApp::start_patiently(vec![silent.clone(), answering("good", ANSWER)], patience).await;
    let (mut client, _) = Client::join(&app, "").await;
    let told = client.ask("one", "你好").await;
    assert_eq!(told.all("started")[0]["provider"], "good");
    eventually("the silent one stops", || silent.running() == 0).await;
    // Once it has spoken there is nobody to pass to.
    let stalled = playing("stalled", [half_an_answer().then(Step::Hang)]);
    let app = TestApp::start_patiently(vec![stalled, answering("good", ANSWER)], patience).await;
    let (mut client, _) = Client::join(&app, "").await;
    assert_eq!(client.ask("one", "你好").await.failed(), "provider_timeout");
}
