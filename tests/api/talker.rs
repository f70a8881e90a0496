//! `POST /llm_response/` and `POST /llm_change_model/` as the callers of Linly-Talker know them.

use anima_provider::{Capabilities, DirectReply, Provider};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::{
    helpers::{TestApp, json as body},
    providers::{ANSWER, SENTENCES, answering, failing, system},
};

/// A service with a model of the name that callers mean by default, and another one.
async fn two_models() -> TestApp {
    TestApp::start(vec![answering("Linly", ANSWER), answering("Qwen", "我是另一个。")]).await
}

async fn ask(app: &TestApp, call: Value) -> Value {
    body(app.post("/llm_response/", &call).await, StatusCode::OK).await["answer"].clone()
}

async fn change(app: &TestApp, query: &str) -> Response {
    app.request(Method::POST, &format!("/llm_change_model/{query}")).send().await.unwrap()
}

async fn detail(response: Response, status: StatusCode) -> String {
    body(response, status).await["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_call_of_the_manual_is_answered() {
    let model = answering("Linly", ANSWER);
    let app = TestApp::start(vec![model.clone()]).await;
    let call = json!({
        "question": "如何应对压力?", "model_name": "Linly", "gemini_apikey": "",
        "openai_apikey": "", "proxy_url": null,
    });
    let answer = body(app.post("/llm_response/", &call).await, StatusCode::OK).await;
    assert_eq!(answer, json!({ "answer": SENTENCES.concat() }));
    let request = model.requests().remove(0);
    assert!(system(&request).contains("请用少于25个字回答以下问题"));
    assert_eq!(request.sampling.top_k, Some(20));
}

#[tokio::test]
async fn a_name_chooses_the_model_and_both_spellings_of_the_path_do() {
    let app = two_models().await;
    assert_eq!(ask(&app, json!({ "question": "你是谁" })).await, SENTENCES.concat());
    let named = json!({ "question": "你是谁", "model_name": "Qwen" });
    assert_eq!(ask(&app, named.clone()).await, "我是另一个。");
    let short = app.post("/llm_response", &named).await;
    assert_eq!(body(short, StatusCode::OK).await["answer"], "我是另一个。");
}

#[tokio::test]
async fn a_change_of_model_holds_for_both_apis_and_those_who_name_none() {
    let app = two_models().await;
    let changed = change(&app, "?model_name=Qwen&gemini_apikey=k-1&proxy_url=").await;
    assert_eq!(body(changed, StatusCode::OK).await, json!({ "message": "Qwen 模型加载成功" }));
    assert_eq!(
        ask(&app, json!({ "question": "你是谁", "model_name": "Linly" })).await,
        "我是另一个。"
    );
    let other = body(app.post("/", &json!({ "prompt": "你是谁" })).await, StatusCode::OK).await;
    assert_eq!(other["response"], "我是另一个。");
    let session = app.session().await;
    let turn =
        app.post(&format!("/v1/sessions/{session}/turns"), &json!({ "text": "你是谁" })).await;
    assert_eq!(body(turn, StatusCode::OK).await["provider"], "Linly", "other surfaces keep theirs");
    body(change(&app, "").await, StatusCode::OK).await;
    assert_eq!(ask(&app, json!({ "question": "你是谁" })).await, SENTENCES.concat());
}

#[tokio::test]
async fn an_unknown_model_is_refused_in_the_dialect() {
    let app = two_models().await;
    let refused = change(&app, "?model_name=GPT4Free").await;
    assert_eq!(detail(refused, StatusCode::BAD_REQUEST).await, "未知的LLM模型: GPT4Free");
    let twice = change(&app, "?model_name=Qwen&model_name=Linly").await;
    detail(twice, StatusCode::BAD_REQUEST).await;
    let asked = app.post("/llm_response/", &json!({ "question": "?", "model_name": "X" })).await;
    let message = detail(asked, StatusCode::NOT_FOUND).await;
    assert!(message.starts_with("处理LLM请求失败: there is no provider `X`"), "{message}");
    assert_eq!(ask(&app, json!({ "question": "你是谁" })).await, SENTENCES.concat());
}

#[tokio::test]
async fn only_this_machine_changes_the_model() {
    let app = two_models().await;
    for header in ["x-forwarded-for", "forwarded", "x-real-ip"] {
        let request = app.request(Method::POST, "/llm_change_model/?model_name=Qwen");
        let refused = request.header(header, "203.0.113.7").send().await.unwrap();
        detail(refused, StatusCode::FORBIDDEN).await;
    }
    assert_eq!(ask(&app, json!({ "question": "你是谁" })).await, SENTENCES.concat());
}

#[tokio::test]
async fn what_is_wrong_is_told_in_the_dialect() {
    let app = TestApp::start(vec![failing("Linly")]).await;
    for empty in [json!({ "question": "" }), json!({ "question": " \n" })] {
        let refused = app.post("/llm_response/", &empty).await;
        assert_eq!(detail(refused, StatusCode::BAD_REQUEST).await, "问题内容不能为空");
    }
    let failed = app.post("/llm_response/", &json!({ "question": "你好" })).await;
    let message = detail(failed, StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(message.starts_with("处理LLM请求失败: "), "{message}");
    let missing = app.post("/llm_response/", &json!({})).await;
    detail(missing, StatusCode::BAD_REQUEST).await;
    let wrong = app.request(Method::GET, "/llm_response/").send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(wrong.headers()["allow"], "POST");
}

#[tokio::test]
async fn a_direct_reply_gives_the_words_back_whole() {
    let direct: Arc<dyn Provider> = Arc::new(DirectReply::new("直接回复 Direct Reply"));
    assert_eq!(
        direct.capabilities(),
        &Capabilities { chat: true, text: true, verbatim: true, ..Capabilities::default() }
    );
    let app = TestApp::start(vec![answering("Linly", ANSWER), direct]).await;
    let name = "?model_name=%E7%9B%B4%E6%8E%A5%E5%9B%9E%E5%A4%8D%20Direct%20Reply";
    body(change(&app, name).await, StatusCode::OK).await;
    let long = "请各位来宾注意，本馆将于下午五点半准时闭馆，请您提前安排好参观时间，并从南侧出口有序离开，谢谢您的配合。";
    assert_eq!(ask(&app, json!({ "question": long })).await, long);
}
