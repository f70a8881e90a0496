//! Models on servers: their failures before the first sentence are nobody's business, and after it
//! nobody else's. The server is a stand-in that fails to order.

use std::{path::Path, process::Command, sync::Arc, time::Duration};

use anima_provider::Provider;
use anima_remote::RemoteProvider;
use anima_upstream::{Plan, Upstream};
use serde_json::{Value, json};

use crate::{
    client::Client,
    helpers::{TestApp, eventually, once_each},
    providers::{ANSWER, SENTENCES, answering},
};

/// What the server says: two sentences, and a third one begun, with the fourth piece.
pub(crate) const PIECES: [&str; 5] =
    ["[joy]我是", "远方的模型，", "正在回答你。", "今天", "天气很好。"];

/// The kinds and where each finds its server on the stand-in; `responses` is the other API of `openai`.
const KINDS: [(&str, &str); 4] =
    [("openai", "/v1"), ("responses", "/v1"), ("gemini", "/v1beta"), ("chatglm", "/api/paas/v4")];

pub(crate) fn plan(fault: &str) -> Plan {
    Plan { fault: fault.parse().unwrap(), ..Plan::saying(PIECES) }
}

pub(crate) fn remote(kind: &str, base: &str) -> Arc<dyn Provider> {
    let mut settings = json!({ "model": "far", "base_url": base, "api_key_env": "KEY" });
    if kind == "responses" {
        settings["api"] = json!("responses");
    }
    let reveal = |_: anima_remote::SecretSource<'_>| Ok("key-of-the-tests".to_owned().into());
    let provider = match kind {
        "openai" | "responses" => RemoteProvider::openai(kind, read(settings), &reveal),
        "gemini" => RemoteProvider::gemini(kind, read(settings), &reveal),
        _ => RemoteProvider::chatglm(kind, read(settings), &reveal),
    };
    Arc::new(provider.unwrap())
}

fn read<T: serde::de::DeserializeOwned>(settings: Value) -> T {
    serde_json::from_value(settings).unwrap()
}

/// A service that asks a server first and a good model then.
async fn service(kind: &str, path: &str, patience: Duration) -> (Upstream, TestApp) {
    let upstream = Upstream::start(plan("none")).await.unwrap();
    let providers = vec![remote(kind, &upstream.url(path)), answering("good", ANSWER)];
    (upstream, TestApp::start_patiently_with(providers, patience, once_each).await)
}

#[tokio::test]
async fn a_model_on_a_server_answers_like_any_other() {
    for (kind, path) in KINDS {
        let (upstream, app) = service(kind, path, Duration::from_secs(5)).await;
        let (mut client, _) = Client::join(&app, "").await;
        let told = client.ask("one", "你好").await;
        assert_eq!(told.all("started")[0]["provider"], kind);
        assert_eq!(told.all("started")[0]["model"], "far");
        assert_eq!(told.finished("complete"), PIECES.concat().replace("[joy]", ""));
        assert_eq!(told.all("sentence")[0]["emotion"], "joy");
        assert!(told.end()["usage"]["completion_tokens"].is_u64(), "{}", told.end());
        // The next turn shows the server what was said.
        client.ask("two", "还有吗").await.finished("complete");
        let body = upstream.recorded().last().unwrap().body.to_string();
        assert!(body.contains("远方的模型") && body.contains("还有吗"), "{body}");
    }
}

#[tokio::test]
async fn whatever_a_server_does_before_the_first_sentence_another_model_answers() {
    for (kind, path) in KINDS {
        let (upstream, app) = service(kind, path, Duration::from_millis(500)).await;
        let (mut client, _) = Client::join(&app, "").await;
        for fault in [
            "status-400",
            "status-401",
            "status-403",
            "status-404",
            "status-429",
            "status-500",
            "status-502",
            "status-503",
            "html",
            "redirect",
            "wrong-type",
            "silence",
            "stall-0",
            "stall-1",
            "broken-0",
            "broken-1",
            "reset-0",
            "reset-1",
            "fin-0",
            "fin-1",
            "cut-0",
            "cut-1",
            "error-0",
            "error-1",
            "empty",
            "no-text",
            "huge-line",
        ] {
            upstream.set_plan(plan(fault));
            let before = upstream.stats().requests;
            let told = client.ask(&format!("{kind}:{fault}"), "你好").await;
            assert_eq!(told.all("started")[0]["provider"], "good", "{kind} {fault}");
            assert_eq!(told.finished("complete"), SENTENCES.concat(), "{kind} {fault}");
            assert_eq!(upstream.stats().requests, before + 1, "{kind} {fault}: asked once");
        }
        drop(upstream);
        let told = client.ask(&format!("{kind}:refused"), "你好").await;
        assert_eq!(told.finished("complete"), SENTENCES.concat(), "{kind}: nobody at the address");
    }
}

#[tokio::test]
async fn whatever_a_server_does_after_the_first_sentence_the_turn_fails_unspliced() {
    for (kind, path) in KINDS {
        let (upstream, app) = service(kind, path, Duration::from_secs(2)).await;
        let (mut client, session) = Client::join(&app, "").await;
        for (fault, code) in [
            ("broken-4", "provider_unavailable"),
            ("reset-4", "provider_unavailable"),
            ("fin-4", "provider_unavailable"),
            ("cut-4", "provider_unavailable"),
            ("error-4", "provider_unavailable"),
            ("stall-4", "provider_timeout"),
        ] {
            upstream.set_plan(plan(fault));
            let told = client.ask(&format!("{kind}:{fault}"), "你好").await;
            assert_eq!(told.failed(), code, "{kind} {fault}");
            assert_eq!(told.all("started")[0]["provider"], kind, "{kind} {fault}");
            let said = told.texts("sentence").concat();
            assert_eq!(said, "我是远方的模型，正在回答你。", "{kind} {fault}");
            let exchange = app.exchanges(&session).await.pop().unwrap();
            assert_eq!(exchange["state"], "failed", "{kind} {fault}");
        }
    }
}

#[tokio::test]
async fn what_a_server_refuses_on_grounds_of_content_nobody_else_is_asked() {
    for (kind, path) in KINDS {
        let (upstream, app) = service(kind, path, Duration::from_secs(5)).await;
        let (mut client, _) = Client::join(&app, "").await;
        upstream.set_plan(plan("blocked"));
        assert_eq!(client.ask("one", "你好").await.failed(), "content_filter", "{kind}");
        upstream.set_plan(plan("filtered-4"));
        let told = client.ask("two", "你好").await;
        assert_eq!(told.finished("filtered"), "我是远方的模型，正在回答你。今天", "{kind}");
    }
}

#[tokio::test]
async fn an_interruption_closes_the_connection_to_the_server() {
    for (kind, path) in KINDS {
        let (upstream, app) = service(kind, path, Duration::from_mins(1)).await;
        let (mut client, _) = Client::join(&app, "").await;
        upstream.set_plan(plan("stall-4"));
        client.say("one", "你好").await;
        client.sentences("one", 2).await;
        assert_eq!(upstream.stats().open, 1);
        client.send(&json!({ "type": "interrupt" })).await;
        client.next_of_type("heard").await;
        eventually("the connection is closed", || upstream.stats().open == 0).await;
    }
}

#[test]
fn the_configuration_is_shown_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/base.toml");
    std::fs::copy(base, folder.path().join("base.toml")).unwrap();
    let secrets = r#"
        [providers.chatgpt]
        kind = "openai"
        model = "gpt-4o-mini"
        api_key_env = "OPENAI_API_KEY"
        proxy = "http://me:canary-1@127.0.0.1:3128"
        headers = { x-one = "canary-2", x-two = { env = "TEAM_KEY" } }
        [providers.gemini]
        kind = "gemini"
        base_url = "https://canary-3@example.org/v1beta?key=canary-4"
        api_key_env = "canary-5"
        extra = { generationConfig = { thinkingConfig = { thinkingBudget = 0 } } }
        [providers.chatglm]
        kind = "chatglm"
        api_key = "canary-6"
        headers = "canary-7"
    "#;
    std::fs::write(folder.path().join("local.toml"), secrets).unwrap();
    let mut anima = Command::new(env!("CARGO_BIN_EXE_anima"));
    let shown = anima.arg("config").arg("--config").arg(folder.path()).output().unwrap();
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    assert!(!text.contains("canary"), "{text}");
    for kept in ["OPENAI_API_KEY", "TEAM_KEY", "thinkingBudget", "***@127.0.0.1:3128"] {
        assert!(text.contains(kept), "{kept} is not in {text}");
    }
}
