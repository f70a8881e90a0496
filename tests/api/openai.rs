//! `/v1/chat/completions`, `/v1/completions`, `/v1/embeddings` and `/v1/models`, as callers of `OpenAI`'s API use them.

mod beside;
mod completions;
mod embeddings;
mod inputs;
mod models;
mod personas;
mod pictures;
mod streams;
mod upstream;

use std::sync::Arc;

use anima_provider::{
    Capabilities, FinishReason, Image, Input, LaneId, Likelihood, Message, Output, OutputKinds,
    ProviderEvent, Role, Script, ScriptedProvider, Step, TokenLogprob, ToolCall, ToolChoice,
    ToolDelta, Usage,
};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::{
    helpers::{TestApp, error, json},
    providers::{answering, failing, playing},
};

const PATH: &str = "/v1/chat/completions";

/// A question to nobody in particular.
fn question() -> Value {
    json!({ "messages": [{ "role": "user", "content": "你好" }] })
}

/// The same with further parameters.
fn with(parameters: Value) -> Value {
    let mut call = question();
    let Value::Object(parameters) = parameters else { panic!("no parameters: {parameters}") };
    for (name, value) in parameters {
        call[name] = value;
    }
    call
}

/// A model that can do everything.
fn capable(scripts: impl IntoIterator<Item = Script>) -> Arc<ScriptedProvider> {
    let capabilities = Capabilities {
        chat: true,
        text: true,
        images: true,
        tools: true,
        outputs: OutputKinds { json_object: true, json_schema: true, regex: true },
        logprobs: true,
        extra: true,
        ..Capabilities::default()
    };
    let provider = ScriptedProvider::playing("capable", scripts);
    Arc::new(provider.with_capabilities(capabilities))
}

fn event(event: ProviderEvent) -> Step {
    Step::Event(event)
}

/// A call to a function, in three pieces.
fn calling() -> Script {
    let piece = |id: Option<&str>, arguments: &str| {
        event(ProviderEvent::Tool(ToolDelta {
            index: 0,
            id: id.map(str::to_owned),
            name: id.map(|_| "weather".to_owned()),
            arguments: arguments.to_owned(),
        }))
    };
    Script::admitted()
        .then(piece(Some("call-1"), ""))
        .then(piece(None, "{\"city\":"))
        .then(piece(None, "\"北京\"}"))
        .done(FinishReason::ToolCalls)
}

fn tools() -> Value {
    json!([{ "type": "function", "function": {
        "name": "weather", "description": "tells the weather", "strict": true,
        "parameters": { "type": "object", "properties": { "city": { "type": "string" } } },
    } }])
}

fn token(text: &str) -> TokenLogprob {
    let likelihood = |token: &str, logprob| Likelihood {
        token: token.to_owned(),
        logprob,
        bytes: Some(token.as_bytes().to_vec()),
    };
    TokenLogprob { token: likelihood(text, -0.5), top_logprobs: vec![likelihood("您", -1.5)] }
}

/// The only answer.
fn choice(whole: &Value) -> &Value {
    assert_eq!(whole["choices"].as_array().unwrap().len(), 1, "{whole}");
    &whole["choices"][0]
}

async fn whole(app: &TestApp, call: &Value) -> Value {
    json(app.post(PATH, call).await, StatusCode::OK).await
}

/// The data of a stream's events.
async fn events(response: Response) -> Vec<String> {
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
    let text = response.text().await.unwrap();
    let frames = text.split_terminator("\n\n").filter(|frame| !frame.starts_with(':'));
    frames.map(|frame| frame.strip_prefix("data: ").expect(frame).to_owned()).collect()
}

/// The chunks of a stream that ends in order.
async fn chunks(app: &TestApp, call: &Value) -> Vec<Value> {
    let mut events = events(app.post(PATH, call).await).await;
    assert_eq!(events.pop().as_deref(), Some("[DONE]"));
    events.iter().map(|event| serde_json::from_str(event).unwrap()).collect()
}

#[tokio::test]
async fn an_answer_is_passed_on_as_the_model_wrote_it() {
    let text = "[joy]**你好**😊\n\n1. one <b>two</b> <think>three</think> — 这是一句很长很长很长很长很长很长很长很长的话。  ";
    let provider = playing("far", [Script::saying(["<think>hm", "m</think>\n", text])]);
    let app = TestApp::start(vec![provider.clone()]).await;
    let whole =
        whole(&app, &with(json!({ "temperature": 0.5, "user": "me", "unknown": [1] }))).await;
    assert!(whole["id"].as_str().unwrap().starts_with("chatcmpl-"), "{whole}");
    assert_eq!((&whole["object"], &whole["model"]), (&json!("chat.completion"), &json!("far")));
    assert!(whole["created"].as_i64().unwrap() > 1_700_000_000);
    let usage = json!({ "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 });
    assert_eq!(whole["usage"], usage);
    let message = json!({ "role": "assistant", "content": text, "refusal": null,
        "reasoning_content": "hmm" });
    let expected =
        json!({ "index": 0, "message": message, "logprobs": null, "finish_reason": "stop" });
    assert_eq!(*choice(&whole), expected);
    let asked = &provider.requests()[0];
    let input = Input::Chat { system: None, messages: vec![Message::new(Role::User, "你好")] };
    assert_eq!((&asked.input, &asked.lane), (&input, &LaneId("user me".to_owned())));
    assert_eq!((asked.sampling.temperature, &asked.sampling.stop), (Some(0.5), &Vec::new()));
}

#[tokio::test]
async fn the_conversation_reaches_the_model_as_it_is() {
    let provider = capable([Script::saying(["ok"])]);
    let app = TestApp::start(vec![provider.clone()]).await;
    let picture = "data:image/png;base64,iVBORw0KGgo=";
    let call = json!({ "messages": [
        { "role": "developer", "content": "Be brief." },
        { "role": "user", "content": [
            { "type": "text", "text": "What is" }, { "type": "text", "text": "this?" },
            { "type": "image_url", "image_url": { "url": picture, "detail": "low" } },
        ] },
        { "role": "assistant", "content": null, "tool_calls": [{ "id": "1", "type": "function",
            "function": { "name": "look", "arguments": "{}" } }] },
        { "role": "tool", "tool_call_id": "1", "content": "a cat" },
        { "role": "system", "content": "Be polite." },
        { "role": "user", "name": "Li", "content": "" },
    ] });
    whole(&app, &call).await;
    let call = ToolCall { id: "1".to_owned(), name: "look".to_owned(), arguments: "{}".to_owned() };
    let messages = vec![
        Message {
            images: vec![Image(picture.to_owned())],
            ..Message::new(Role::User, "What is\nthis?")
        },
        Message { tool_calls: vec![call], ..Message::new(Role::Assistant, "") },
        Message { tool_call_id: Some("1".to_owned()), ..Message::new(Role::Tool, "a cat") },
        Message::new(Role::System, "Be polite."),
        Message::new(Role::User, ""),
    ];
    let input = Input::Chat { system: Some("Be brief.".to_owned()), messages };
    assert_eq!(provider.requests()[0].input, input);
}

#[tokio::test]
async fn messages_may_be_one_text() {
    let provider = playing("far", [Script::saying(["ok"])]);
    let app = TestApp::start(vec![provider.clone()]).await;
    whole(&app, &json!({ "messages": "如何应对压力", "do_sample": false })).await;
    let asked = &provider.requests()[0];
    assert_eq!(
        (asked.input.said().as_str(), asked.sampling.temperature),
        ("如何应对压力", Some(0.0))
    );
}

#[tokio::test]
async fn a_call_of_a_tool_goes_there_and_back() {
    let provider = capable([calling(), calling()]);
    let app = TestApp::start(vec![provider.clone()]).await;
    let call = with(json!({ "tools": tools(), "tool_choice": "required" }));
    let whole = whole(&app, &call).await;
    let function = json!({ "name": "weather", "arguments": "{\"city\":\"北京\"}" });
    let called = json!([{ "id": "call-1", "type": "function", "function": function }]);
    let message =
        json!({ "role": "assistant", "content": null, "refusal": null, "tool_calls": called });
    assert_eq!(choice(&whole)["message"], message);
    assert_eq!(choice(&whole)["finish_reason"], "tool_calls");
    let asked = &provider.requests()[0];
    assert_eq!((&asked.tool_choice, asked.tools.len()), (&ToolChoice::Required, 1));
    assert_eq!((asked.tools[0].name.as_str(), asked.tools[0].strict), ("weather", Some(true)));

    let chunks = chunks(&app, &with(json!({ "tools": tools(), "stream": true }))).await;
    let deltas: Vec<_> = chunks.iter().map(|chunk| choice(chunk)["delta"].clone()).collect();
    let further = |arguments: &str| json!({ "tool_calls": [{ "index": 0, "function": { "arguments": arguments } }] });
    let first = json!({ "tool_calls": [{ "index": 0, "id": "call-1", "type": "function",
        "function": { "name": "weather", "arguments": "" } }] });
    let expected = [
        json!({ "role": "assistant", "content": "" }),
        first,
        further("{\"city\":"),
        further("\"北京\"}"),
        json!({}),
    ];
    assert_eq!(deltas, expected);
    assert_eq!(choice(chunks.last().unwrap())["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn logprobs_come_with_their_text() {
    let script = || {
        Script::admitted()
            .then(event(ProviderEvent::Logprobs(vec![token("你")])))
            .text("你")
            .then(event(ProviderEvent::Logprobs(vec![token("。")])))
            .done(FinishReason::Stop)
    };
    let provider = capable([script(), script()]);
    let app = TestApp::start(vec![provider.clone()]).await;
    let asked = json!({ "logprobs": true, "top_logprobs": 1 });
    let told = |text: &str| {
        json!({ "token": text, "logprob": -0.5, "bytes": text.as_bytes(),
        "top_logprobs": [{ "token": "您", "logprob": -1.5, "bytes": "您".as_bytes() }] })
    };
    let whole = whole(&app, &with(asked)).await;
    let both = json!({ "content": [told("你"), told("。")], "refusal": null });
    assert_eq!(choice(&whole)["logprobs"], both);
    assert_eq!(provider.requests()[0].logprobs, Some(1));
    let chunks = chunks(&app, &with(json!({ "logprobs": true, "stream": true }))).await;
    let tokens: Vec<_> = chunks.iter().map(|chunk| choice(chunk)["logprobs"].clone()).collect();
    let one = |text: &str| json!({ "content": [told(text)], "refusal": null });
    assert_eq!(tokens, [Value::Null, one("你"), one("。")]);
    assert_eq!(provider.requests()[1].logprobs, Some(0));
}

#[tokio::test]
async fn an_answer_can_have_a_form() {
    let asked = [
        (json!({ "response_format": { "type": "text" } }), None),
        (json!({ "response_format": { "type": "json_object" } }), Some(Output::JsonObject)),
        (json!({ "structured_outputs": { "json_object": true } }), Some(Output::JsonObject)),
        (json!({ "guided_regex": "a+" }), Some(Output::Regex("a+".to_owned()))),
        (json!({ "structured_outputs": { "regex": "a+" } }), Some(Output::Regex("a+".to_owned()))),
        (json!({ "guided_choice": ["a.b", "中"] }), Some(Output::Regex("(?:a\\.b|中)".to_owned()))),
    ];
    let schema = json!({ "type": "object" });
    let schemas = [
        json!({ "guided_json": schema }),
        json!({ "guided_json": "{\"type\":\"object\"}", "response_format": { "type": "text" } }),
        json!({ "structured_outputs": { "json": schema } }),
        json!({ "response_format": { "type": "json_schema", "json_schema":
            { "name": "answer", "schema": schema, "strict": true } } }),
    ];
    let scripts = (0..asked.len() + schemas.len()).map(|_| Script::saying(["ok"]));
    let provider = capable(scripts);
    let app = TestApp::start(vec![provider.clone()]).await;
    for (parameters, output) in asked {
        whole(&app, &with(parameters)).await;
        assert_eq!(provider.requests().pop().unwrap().output, output.unwrap_or_default());
    }
    for parameters in schemas {
        whole(&app, &with(parameters)).await;
        let Output::JsonSchema(asked) = provider.requests().pop().unwrap().output else { panic!() };
        assert_eq!((asked.name.as_str(), &asked.schema, asked.strict), ("answer", &schema, true));
    }
}

#[tokio::test]
async fn several_answers_come_one_after_the_other_and_cost_one_prompt() {
    let saying = |text: &str| {
        let usage = Usage { prompt_tokens: 7, completion_tokens: 2, estimated: false };
        let done = ProviderEvent::Done { reason: FinishReason::Length, usage: Some(usage) };
        Script::admitted().text(text).then(event(done))
    };
    let provider = playing("far", ["a", "b", "c", "d", "e"].map(saying));
    let app = TestApp::start_with(vec![provider], |settings| settings.server.max_turns = 1).await;
    let whole = whole(&app, &with(json!({ "n": 3 }))).await;
    let usage = json!({ "prompt_tokens": 7, "completion_tokens": 6, "total_tokens": 13 });
    assert_eq!(whole["usage"], usage);
    for (index, text) in ["a", "b", "c"].into_iter().enumerate() {
        let choice = &whole["choices"][index];
        assert_eq!(
            (&choice["index"], &choice["message"]["content"]),
            (&json!(index), &json!(text))
        );
        assert_eq!(choice["finish_reason"], "length");
    }
    let chunks = chunks(&app, &with(json!({ "n": 2, "stream": true }))).await;
    let told = chunks
        .iter()
        .map(|chunk| (choice(chunk)["index"].clone(), choice(chunk)["delta"]["content"].clone()));
    let expected = [
        (json!(0), json!("")),
        (json!(0), json!("d")),
        (json!(0), Value::Null),
        (json!(1), json!("")),
        (json!(1), json!("e")),
        (json!(1), Value::Null),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn another_provider_takes_over_before_the_first_delta() {
    for stream in [false, true] {
        let app = TestApp::start(vec![failing("broken"), answering("good", "好。")]).await;
        let call = with(json!({ "stream": stream }));
        let told =
            if stream { chunks(&app, &call).await.remove(0) } else { whole(&app, &call).await };
        assert_eq!(told["model"], "good");
    }
    // What one cannot do, another one may.
    let app = TestApp::start(vec![answering("plain", "不"), capable([calling()])]).await;
    let told = whole(&app, &with(json!({ "tools": tools() }))).await;
    assert_eq!(told["model"], "capable");
}

#[tokio::test]
async fn what_no_provider_can_do_is_said_in_time() {
    let app = TestApp::start(vec![answering("plain", "不")]).await;
    for (parameters, named) in [
        (json!({ "tools": tools() }), "tools"),
        (json!({ "response_format": { "type": "json_object" } }), "JSON"),
        (json!({ "logprobs": true }), "logprobs"),
        (json!({ "seed": 7 }), "seed"),
        (json!({ "use_beam_search": true }), "use_beam_search"),
    ] {
        for stream in [false, true] {
            let mut call = with(parameters.clone());
            call["stream"] = json!(stream);
            let error = error(app.post(PATH, &call).await, StatusCode::BAD_REQUEST).await;
            assert_eq!(error["code"], "unsupported", "{error}");
            assert!(error["message"].as_str().unwrap().contains(named), "{error}");
        }
    }
}

#[tokio::test]
async fn the_whole_conversation_can_be_given_back() {
    let provider = playing("far", ["好的。", "一", "二"].map(|text| Script::saying([text])));
    let app = TestApp::start_with(vec![provider], |settings| {
        settings.server.openai.whole_conversation = true;
    })
    .await;
    let parts = json!([{ "type": "text", "text": "再见" }]);
    let call = json!({ "messages": [
        { "role": "user", "content": "你好" }, { "role": "assistant", "content": "你好呀。" },
        { "role": "user", "content": parts },
    ] });
    let told = |whole: &Value| -> Vec<_> {
        let choices = whole["choices"].as_array().unwrap();
        let line = |(at, choice): (usize, &Value)| {
            assert_eq!(choice["index"], at);
            let message = &choice["message"];
            format!(
                "{}: {}",
                message["role"].as_str().unwrap(),
                message["content"].as_str().unwrap()
            )
        };
        choices.iter().enumerate().map(line).collect()
    };
    let expected = ["user: 你好", "assistant: 你好呀。", "user: 再见", "assistant: 好的。"];
    assert_eq!(told(&whole(&app, &call).await), expected);
    let several = json!({ "messages": "你好", "n": 2 });
    let expected = ["user: 你好", "assistant: 一", "assistant: 二"];
    assert_eq!(told(&whole(&app, &several).await), expected);
}
