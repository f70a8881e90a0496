//! Secrets go to the server and nowhere else.

use std::{error::Error, fmt::Write, sync::Mutex};

use anima_provider::Provider;
use anima_remote::{ChatGlmSettings, GeminiSettings, OpenAiSettings, RemoteProvider, SecretSource};
use anima_upstream::{Plan, Upstream};
use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use futures::StreamExt;
use serde_json::{Value, json};
use tracing_subscriber::{
    EnvFilter, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::support::question;

/// An error with everything under it, in both forms.
fn told(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        write!(text, "{error} {error:?} ").unwrap();
        next = error.source();
    }
    text
}

/// Makes a provider of the kind and gives what its settings look like to a debugger.
fn provider(kind: &str, settings: Value, key: &str) -> (Result<RemoteProvider, String>, String) {
    let reveal = |source: SecretSource<'_>| match source {
        SecretSource::Variable(name) => Ok(format!("{key}-{name}").into()),
        SecretSource::File(path) => Err(format!("{} cannot be read", path.display())),
    };
    let read = |error: serde_json::Error| error.to_string();
    let made =
        |made: Result<RemoteProvider, anima_remote::SetupError>| made.map_err(|error| told(&error));
    match kind {
        "openai" => match serde_json::from_value::<OpenAiSettings>(settings).map_err(read) {
            Ok(settings) => {
                let shown = format!("{settings:?}");
                (made(RemoteProvider::openai("it", settings, &reveal)), shown)
            }
            Err(error) => (Err(error), String::new()),
        },
        "gemini" => match serde_json::from_value::<GeminiSettings>(settings).map_err(read) {
            Ok(settings) => {
                let shown = format!("{settings:?}");
                (made(RemoteProvider::gemini("it", settings, &reveal)), shown)
            }
            Err(error) => (Err(error), String::new()),
        },
        _ => match serde_json::from_value::<ChatGlmSettings>(settings).map_err(read) {
            Ok(settings) => {
                let shown = format!("{settings:?}");
                (made(RemoteProvider::chatglm("it", settings, &reveal)), shown)
            }
            Err(error) => (Err(error), String::new()),
        },
    }
}

#[tokio::test]
async fn thirty_secrets_are_in_no_error_no_log_and_no_debug_output() {
    static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    tracing_subscriber::registry()
        .with(EnvFilter::new("trace"))
        .with(tracing_subscriber::fmt::layer().with_writer(|| LOG.make_writer()).with_ansi(false))
        .init();
    let (mut canaries, mut encoded) = (Vec::new(), Vec::new());
    let mut canary = || {
        canaries.push(format!("canary.{:04x}sing", canaries.len() * 7919));
        canaries.last().unwrap().clone()
    };
    let mut seen = String::new();
    let mut asked = 0;
    for (kind, path) in [("openai", "/v1"), ("gemini", "/v1beta"), ("chatglm", "/api/paas/v4")] {
        for variant in ["", "responses", "token"] {
            let asks =
                matches!((kind, variant), (_, "") | ("openai", "responses") | ("chatglm", "token"));
            if !asks {
                continue;
            }
            let upstream = Upstream::start(Plan::default()).await.unwrap();
            let proxy = upstream.address();
            let base = upstream.url(path);
            let password = canary();
            encoded.push(BASE64.encode(format!("me:{password}")));
            let mut settings = json!({
                "model": "m", "base_url": base, "api_key_env": "KEY",
                "proxy": format!("http://me:{password}@{proxy}"),
                "headers": { "x-one": canary(), "x-two": { "env": "TWO" } },
            });
            match variant {
                "responses" => settings["api"] = json!("responses"),
                "token" => settings["auth"] = json!("token"),
                _ => {}
            }
            let (made, shown) = provider(kind, settings.clone(), &canary());
            seen.push_str(&shown);
            let made = made.unwrap();
            for fault in
                ["none", "echo", "status-500", "html", "broken-1", "reset-1", "redirect", "error-0"]
            {
                upstream.set_plan(Plan::failing(fault.parse().unwrap()));
                let events: Vec<_> = made.generate(question("one")).await.unwrap().collect().await;
                for error in events.iter().filter_map(|event| event.as_ref().err()) {
                    seen.push_str(&told(error));
                }
                asked += 1;
            }
            // Settings in which a secret stands where none belongs.
            for (key, value) in [
                ("base_url", json!(format!("https://me:{}@example.org/v1", canary()))),
                ("base_url", json!(format!("https://example.org/v1?key={}", canary()))),
                ("base_url", json!(format!("{}@example", canary()))),
                ("proxy", json!(format!("not a proxy {}", canary()))),
                ("headers", json!(canary())),
                ("headers", json!({ "x-three": [canary()] })),
                ("headers", json!({ "x-three": format!("{}\n", canary()) })),
            ] {
                let mut settings = settings.clone();
                settings[key] = value;
                let (made, shown) = provider(kind, settings, &canary());
                seen.push_str(&shown);
                seen.push_str(&made.err().expect("these settings are refused"));
            }
        }
    }
    let log = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    assert!(log.contains("A provider said"), "the log is not looked at");
    assert!(asked == 40 && canaries.len() >= 30, "{asked} {}", canaries.len());
    for canary in canaries.iter().chain(&encoded) {
        assert!(!seen.contains(canary.as_str()), "{canary} in {seen}");
        let line = log.lines().find(|line| line.contains(canary.as_str()));
        assert!(line.is_none(), "{canary} in {line:?}");
    }
    // The tokens that are made of keys are secrets, too.
    let token = "eyJhbGciOiJIUzI1NiIs";
    assert!(!seen.contains(token) && !log.contains(token));
}
