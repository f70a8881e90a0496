//! What operators and their machines ask.

use std::{collections::BTreeSet, fs, net::SocketAddr, path::Path, process::Output};

use anima::settings::{Overrides, Settings};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::process::Command;

use crate::{
    client::Client,
    helpers::{TestApp, eventually},
    providers::{ANSWER, answering, hanging},
};

#[tokio::test]
async fn health_says_that_the_process_lives() {
    let app = TestApp::start(vec![answering("demo", ANSWER)]).await;
    let health = app.get("/healthz").await;
    assert_eq!(health, json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }));
}

#[tokio::test]
async fn readiness_says_who_answers_and_how_many_turns_run() {
    let model = hanging("demo");
    let app = TestApp::start(vec![model.clone(), answering("other", ANSWER)]).await;
    let ready = app.get("/readyz").await;
    let idle = json!({
        "ready": true, "reasons": [], "store": "ok", "draining": false, "providers": ["demo", "other"],
        "provider_states": { "demo": "ready", "other": "ready" }, "running_turns": 0,
    });
    assert_eq!(ready, idle);
    let (mut client, _) = Client::join(&app, "").await;
    client.say("one", "你好").await;
    client.sentences("one", 2).await;
    assert_eq!(app.get("/readyz").await["running_turns"], 1);
    client.send(&json!({ "type": "interrupt" })).await;
    client.next_of_type("heard").await;
    eventually("the model stops", || model.running() == 0).await;
}

#[tokio::test]
async fn metrics_are_told_in_prometheus_form() {
    let app = TestApp::start(vec![hanging("demo"), answering("other", ANSWER)]).await;
    let (mut client, _) = Client::join(&app, "").await;
    client.say("one", "你好").await;
    client.sentences("one", 2).await;
    let say = json!({ "type": "say", "turn": "two", "text": "你好", "provider": "other" });
    client.send(&say).await;
    client.turn("two").await.finished("complete");
    let response = app.request(Method::GET, "/metrics").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    let metrics = response.text().await.unwrap();
    for name in [
        "anima_turns_total{outcome=\"complete\"}",
        "anima_turns_total{outcome=\"interrupted\"}",
        "anima_first_token_seconds",
        "anima_first_sentence_seconds",
        "anima_turn_seconds_bucket",
        "anima_tokens_total{kind=\"completion\"}",
        "anima_open_sockets",
    ] {
        assert!(metrics.contains(name), "{name} is missing:\n{metrics}");
    }
}

#[tokio::test]
async fn a_service_can_listen_on_further_addresses() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let app = TestApp::start_with(vec![answering("demo", ANSWER)], |settings| {
        settings.server.listen = vec![free];
    })
    .await;
    assert_ne!(app.address, free);
    let health = reqwest::get(format!("http://{free}/healthz")).await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
    app.get("/healthz").await;
}

async fn anima_health(address: SocketAddr) -> Output {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/config");
    let port = address.port().to_string();
    Command::new(env!("CARGO_BIN_EXE_anima"))
        .args(["health", "--config", config, "--port", &port])
        .output()
        .await
        .unwrap()
}

#[tokio::test]
async fn the_command_health_tells_whether_turns_are_taken() {
    let app = TestApp::start(vec![answering("demo", ANSWER)]).await;
    let address = app.address;
    let well = anima_health(address).await;
    assert!(well.status.success(), "{well:?}");
    assert!(String::from_utf8(well.stdout).unwrap().contains("\"ready\":true"));
    app.stop().await;
    let gone = anima_health(address).await;
    assert!(!gone.status.success(), "{gone:?}");
    assert!(String::from_utf8(gone.stderr).unwrap().starts_with("anima: "));
}

/// Every file below a folder, as one text.
fn sources(folder: &Path, text: &mut String) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            sources(&path, text);
        } else {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn the_dashboard_and_the_documentation_name_metrics_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    sources(&root.join("src"), &mut code);
    for file in ["docker/grafana/anima.json", "docs/operations.md"] {
        let text = fs::read_to_string(root.join(file)).unwrap();
        let is_name = |letter: char| letter.is_ascii_lowercase() || letter == '_';
        let names = text.split(|letter: char| !is_name(letter));
        let names: BTreeSet<_> = names.filter(|word| word.starts_with("anima_")).collect();
        assert!(names.len() > 10, "{file}: {names:?}");
        for name in names {
            let name = name.strip_suffix("_bucket").unwrap_or(name);
            assert!(
                code.contains(&format!("\"{name}\"")),
                "{file} names {name}, which nobody tells"
            );
        }
    }
}

#[test]
fn the_example_for_kubernetes_is_a_configuration_that_asks_for_keys() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = fs::read_to_string(root.join("docker/kubernetes.yaml")).unwrap();
    let (_, rest) = example.split_once("kubernetes.toml: |\n").unwrap();
    let (profile, _) = rest.split_once("---\n").unwrap();
    let profile: Vec<_> = profile.lines().map(str::trim_start).collect();
    let folder = tempfile::tempdir().unwrap();
    fs::copy(root.join("config/base.toml"), folder.path().join("base.toml")).unwrap();
    fs::write(folder.path().join("kubernetes.toml"), profile.join("\n")).unwrap();
    let settings = Settings::load(folder.path(), "kubernetes", &Overrides::default()).unwrap();
    assert!(settings.asks_for_keys() && !settings.server.host.is_loopback());
    // It has as long as it needs to end.
    let grace = example.split_once("terminationGracePeriodSeconds: ").unwrap().1;
    let grace: u64 = grace.lines().next().unwrap().parse().unwrap();
    assert!(grace * 1000 > settings.server.drain_ms + 10_000);
}
