//! Settings that cannot be used are said in one line that names the key.

use serde_json::{Value, json};

use crate::support::Kind;

fn refused(kind: Kind, settings: Value) -> String {
    kind.with(settings).err().expect("these settings are refused").to_string()
}

#[test]
fn what_is_wrong_is_said_with_its_key() {
    let base = "http://127.0.0.1:1/v1";
    let (openai, glm, gemini) = (Kind::OpenAi, Kind::ChatGlm, Kind::Gemini);
    for (kind, settings, key) in [
        (openai, json!({ "base_url": base }), "model:"),
        (openai, json!({ "model": "m" }), "api_key_env:"),
        (glm, json!({ "model": "m" }), "api_key_env:"),
        (gemini, json!({ "model": "m" }), "api_key_env:"),
        (
            openai,
            json!({ "model": "m", "api_key_env": "ABSENT" }),
            "api_key_env: the variable ABSENT",
        ),
        (
            openai,
            json!({ "model": "m", "api_key_env": "KEY", "api_key_file": "f" }),
            "api_key_file:",
        ),
        (openai, json!({ "model": "m", "base_url": base, "tempreture": 1 }), "tempreture:"),
        (openai, json!({ "model": "m", "base_url": base, "api_key": "x" }), "api_key: keep"),
        (gemini, json!({ "model": "m", "base_url": base, "organization": "x" }), "organization:"),
        (
            glm,
            json!({ "model": "m", "base_url": base, "sampling": { "top_p": 2 } }),
            "sampling.top_p:",
        ),
        (openai, json!({ "model": "m", "base_url": base, "max_concurrent": 0 }), "max_concurrent:"),
        (openai, json!({ "model": "m", "base_url": base, "queue": 0 }), "queue:"),
        (openai, json!({ "model": "m", "base_url": base, "omit": ["temprature"] }), "omit:"),
        (
            openai,
            json!({ "model": "m", "base_url": base, "extra": { "messages": [] } }),
            "extra.messages:",
        ),
        (openai, json!({ "model": "m", "base_url": "localhost:8000" }), "base_url:"),
        (openai, json!({ "model": "m", "base_url": "http://h/v1?key=x" }), "base_url:"),
        (openai, json!({ "model": "m", "base_url": base, "proxy": "no proxy" }), "proxy:"),
        (
            openai,
            json!({ "model": "m", "base_url": base, "headers": { "a b": "x" } }),
            "headers.a b:",
        ),
        (
            openai,
            json!({ "model": "m", "api_key_env": "KEY", "azure": { "deployment": "d", "api_version": "v" } }),
            "base_url:",
        ),
        (
            openai,
            json!({
                "base_url": base, "api": "responses",
                "azure": { "deployment": "d", "api_version": "v" },
            }),
            "azure: goes with api",
        ),
        (
            openai,
            json!({ "model": "m", "base_url": base, "api": "responses", "extended_sampling": true }),
            "extended_sampling:",
        ),
        (
            openai,
            json!({ "model": "m", "base_url": base, "api": "responses", "extra": { "input": [] } }),
            "extra.input:",
        ),
        (glm, json!({ "model": "m", "api_key_file": "no dot", "auth": "token" }), "api_key_env:"),
    ] {
        let message = refused(kind, settings.clone());
        assert!(message.starts_with(key), "{settings}: {message}");
    }
}
