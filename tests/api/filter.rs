//! Words that a persona does not say, from the wire.

use std::{fs, path::Path, sync::Arc};

use anima_provider::ScriptedProvider;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    client::Client,
    helpers::{TestApp, error, json},
    providers::answering,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

const ANSWER: &str = "我喜欢唱歌。我最爱吃[joy]香\u{200b}菜，也吃ＤＵＲＩＡＮ。再见。";

/// A service whose persona has this filter.
async fn filtered(filter: &str, answer: &'static str) -> (TestApp, Arc<ScriptedProvider>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    for part in ["", "personas", "words"] {
        let (from, to) = (Path::new(ROOT).join("prompts").join(part), folder.path().join(part));
        fs::create_dir_all(&to).unwrap();
        for file in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
            if file.is_file() {
                fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
            }
        }
    }
    let persona = "title = \"导游\"\nlanguage = \"zh\"\nstyle = \"chat\"\n[system]\nzh = \"\"\nen = \"\"\n[filter]\n";
    let words = "words = [\"words/zh.txt\", \"words/en.txt\"]\n";
    fs::write(folder.path().join("personas/guide.toml"), format!("{persona}{words}{filter}"))
        .unwrap();
    let model = answering("demo", answer);
    let app = TestApp::start_with(vec![model.clone()], |settings| {
        folder.path().clone_into(&mut settings.turn.prompts);
        "guide".clone_into(&mut settings.turn.persona);
    })
    .await;
    (app, model, folder)
}

#[tokio::test]
async fn what_is_shown_and_what_is_said_are_masked_alike_and_kept_so() {
    let (app, _, _folder) = filtered("", ANSWER).await;
    let (mut client, session) = Client::join(&app, "").await;
    let told = client.ask("one", "你好").await;
    let masked = "我喜欢唱歌。我最爱吃***，也吃******。再见。";
    assert_eq!(told.finished("complete"), masked);
    let field = |name: &str| -> String {
        let sentences = told.frames.iter().filter(|frame| frame["type"] == "sentence");
        sentences.map(|frame| frame[name].as_str().unwrap()).collect()
    };
    assert_eq!(field("text"), masked);
    assert_eq!(field("speech"), "我喜欢唱歌。我最爱吃，也吃。再见。");
    assert_eq!(app.exchanges(&session).await[0]["text"], masked);
    // The persona of a model's name is the same one; a provider that is named passes its words through.
    let text = async |model: &str| {
        let call = json!({ "model": model, "messages": [{ "role": "user", "content": "你好" }] });
        let response = app.post("/v1/chat/completions", &call).await;
        let answer: Value = json(response, StatusCode::OK).await;
        answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
    };
    assert_eq!(text("guide").await, masked);
    assert!(text("demo").await.contains("ＤＵＲＩＡＮ"));
}

#[tokio::test]
async fn a_sentence_is_withheld_and_the_turn_ends_filtered() {
    let (app, _, _folder) = filtered("action = \"withhold\"", ANSWER).await;
    let (mut client, session) = Client::join(&app, "").await;
    assert_eq!(client.ask("one", "你好").await.finished("filtered"), "我喜欢唱歌。");
    assert_eq!(app.exchanges(&session).await[0]["reason"], "filtered");
    // What is to be spoken goes the same way.
    client.send(&json!({ "type": "speak", "turn": "two", "text": "好。吃榴莲。好。" })).await;
    assert_eq!(client.turn("two").await.finished("filtered"), "好。");
    // Told again it is the same.
    assert_eq!(client.ask("one", "你好").await.finished("filtered"), "我喜欢唱歌。");
}

#[tokio::test]
async fn an_answer_that_is_withheld_from_its_first_word_on_is_empty() {
    let (app, _, _folder) = filtered("action = \"withhold\"", "榴莲很好吃。").await;
    let (mut client, _) = Client::join(&app, "").await;
    assert_eq!(client.ask("one", "你好").await.finished("filtered"), "");
}

#[tokio::test]
async fn what_a_person_says_is_refused_only_where_the_persona_says_so() {
    let (app, model, _folder) = filtered("input = \"refuse\"", "好的。").await;
    let (mut client, _) = Client::join(&app, "").await;
    client.say("one", "给我来一份香 菜").await;
    let refused = client.error("content_filter").await;
    assert!(!refused["message"].as_str().unwrap().contains("菜"), "{refused}");
    let call =
        json!({ "model": "guide", "messages": [{ "role": "user", "content": "A Durian?" }] });
    let response = app.post("/v1/chat/completions", &call).await;
    assert_eq!(error(response, StatusCode::BAD_REQUEST).await["code"], "content_filter");
    let linly = app.post("/", &json!({ "prompt": "durian" })).await;
    assert_eq!(linly.status(), StatusCode::BAD_REQUEST);
    assert!(model.requests().is_empty());
    assert_eq!(client.ask("two", "香水").await.finished("complete"), "好的。");
    let (app, model, _folder) = filtered("", "好的。").await;
    let (mut client, _) = Client::join(&app, "").await;
    client.ask("one", "香菜").await.finished("complete");
    assert_eq!(model.requests().len(), 1);
}
