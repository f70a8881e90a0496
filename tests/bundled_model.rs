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

/// What the default provider says.
async fn said(url: &str) -> String {
    let answer = ask(url, &json!({ "prompt": "你是谁" })).await;
    answer["response"].as_str().unwrap().to_owned()
}

/// The providers that are ready, and those that are coming.
async fn names(url: &str) -> (Vec<String>, Vec<String>) {
    let told = reqwest::get(format!("{url}/admin/providers")).await.unwrap();
    let told: Value = told.json().await.unwrap();
    let names = |key: &str| {
        let listed = told[key].as_array().unwrap().iter();
        listed.map(|provider| provider["name"].as_str().unwrap().to_owned()).collect()
    };
    (names("providers"), names("loading"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_loaded_and_unloaded_while_the_service_answers() {
    let home = tempfile::tempdir().unwrap();
    let (shipped, config) = (Path::new(env!("CARGO_MANIFEST_DIR")), home.path().join("config"));
    std::fs::create_dir(&config).unwrap();
    std::fs::copy(shipped.join("config/base.toml"), config.join("base.toml")).unwrap();
    let playbook = "[[answers]]\nsays = \"I am written.\"\n";
    std::fs::write(home.path().join("playbook.toml"), playbook).unwrap();
    let profile = |default: &str, enabled: bool| {
        let (prompts, model) = (shipped.join("prompts"), shipped.join("models/demo"));
        let text = format!(
            "[turn]\nprompts = {prompts:?}\nprovider = \"{default}\"\nfallback = []\n\
             [providers.demo]\nenabled = {enabled}\nmodel = {model:?}\n\
             [providers.written]\nkind = \"scripted\"\nfile = \"playbook.toml\"\n"
        );
        std::fs::write(config.join("local.toml"), text).unwrap();
    };
    profile("written", false);
    let data = home.path().join("data");
    let overrides = Overrides { port: Some(0), data: Some(data), ..Overrides::default() };
    let settings = Settings::load(&config, "local", &overrides).unwrap();
    let application = Application::build(settings).await.unwrap();
    let url = format!("http://{}", application.address());
    tokio::spawn(application.run_until_stopped(std::future::pending()));
    assert_eq!(said(&url).await, "I am written.");
    profile("demo", true);
    let mut answers = Vec::new();
    // The one that is there answers until the model is; nobody gets an error in between.
    while answers.last().is_none_or(|answer| answer == "I am written.") {
        answers.push(said(&url).await);
        assert!(answers.len() < 100_000);
    }
    assert!(answers.last().unwrap().contains("灵犀"), "{answers:?}");
    let (ready, loading) = names(&url).await;
    assert!(ready.contains(&"demo".to_owned()) && loading.is_empty());
    profile("written", false);
    while said(&url).await != "I am written." {}
    assert!(!names(&url).await.0.contains(&"demo".to_owned()));
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
