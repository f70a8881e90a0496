//! How providers are doing, as operators see it: `/admin/providers` and `anima providers`.

use std::process::Output;

use anima_provider::{Script, Step};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    client::Client,
    helpers::{TestApp, error, once_each},
    providers::{ANSWER, answering, playing, unavailable},
};

/// A service whose first provider has failed once, so that the second one has answered.
async fn app() -> TestApp {
    let broken = playing("broken", [Script::admitted().then(Step::Fail(unavailable()))]);
    let app = TestApp::start_with(vec![broken, answering("steady", ANSWER)], |settings| {
        once_each(settings);
        settings.turn.breaker.failures = 1;
        settings.turn.breaker.open_ms = 30_000;
    })
    .await;
    let (mut client, _) = Client::join(&app, "").await;
    client.ask("one", "你好").await.finished("complete");
    app
}

async fn anima_providers(port: u16, arguments: &[&str]) -> Output {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/config");
    let mut command = Command::new(env!("CARGO_BIN_EXE_anima"));
    command.args(["providers", "--config", config, "--port", &port.to_string()]);
    command.args(arguments).output().await.unwrap()
}

#[tokio::test]
async fn the_state_of_every_provider_is_told_on_this_machine() {
    let app = app().await;
    let told = app.get("/admin/providers").await;
    let (broken, steady) = (&told["providers"][0], &told["providers"][1]);
    assert_eq!((&broken["name"], &steady["name"]), (&json!("broken"), &json!("steady")));
    assert_eq!(broken["breaker"]["state"], "open");
    assert_eq!(broken["breaker"]["cause"], "unavailable");
    assert!((20_000..=30_000).contains(&broken["breaker"]["remaining_ms"].as_u64().unwrap()));
    assert_eq!((&broken["attempts"], &broken["failures"]), (&json!(1), &json!(1)));
    assert_eq!(broken["last_error"]["message"], "broken: the provider is unavailable");
    assert_eq!(steady["breaker"], json!({ "state": "closed" }));
    assert_eq!(steady["endings"], json!({ "answered": 1 }));
    assert_eq!(steady["model"], "scripted");
    assert_eq!(steady["first_token"]["count"], 1);
    assert_eq!((&steady["in_flight"], &steady["queued"]), (&json!(0), &json!(0)));
    let forwarded = app.request(Method::GET, "/admin/providers").header("x-real-ip", "192.0.2.1");
    error(forwarded.send().await.unwrap(), StatusCode::FORBIDDEN).await;
}

#[tokio::test]
async fn the_command_shows_a_table_or_json_once_where_there_is_no_terminal() {
    let app = app().await;
    let shown = anima_providers(app.address.port(), &[]).await;
    assert!(shown.status.success(), "{shown:?}");
    let text = String::from_utf8(shown.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("NAME") && lines[0].ends_with("FAILED"), "{text}");
    assert!(lines[1].starts_with("broken") && lines[1].contains("open "), "{text}");
    assert!(lines[2].contains("broken: the provider is unavailable"), "{text}");
    assert!(lines[3].starts_with("steady") && lines[3].contains("ready"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    let shown = anima_providers(app.address.port(), &["--json"]).await;
    let told: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(told["providers"][1]["name"], "steady");
}

#[tokio::test]
async fn where_no_service_runs_the_command_says_how_to_start_one() {
    let app = app().await;
    let port = app.address.port();
    app.stop().await;
    let shown = anima_providers(port, &[]).await;
    assert!(!shown.status.success());
    let told = String::from_utf8(shown.stderr).unwrap();
    assert!(told.contains("no service listens") && told.contains("anima serve"), "{told}");
}
