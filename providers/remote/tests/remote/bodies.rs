//! What goes over the wire, to the byte.

use anima_provider::{
    Image, Input, LaneId, Message, Output, Provider, ProviderError, Request, Role, Sampling,
    Schema, Tool, ToolCall, ToolChoice,
};
use anima_upstream::{Plan, Upstream};
use futures::StreamExt;
use insta::assert_json_snapshot;
use serde_json::{Map, Value, json};

use crate::support::{KEY, KINDS, Kind, hear, question};

/// A conversation with everything that there is.
fn request() -> Request {
    let mut shown = Message::new(Role::User, "这是什么？");
    shown.images.push(Image("data:image/png;base64,iVBORw0KGgo=".to_owned()));
    let messages = vec![
        Message::new(Role::User, "你好"),
        Message::new(Role::User, "在吗"),
        Message::new(Role::Assistant, "你好呀。"),
        shown,
    ];
    let input = Input::Chat { system: Some("你是灵犀。".to_owned()), messages };
    let sampling = Sampling {
        temperature: Some(0.0),
        top_p: Some(1.0),
        top_k: Some(20),
        min_p: Some(0.05),
        repetition_penalty: Some(1.15),
        frequency_penalty: Some(0.5),
        presence_penalty: Some(-0.5),
        max_tokens: Some(96),
        stop: ["a", "b", "c", "d", "e", "f"].map(str::to_owned).to_vec(),
    };
    Request::new(input, sampling, LaneId("one".to_owned()))
}

/// What the server was sent: path, body, and the headers that are not every client's.
async fn sent(kind: Kind, changes: Value) -> Value {
    let (upstream, provider) = kind.start_with(Plan::default(), &changes).await;
    let events: Vec<_> = provider.generate(request()).await.unwrap().collect().await;
    assert!(events.iter().all(Result::is_ok), "{events:?}");
    let recorded = &upstream.recorded()[0];
    let common = ["accept", "host", "content-length", "content-type", "user-agent"];
    let headers: Map<_, _> = recorded
        .headers
        .iter()
        .filter(|(name, _)| !common.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    assert_eq!(recorded.header("content-type"), Some("application/json"));
    assert!(recorded.header("user-agent").unwrap().starts_with("anima/"));
    json!({ "path": recorded.path, "headers": headers, "body": recorded.body })
}

#[tokio::test]
async fn openai_and_its_like_are_sent_what_all_of_them_take() {
    assert_json_snapshot!("openai", sent(Kind::OpenAi, json!({ "images": true })).await);
}

#[tokio::test]
async fn openai_is_sent_what_the_settings_add_and_not_what_they_omit() {
    let changes = json!({
        "images": true, "extended_sampling": true, "usage": false,
        "token_limit": "max_completion_tokens", "organization": "org-1", "project": "proj-1",
        "headers": { "x-team": "brain" }, "omit": ["temperature", "stop", "presence_penalty"],
        "extra": { "chat_template_kwargs": { "enable_thinking": false }, "top_k": 7, "guided_json": null },
    });
    assert_json_snapshot!("openai_extended", sent(Kind::OpenAi, changes).await);
}

/// A request for everything beyond plain text.
fn demanding() -> Request {
    let call = ToolCall {
        id: "call-1".to_owned(),
        name: "weather".to_owned(),
        arguments: "{\"city\":\"北京\"}".to_owned(),
    };
    let messages = vec![
        Message::new(Role::User, "天气如何？"),
        Message { tool_calls: vec![call], ..Message::new(Role::Assistant, "") },
        Message { tool_call_id: Some("call-1".to_owned()), ..Message::new(Role::Tool, "晴") },
        Message::new(Role::System, "说英语。"),
    ];
    let parameters = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
    let input = Input::Chat { system: None, messages };
    let extra = json!({ "seed": 7, "model": "another" });
    Request {
        tools: vec![
            Tool {
                name: "weather".to_owned(),
                description: Some("tells the weather".to_owned()),
                parameters: Some(parameters),
                strict: Some(true),
            },
            Tool { name: "time".to_owned(), description: None, parameters: None, strict: None },
        ],
        extra: extra.as_object().unwrap().clone(),
        ..Request::new(input, Sampling::default(), LaneId("one".to_owned()))
    }
}

/// The form of an answer that is a number.
fn number() -> Output {
    Output::JsonSchema(Schema {
        name: "number".to_owned(),
        description: None,
        schema: json!({ "type": "integer" }),
        strict: true,
    })
}

/// The body that a server was sent.
async fn body(kind: Kind, changes: Value, request: Request) -> Value {
    let (upstream, provider) = kind.start_with(Plan::default(), &changes).await;
    let events: Vec<_> = provider.generate(request).await.unwrap().collect().await;
    assert!(events.iter().all(Result::is_ok), "{events:?}");
    upstream.recorded()[0].body.clone()
}

#[tokio::test]
async fn openai_is_sent_tools_forms_and_what_else_was_asked_for() {
    let tool_choice = ToolChoice::Named("weather".to_owned());
    let request = Request { tool_choice, output: number(), logprobs: Some(3), ..demanding() };
    assert_json_snapshot!("openai_tools", body(Kind::OpenAi, json!({}), request).await);
    for (choice, sent) in [
        (ToolChoice::Auto, Value::Null),
        (ToolChoice::None, json!("none")),
        (ToolChoice::Required, json!("required")),
    ] {
        let request = Request { tool_choice: choice, ..demanding() };
        assert_eq!(body(Kind::OpenAi, json!({}), request).await["tool_choice"], sent);
    }
    let request = Request { output: Output::JsonObject, ..demanding() };
    let format = json!({ "type": "json_object" });
    assert_eq!(body(Kind::OpenAi, json!({}), request).await["response_format"], format);
    let request = || Request { output: Output::Regex("a+".to_owned()), ..demanding() };
    let sent = body(Kind::OpenAi, json!({ "extended_sampling": true }), request()).await;
    assert_eq!(
        (&sent["guided_regex"], &sent["structured_outputs"]["regex"]),
        (&json!("a+"), &json!("a+"))
    );
    refused(Kind::OpenAi, request()).await;
}

/// Asks for something that a kind cannot do.
async fn refused(kind: Kind, request: Request) {
    let (upstream, provider) = kind.start(Plan::default()).await;
    let error = provider.generate(request).await.err();
    assert!(matches!(error, Some(ProviderError::Unsupported { .. })), "{kind:?}: {error:?}");
    assert_eq!(upstream.stats().requests, 0);
}

#[tokio::test]
async fn other_kinds_are_sent_what_they_can_do_and_refuse_the_rest() {
    let glm = body(Kind::ChatGlm, json!({}), demanding()).await;
    assert_eq!(glm["tools"][0]["function"]["name"], "weather");
    assert_eq!((&glm["seed"], &glm["model"]), (&json!(7), &json!("stand-in")));
    assert_eq!(glm["messages"][2]["tool_call_id"], "call-1");
    let quiet = Request { tool_choice: ToolChoice::None, ..demanding() };
    assert!(body(Kind::ChatGlm, json!({}), quiet).await.get("tools").is_none());
    refused(Kind::ChatGlm, Request { tool_choice: ToolChoice::Required, ..demanding() }).await;

    let plain = || Request { extra: Map::new(), ..question("one") };
    let sent = body(Kind::Gemini, json!({}), Request { output: number(), ..plain() }).await;
    let config = json!({
        "responseMimeType": "application/json", "responseJsonSchema": { "type": "integer" },
    });
    assert_eq!(sent["generationConfig"], config);
    for (kind, request) in [
        (Kind::Gemini, demanding()),
        (Kind::Gemini, Request { logprobs: Some(0), ..plain() }),
        (Kind::ChatGlm, Request { output: number(), ..plain() }),
        (Kind::ChatGlm3, demanding()),
        (Kind::ChatGlm3, Request { output: Output::JsonObject, ..plain() }),
    ] {
        refused(kind, request).await;
    }
}

#[tokio::test]
async fn openai_is_asked_for_responses_in_their_own_shape() {
    let changes = json!({
        "images": true, "project": "proj-1",
        "extra": { "reasoning": { "effort": "low", "summary": "auto" } },
    });
    assert_json_snapshot!("responses", sent(Kind::Responses, changes).await);
}

#[tokio::test]
async fn azure_is_sent_its_own_path_and_header() {
    let upstream = Upstream::start(Plan::default()).await.unwrap();
    let azure = json!({ "deployment": "gpt-at-home", "api_version": "2024-10-21" });
    let settings = json!({ "base_url": upstream.url(""), "api_key_env": "KEY", "images": true, "azure": azure });
    let provider = Kind::OpenAi.with(settings).unwrap();
    assert_eq!(provider.model(), "gpt-at-home");
    let events: Vec<_> = provider.generate(request()).await.unwrap().collect().await;
    assert!(events.iter().all(Result::is_ok), "{events:?}");
    let recorded = &upstream.recorded()[0];
    let path = "/openai/deployments/gpt-at-home/chat/completions?api-version=2024-10-21";
    assert_eq!(recorded.path, path);
    assert_eq!(recorded.header("api-key"), Some(KEY));
    assert_eq!(recorded.header("authorization"), None);
    assert_eq!(recorded.body["max_completion_tokens"], 96);
}

#[tokio::test]
async fn gemini_is_sent_its_own_shape() {
    let changes = json!({
        "images": true, "safety": { "harassment": "BLOCK_ONLY_HIGH" },
        "extra": { "generationConfig": { "thinkingConfig": { "thinkingBudget": 0 } } },
    });
    assert_json_snapshot!("gemini", sent(Kind::Gemini, changes).await);
}

#[tokio::test]
async fn chatglm_is_sent_values_inside_of_its_intervals() {
    assert_json_snapshot!("chatglm", sent(Kind::ChatGlm, json!({ "images": true })).await);
}

#[tokio::test]
async fn the_server_of_chatglm3_is_sent_no_key_and_nothing_of_the_platform() {
    assert_json_snapshot!("chatglm3", sent(Kind::ChatGlm3, json!({ "images": true })).await);
}

#[tokio::test]
async fn a_token_is_sent_in_the_place_of_the_key() {
    let sent = sent(Kind::ChatGlm, json!({ "auth": "token", "images": true })).await;
    let header = sent["headers"]["authorization"].as_str().unwrap();
    assert_eq!(header.strip_prefix("Bearer ").unwrap().split('.').count(), 3);
    assert!(!header.contains("key-of-the-tests"), "{header}");
}

#[tokio::test]
async fn the_providers_own_sampling_fills_what_a_request_leaves_open() {
    let changes = json!({ "images": true, "sampling": { "temperature": 0.3, "max_tokens": 50 } });
    let (upstream, provider) = Kind::OpenAi.start_with(Plan::default(), &changes).await;
    let mut request = request();
    request.sampling = Sampling { temperature: Some(0.9), ..Sampling::default() };
    let events: Vec<_> = provider.generate(request).await.unwrap().collect().await;
    assert!(events.iter().all(Result::is_ok), "{events:?}");
    let body = &upstream.recorded()[0].body;
    assert_eq!((&body["temperature"], &body["max_tokens"]), (&json!(0.9), &json!(50)));
}

#[tokio::test]
async fn requests_go_through_the_proxy_that_is_named() {
    let proxy = Upstream::start(Plan::default()).await.unwrap();
    for kind in KINDS {
        let base = format!("http://model.invalid{}", kind.path());
        let through = json!({ "proxy": proxy.url("") });
        let provider = kind.at(&base, &through).unwrap();
        assert_eq!(hear(&provider).await.end(), "stop", "{kind:?}");
        let recorded = proxy.recorded();
        let path = &recorded.last().unwrap().path;
        assert!(path.starts_with("http://model.invalid/"), "{path}");
    }
}
