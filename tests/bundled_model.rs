//! The service as it is shipped: the bundled model, asked through the public door.
#![cfg(feature = "local")]

use std::path::Path;

use anima::{
    app::Application,
    settings::{Overrides, Settings},
};
use serde_json::{Value, json};

/// Starts the shipped configuration on a free port with a store of its own.
async fn start(data: &Path) -> String {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let overrides =
        Overrides { port: Some(0), data: Some(data.to_owned()), ..Overrides::default() };
    let settings = Settings::load(&config, "local", &overrides).unwrap();
    let application = Application::build(settings).await.unwrap();
    let url = format!("http://{}", application.address());
    tokio::spawn(application.run_until_stopped(std::future::pending()));
    url
}

async fn ask(url: &str, body: &Value) -> Value {
    let answer = reqwest::Client::new().post(url).json(body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bundled_model_answers_the_questions_of_the_documentation() {
    let data = tempfile::tempdir().unwrap();
    let url = start(data.path()).await;
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo/corpus/d_seed.jsonl");
    for line in std::fs::read_to_string(seeds).unwrap().lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let answer = ask(&url, &json!({ "prompt": record["q"][0] })).await;
        assert_eq!(answer["response"], record["a"], "{}", record["q"][0]);
        assert_eq!(answer["status"], 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_with_the_bundled_model_has_emotions_and_a_memory() {
    let data = tempfile::tempdir().unwrap();
    let url = start(data.path()).await;
    let session = ask_created(&url).await;
    let turns = format!("{url}/v1/sessions/{session}/turns");
    let first = ask(&turns, &json!({ "text": "如何应对压力", "turn": "one" })).await;
    assert_eq!(first["sentences"][0]["emotion"], "calm");
    assert_eq!(first["reason"], "complete");
    let second = ask(&turns, &json!({ "text": "你是谁" })).await;
    assert!(second["text"].as_str().unwrap().contains("灵犀"), "{second}");
    // The same turn is told again, not asked again.
    let again = ask(&turns, &json!({ "text": "如何应对压力", "turn": "one" })).await;
    assert_eq!((&again["replay"], &again["text"]), (&json!(true), &first["text"]));
}

async fn ask_created(url: &str) -> String {
    let answer = reqwest::Client::new()
        .post(format!("{url}/v1/sessions"))
        .json(&json!({}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 201);
    answer.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned()
}
