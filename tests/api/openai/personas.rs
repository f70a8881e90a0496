//! A model that is a persona goes through everything that a turn does.

use anima_provider::{Role, Script};
use reqwest::StatusCode;
use serde_json::json;

use super::{PATH, choice, chunks, tools, whole, with};
use crate::{
    helpers::{TestApp, error},
    providers::{ANSWER, SENTENCES, assistant, conversation, playing, system, user},
};

#[tokio::test]
async fn a_persona_speaks_as_it_does_everywhere() {
    let long = "[joy]这是第一句。这是第二句，而且相当地长，比二十五个字要长得多得多。这是第三句。";
    let scripts = [ANSWER, ANSWER, long].map(|text| Script::saying(["<think>hm</think>", text]));
    let provider = playing("far", scripts);
    let app = TestApp::start(vec![provider.clone()]).await;
    let call = json!({ "model": "lingxi", "messages": [
        { "role": "system", "content": "The museum closes at five." },
        { "role": "user", "content": "你好" },
        { "role": "assistant", "content": "你好呀。" },
        { "role": "user", "content": "如何应对压力" },
    ] });
    let told = whole(&app, &call).await;
    assert_eq!(told["model"], "lingxi");
    let message = json!({ "role": "assistant", "content": SENTENCES.concat(), "refusal": null });
    assert_eq!(choice(&told)["message"], message);
    let asked = &provider.requests()[0];
    assert_eq!(conversation(asked), [user("你好"), assistant("你好呀。"), user("如何应对压力")]);
    assert!(
        system(asked).contains("灵犀") && system(asked).contains("closes at five"),
        "{}",
        system(asked)
    );
    assert_eq!(conversation(asked).last().unwrap().0, Role::User);

    let mut streamed = call.clone();
    streamed["stream"] = json!(true);
    let told = chunks(&app, &streamed).await;
    let texts: Vec<_> =
        told.iter().filter_map(|chunk| choice(chunk)["delta"]["content"].as_str()).collect();
    assert_eq!(texts, [&[""], SENTENCES.as_slice()].concat());

    let short = whole(&app, &call).await;
    let text = choice(&short)["message"]["content"].as_str().unwrap();
    assert!(text.starts_with("这是第一句。") && !text.contains("第三句"), "{text}");
}

#[tokio::test]
async fn what_a_persona_does_not_do_is_refused() {
    let app = TestApp::start(vec![playing("far", [])]).await;
    let image = json!([{ "role": "assistant", "content": "你好" }]);
    for (parameters, param, code) in [
        (json!({ "tools": tools() }), "tools", "unsupported"),
        (json!({ "response_format": { "type": "json_object" } }), "response_format", "unsupported"),
        (json!({ "logprobs": true }), "logprobs", "unsupported"),
        (json!({ "seed": 1 }), "seed", "unsupported"),
        (json!({ "messages": image }), "messages", "invalid_value"),
        (json!({ "messages": " " }), "messages", "empty_input"),
    ] {
        let mut call = with(parameters);
        call["model"] = json!("lingxi");
        let error = error(app.post(PATH, &call).await, StatusCode::BAD_REQUEST).await;
        assert_eq!((&error["param"], &error["code"]), (&json!(param), &json!(code)), "{error}");
    }
}
