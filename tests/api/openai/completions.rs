//! `/v1/completions`: texts that are gone on with.

use std::sync::Arc;

use anima_provider::{
    Capabilities, FinishReason, Input, Message, ProviderEvent, Role, Script, ScriptedProvider,
    TextPart, Usage,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{capable, event, events, token};
use crate::{
    helpers::{TestApp, error, json},
    providers::{ANSWER, SENTENCES, answering, playing},
};

const PATH: &str = "/v1/completions";

async fn whole(app: &TestApp, call: &Value) -> Value {
    json(app.post(PATH, call).await, StatusCode::OK).await
}

fn texts(whole: &Value) -> Vec<(u64, &str)> {
    let choices = whole["choices"].as_array().unwrap();
    let text = |choice: &'_ Value| choice["index"].as_u64().unwrap();
    choices.iter().map(|choice| (text(choice), choice["text"].as_str().unwrap())).collect()
}

/// A model that takes finished prompts only.
fn base(scripts: impl IntoIterator<Item = Script>) -> Arc<ScriptedProvider> {
    let capabilities = Capabilities { text: true, ..Capabilities::default() };
    Arc::new(ScriptedProvider::playing("base", scripts).with_capabilities(capabilities))
}

fn as_message(prompt: &str) -> Input {
    Input::Chat { system: None, messages: vec![Message::new(Role::User, prompt)] }
}

fn as_it_stands(prompt: &str) -> Input {
    Input::Text { parts: vec![TextPart::Template(prompt.to_owned())] }
}

#[tokio::test]
async fn a_prompt_is_wrapped_for_models_that_converse_and_raw_for_others() {
    let saying = || (0..3).map(|_| Script::saying(["ok"]));
    let (tuned, base) = (playing("tuned", saying()), base(saying()));
    let app = TestApp::start(vec![tuned.clone(), base.clone()]).await;
    for (model, raw, input) in [
        ("tuned", Value::Null, as_message("<s>你好")),
        ("tuned", json!(false), as_message("<s>你好")),
        ("tuned", json!(true), as_it_stands("<s>你好")),
        ("base", Value::Null, as_it_stands("<s>你好")),
        ("base", json!(true), as_it_stands("<s>你好")),
    ] {
        let told = whole(&app, &json!({ "model": model, "prompt": "<s>你好", "raw": raw })).await;
        assert_eq!((&told["object"], &told["model"]), (&json!("text_completion"), &json!(model)));
        let provider = if model == "tuned" { &tuned } else { &base };
        assert_eq!(provider.requests().pop().unwrap().input, input, "{model} {raw}");
    }
    // Who only takes prompts as they stand is asked no other way.
    let call = json!({ "model": "base", "prompt": "a", "raw": false });
    let refused = error(app.post(PATH, &call).await, StatusCode::BAD_REQUEST).await;
    assert_eq!((&refused["code"], base.requests().len()), (&json!("unsupported"), 2));
}

#[tokio::test]
async fn an_answer_has_the_shape_of_a_completion() {
    let provider = playing("far", [Script::saying(["<think>hm</think>", "one ", "two"])]);
    let app = TestApp::start(vec![provider.clone()]).await;
    let call =
        json!({ "prompt": "a", "max_tokens": 7, "temperature": 0, "best_of": 1, "suffix": null });
    let told = whole(&app, &call).await;
    assert!(told["id"].as_str().unwrap().starts_with("cmpl-"), "{told}");
    assert!(told["created"].is_i64(), "{told}");
    let choice =
        json!({ "index": 0, "text": "one two", "logprobs": null, "finish_reason": "stop" });
    assert_eq!(told["choices"], json!([choice]));
    let usage = json!({ "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 });
    assert_eq!(told["usage"], usage);
    let sampling = &provider.requests()[0].sampling;
    assert_eq!((sampling.max_tokens, sampling.temperature), (Some(7), Some(0.0)));
}

#[tokio::test]
async fn several_prompts_have_several_answers_each() {
    let saying = |text: &str| {
        let usage = Usage { prompt_tokens: 5, completion_tokens: 2, estimated: false };
        let done = ProviderEvent::Done { reason: FinishReason::Length, usage: Some(usage) };
        Script::admitted().text(text).then(event(done))
    };
    let scripts = ["1", "2", "3", "4", "5", "6", "7", "8"].map(saying);
    let app = TestApp::start(vec![playing("far", scripts)]).await;
    let call = json!({ "prompt": ["a", "b"], "n": 2, "best_of": 2, "echo": true });
    let told = whole(&app, &call).await;
    assert_eq!(texts(&told), [(0, "a1"), (1, "a2"), (2, "b3"), (3, "b4")]);
    // Two prompts, and four answers.
    let usage = json!({ "prompt_tokens": 10, "completion_tokens": 8, "total_tokens": 18 });
    assert_eq!(told["usage"], usage);
    assert_eq!(told["choices"][3]["finish_reason"], "length");

    let mut call = call;
    call["stream"] = json!(true);
    call["stream_options"] = json!({ "include_usage": true });
    let mut told = events(app.post(PATH, &call).await).await;
    assert_eq!(told.pop().as_deref(), Some("[DONE]"));
    let mut told: Vec<Value> =
        told.iter().map(|data| serde_json::from_str(data).unwrap()).collect();
    let last = told.pop().unwrap();
    assert_eq!((&last["choices"], &last["usage"]), (&json!([]), &usage));
    let pieces: Vec<_> = told.iter().flat_map(texts).collect();
    let expected = [
        (0, "a"),
        (0, "5"),
        (0, ""),
        (1, "a"),
        (1, "6"),
        (1, ""),
        (2, "b"),
        (2, "7"),
        (2, ""),
        (3, "b"),
        (3, "8"),
        (3, ""),
    ];
    assert_eq!(pieces, expected);
    for chunk in &told {
        assert_eq!((&chunk["id"], &chunk["object"]), (&told[0]["id"], &json!("text_completion")));
        assert!(chunk["usage"].is_null() && chunk["model"] == "far", "{chunk}");
    }
}

#[tokio::test]
async fn logprobs_have_the_form_of_completions() {
    let script = || {
        Script::admitted()
            .then(event(ProviderEvent::Logprobs(vec![token("你")])))
            .text("你")
            .then(event(ProviderEvent::Logprobs(vec![token("好吗")])))
            .text("好吗")
            .then(event(ProviderEvent::Logprobs(vec![token("。")])))
            .done(FinishReason::Stop)
    };
    let provider = capable([script(), script()]);
    let app = TestApp::start(vec![provider.clone()]).await;
    let told = whole(&app, &json!({ "prompt": "a", "logprobs": 1 })).await;
    let expected = json!({
        "tokens": ["你", "好吗", "。"], "token_logprobs": [-0.5, -0.5, -0.5],
        "top_logprobs": [{ "您": -1.5 }, { "您": -1.5 }, { "您": -1.5 }], "text_offset": [0, 1, 3],
    });
    assert_eq!(told["choices"][0]["logprobs"], expected);
    assert_eq!(provider.requests()[0].logprobs, Some(1));
    let call = json!({ "prompt": "a", "logprobs": 0, "stream": true });
    let told = events(app.post(PATH, &call).await).await;
    let offsets = told.iter().filter_map(|data| serde_json::from_str::<Value>(data).ok());
    let offsets: Vec<_> =
        offsets.map(|chunk| chunk["choices"][0]["logprobs"]["text_offset"].clone()).collect();
    assert_eq!(offsets, [json!([0]), json!([1]), json!([3])]);
}

#[tokio::test]
async fn a_persona_answers_a_prompt_as_a_person() {
    let provider = playing("far", [Script::saying([ANSWER])]);
    let app = TestApp::start(vec![provider]).await;
    let told = whole(&app, &json!({ "model": "lingxi", "prompt": "如何应对压力" })).await;
    assert_eq!(texts(&told), [(0, SENTENCES.concat().as_str())]);
    assert_eq!(told["model"], "lingxi");
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let app = TestApp::start(vec![answering("far", "好。")]).await;
    let missing = "missing_required_parameter";
    let (value, type_, unsupported) = ("invalid_value", "invalid_type", "unsupported");
    for (call, code, param) in [
        (json!({}), missing, "prompt"),
        (json!({ "prompt": null }), missing, "prompt"),
        (json!({ "prompt": [] }), value, "prompt"),
        (json!({ "prompt": vec!["a"; 17] }), value, "prompt"),
        (json!({ "prompt": 7 }), type_, "prompt"),
        (json!({ "prompt": [{}] }), type_, "prompt"),
        (json!({ "prompt": [1, 2] }), unsupported, "prompt"),
        (json!({ "prompt": [[1, 2]] }), unsupported, "prompt"),
        (json!({ "prompt": "a", "suffix": "b" }), unsupported, "suffix"),
        (json!({ "prompt": "a", "echo": "yes" }), type_, "echo"),
        (json!({ "prompt": "a", "raw": 1 }), type_, "raw"),
        (json!({ "prompt": "a", "raw": true, "model": "lingxi" }), unsupported, "raw"),
        (json!({ "prompt": "", "model": "lingxi" }), "empty_input", "prompt"),
        (json!({ "prompt": "a", "logprobs": true }), type_, "logprobs"),
        (json!({ "prompt": "a", "logprobs": 21 }), value, "logprobs"),
        (json!({ "prompt": "a", "logprobs": 1, "echo": true }), unsupported, "logprobs"),
        (json!({ "prompt": "a", "best_of": 2 }), unsupported, "best_of"),
        (json!({ "prompt": "a", "num_beams": 2 }), unsupported, "num_beams"),
        (json!({ "prompt": "a", "max_tokens": 0 }), value, "max_tokens"),
        (json!({ "prompt": "a", "n": 11 }), value, "n"),
    ] {
        let error = error(app.post(PATH, &call).await, StatusCode::BAD_REQUEST).await;
        assert_eq!((&error["code"], &error["param"]), (&json!(code), &json!(param)), "{call}");
    }
    let wrong = app.request(Method::GET, PATH).send().await.unwrap();
    assert_eq!(wrong.headers()["allow"], "POST");
    let unknown = app.post(PATH, &json!({ "prompt": "a", "model": "fra" })).await;
    assert_eq!(error(unknown, StatusCode::NOT_FOUND).await["code"], "model_not_found");
}
