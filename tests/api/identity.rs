//! One text: deltas joined, sentences joined and the text at the end are the same.

use std::sync::Arc;

use anima_provider::{FinishReason, ProviderEvent, Script, ScriptedProvider, Step};
use serde_json::json;

use crate::{
    client::{Client, Told},
    helpers::TestApp,
    providers::{ANSWER, SENTENCES, answering, playing},
};

/// The answer of a model that says these pieces to a talkative persona.
async fn told(persona: &str, pieces: &[&str]) -> Told {
    let app = TestApp::start(vec![playing("demo", [Script::saying(pieces.iter().copied())])]).await;
    let (mut client, _) = Client::hello(&app, &json!({ "persona": persona })).await;
    // The equality itself is part of what is checked of every turn.
    client.ask("one", "说吧").await
}

#[tokio::test]
async fn a_turn_is_told_in_order() {
    let told = told("lingxi", &[ANSWER]).await;
    let one = ["delta", "sentence", "verdict"];
    let order = [&["accepted", "started"][..], &one, &one, &one, &["finished"]].concat();
    assert_eq!(told.kinds(), order);
    assert_eq!(told.texts("sentence"), SENTENCES);
    assert_eq!(told.finished("complete"), SENTENCES.concat());
}

#[tokio::test]
async fn frames_have_their_fields() {
    let told = told("lingxi", &[ANSWER]).await;
    assert_eq!(told.all("started")[0]["provider"], "demo");
    assert_eq!(told.all("started")[0]["model"], "scripted");
    let sentence = told.all("sentence")[0];
    assert_eq!(sentence["index"], 0);
    assert_eq!(sentence["speech"], "先深呼吸，");
    assert_eq!(sentence["emotion"], "calm");
    assert_eq!((&sentence["actions"], &sentence["sources"]), (&json!([]), &json!([])));
    let verdict = told.all("verdict")[0];
    assert_eq!((&verdict["sentence"], &verdict["status"]), (&json!(0), &json!("unchecked")));
    let end = told.end();
    let timing = &end["timing"];
    let [queued, token, sentence, total] =
        ["queued_ms", "first_token_ms", "first_sentence_ms", "total_ms"]
            .map(|key| timing[key].as_u64().unwrap_or_else(|| panic!("{key}: {timing}")));
    assert!(queued <= token && token <= sentence && sentence <= total, "{timing}");
    assert_eq!(end["usage"], json!({ "prompt_tokens": 1, "completion_tokens": 1 }));
    assert!(end.get("heard").is_none(), "everything was heard: {end}");
}

#[tokio::test]
async fn the_same_text_in_any_pieces_gives_the_same_sentences() {
    let text = "[joy]Hello! Dr. Smith has 3.14 apples, e.g. red ones. [wave] 你好，[sad]我很难过……真的！\
                <think>not this</think>See https://example.org/a.b for more [1]. OK?";
    let whole = told("companion", &[text]).await;
    let letters: Vec<String> = text.chars().map(String::from).collect();
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    let cut = told("companion", &letters).await;
    assert_eq!(cut.texts("sentence"), whole.texts("sentence"));
    let looks = |told: &Told| -> Vec<_> {
        told.all("sentence").iter().map(|sentence| sentence["emotion"].clone()).collect()
    };
    assert_eq!(looks(&cut), looks(&whole));
    assert!(!whole.finished("complete").contains("not this"));
    assert!(looks(&whole).contains(&json!("sad")), "{whole:?}");
}

#[tokio::test]
async fn a_short_answer_is_cut_and_nothing_else_is_told() {
    let long = "一二三四五六七八九十，一二三四五六七八九十。这一句就太长了，不会再说。还有。";
    let told = told("lingxi", &[long]).await;
    assert_eq!(told.finished("complete"), "一二三四五六七八九十，一二三四五六七八九十。");
    // The model was stopped, so the cost is our own count.
    assert_eq!(told.end()["usage"]["estimated"], true);
}

#[tokio::test]
async fn the_emotion_of_a_gesture_goes_with_its_sentence() {
    let answer = "[happy]见到你真高兴！[action:wave]再见，[sorry]下次见。";
    let told = told("companion", &[answer]).await;
    let sentences = told.all("sentence");
    assert_eq!(told.finished("complete"), "见到你真高兴！再见，下次见。");
    assert_eq!(sentences[0]["emotion"], "joy");
    assert_eq!(sentences[1]["actions"], json!(["wave"]));
}

#[tokio::test]
async fn markup_is_shown_and_not_said() {
    let told = told("companion", &["请看 **这里**：https://example.org 😊"]).await;
    let speech =
        told.all("sentence").iter().map(|s| s["speech"].as_str().unwrap()).collect::<String>();
    assert!(told.finished("complete").contains("**这里**"));
    assert!(
        !speech.contains('*') && !speech.contains("https") && !speech.contains('😊'),
        "{speech}"
    );
}

#[tokio::test]
async fn reasoning_is_told_only_where_it_is_asked_for() {
    let script = || {
        let thought = ProviderEvent::Reasoning("嗯，让我想想。".to_owned());
        Script::admitted()
            .then(Step::Event(thought))
            .text("<think>再想想。</think>答案是四。")
            .done(FinishReason::Stop)
    };
    let provider = Arc::new(ScriptedProvider::new("demo", move |_| Ok(script())));
    let app = TestApp::start(vec![provider]).await;
    let (mut client, session) = Client::hello(&app, &json!({ "reasoning": true })).await;
    let told = client.ask("one", "二加二").await;
    assert_eq!(told.texts("reasoning").concat(), "嗯，让我想想。再想想。");
    assert_eq!(told.finished("complete"), "答案是四。");
    let (mut client, _) = Client::join(&app, session["session"].as_str().unwrap()).await;
    let told = client.ask("two", "二加二").await;
    assert!(told.all("reasoning").is_empty());
    assert_eq!(told.finished("complete"), "答案是四。");
}

#[tokio::test]
async fn the_reason_of_the_end_is_told() {
    for (reason, told) in [(FinishReason::Length, "length"), (FinishReason::Filtered, "filtered")] {
        let script = Script::admitted().text("我想说").done(reason);
        let app = TestApp::start(vec![playing("demo", [script])]).await;
        let (mut client, _) = Client::join(&app, "").await;
        assert_eq!(client.ask("one", "说吧").await.finished(told), "我想说");
    }
}

#[tokio::test]
async fn a_filter_that_lets_nothing_through_is_an_end_too() {
    let script = Script::admitted().done(FinishReason::Filtered);
    let app = TestApp::start(vec![playing("demo", [script]), answering("other", "我来。")]).await;
    let (mut client, _) = Client::join(&app, "").await;
    assert_eq!(client.ask("one", "说吧").await.finished("filtered"), "");
}
