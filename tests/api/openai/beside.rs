//! `anima` in a call: the check on request of what is passed through.

use anima_upstream::Plan;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{PATH, upstream::behind};
use crate::{
    checks::good_judge,
    helpers::{Providers, TestApp, error, json as body},
    providers::answering,
};

/// Something true, something false and something unheard of, in a form that a persona would not say.
const ANSWER: &str = "**茶馆**共有12个展厅。[joy]门票每人80元。夜里屋顶会发出蓝色的光。";
const KNOWN: &str = "茶馆共有12个展厅。门票每人40元。";

fn call(anima: &Value, messages: &Value) -> Value {
    json!({ "model": "demo", "messages": messages, "anima": anima })
}

fn asking() -> Value {
    json!([{ "role": "user", "content": "介绍一下茶馆？" }])
}

async fn choice(app: &TestApp, call: &Value) -> Value {
    let mut told = body(app.post(PATH, call).await, StatusCode::OK).await;
    told["choices"][0].take()
}

fn statuses(report: &Value) -> Vec<&str> {
    let verdicts = report["verdicts"].as_array().unwrap();
    verdicts.iter().map(|verdict| verdict["status"].as_str().unwrap()).collect()
}

/// The chunks of a stream, and whether it came to its end.
async fn chunks(app: &TestApp, call: &Value) -> (Vec<Value>, bool) {
    let mut call = call.clone();
    call["stream"] = true.into();
    let text = app.post(PATH, &call).await.text().await.unwrap();
    let mut data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let chunks = data.clone().filter_map(|data| serde_json::from_str(data).ok()).collect();
    (chunks, data.next_back() == Some("[DONE]"))
}

#[tokio::test]
async fn an_answer_that_is_passed_through_is_annotated_when_that_is_asked_for_and_never_changed() {
    let app = TestApp::start(vec![answering("demo", ANSWER)]).await;
    let asked = call(&json!({ "check": "annotate", "knowledge": [KNOWN] }), &asking());
    let told = choice(&app, &asked).await;
    assert_eq!(told["message"]["content"], ANSWER);
    let report = &told["anima"];
    assert_eq!(report["status"], "contradicted");
    assert_eq!(statuses(report), ["supported", "contradicted", "unsupported"], "{report}");
    let verdicts = report["verdicts"].as_array().unwrap();
    let texts: String = verdicts.iter().map(|told| told["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ANSWER);
    assert_eq!(verdicts[0]["sources"], json!(["caller:1"]));
    assert_eq!(verdicts[1]["correction"]["text"], "门票每人40元。");
    assert!(verdicts.iter().all(|verdict| verdict["action"] == "none"));
    // Streamed, the text is as quick as ever, and the report is in the last chunk.
    let (chunks, done) = chunks(&app, &asked).await;
    let text: String =
        chunks.iter().filter_map(|it| it["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!((text.as_str(), done), (ANSWER, true));
    let (last, others) = chunks.split_last().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert_eq!(statuses(&last["choices"][0]["anima"]), statuses(report));
    assert!(others.iter().all(|chunk| chunk["choices"][0].get("anima").is_none()));
}

#[tokio::test]
async fn nobody_who_does_not_ask_gets_a_report() {
    let app = TestApp::start(vec![answering("demo", ANSWER)]).await;
    for anima in [Value::Null, json!({}), json!({ "check": "off", "knowledge": [KNOWN] })] {
        let asked = call(&anima, &asking());
        assert!(choice(&app, &asked).await.get("anima").is_none(), "{asked}");
        let (chunks, done) = chunks(&app, &asked).await;
        assert!(done && chunks.iter().all(|it| it["choices"][0].get("anima").is_none()));
    }
}

#[tokio::test]
async fn messages_are_evidence_but_for_what_the_assistant_said_and_what_is_asked() {
    let answer = "茶馆共有12个展厅。门票每人40元。";
    let app = TestApp::start(vec![answering("demo", answer)]).await;
    let report = async |messages: Value| {
        let asked = call(&json!({ "check": "annotate" }), &messages);
        choice(&app, &asked).await["anima"].take()
    };
    let told = report(json!([
        { "role": "system", "content": "你是讲解员。茶馆共有12个展厅。" },
        { "role": "user", "content": "资料：门票每人40元。请问有什么可以看？" },
    ]))
    .await;
    let sources: Vec<_> =
        told["verdicts"].as_array().unwrap().iter().map(|it| it["sources"].clone()).collect();
    assert_eq!(sources, [json!(["messages[0]"]), json!(["messages[1]"])], "{told}");
    // Neither the assistant nor a question bears anything out, and nothing is known to be silent.
    let told = report(json!([
        { "role": "user", "content": "你好" },
        { "role": "assistant", "content": answer },
        { "role": "user", "content": "门票每人40元吗？" },
    ]))
    .await;
    assert_eq!(statuses(&told), ["unchecked", "unchecked"], "{told}");
    assert_eq!(told["verdicts"][0]["reasons"], json!(["no_evidence"]));
}

#[tokio::test]
async fn what_a_tool_says_is_known() {
    let (_upstream, app) = behind(Plan::saying(["茶馆共有12个展厅。", "门票每人40元。"])).await;
    let mut asked = call(
        &json!({ "check": "annotate" }),
        &json!([
            { "role": "user", "content": "票价？" },
            { "role": "assistant", "tool_calls": [{ "id": "a", "type": "function",
                "function": { "name": "price", "arguments": "{}" } }] },
            { "role": "tool", "tool_call_id": "a", "content": "门票每人40元。" },
        ]),
    );
    asked["model"] = "server".into();
    let told = choice(&app, &asked).await["anima"].take();
    assert_eq!(statuses(&told), ["unsupported", "supported"], "{told}");
    assert_eq!(told["verdicts"][1]["sources"], json!(["messages[2]"]));
}

#[tokio::test]
async fn each_of_several_answers_has_its_own_report_and_a_judge_may_help() {
    let settings = |settings: &mut anima::settings::Settings| {
        settings.check.judge = Some("judge".to_owned());
    };
    let providers: Providers = vec![answering("demo", ANSWER), good_judge()];
    let app = TestApp::start_with(providers, settings).await;
    let mut asked = call(&json!({ "check": "annotate", "knowledge": [KNOWN] }), &asking());
    asked["n"] = 2.into();
    let told = body(app.post(PATH, &asked).await, StatusCode::OK).await;
    for choice in told["choices"].as_array().unwrap() {
        assert_eq!(choice["message"]["content"], ANSWER);
        let verdicts = choice["anima"]["verdicts"].as_array().unwrap();
        assert_eq!(verdicts.len(), 3, "{told}");
        assert!(verdicts.iter().any(|verdict| verdict["layer"] == "judge"), "{told}");
    }
    assert_eq!(told["choices"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_model_on_a_server_is_asked_the_same_with_a_check_and_without() {
    let plan = Plan::saying(["茶馆共有", "12个展厅。门票", "每人80元。"]);
    let (upstream, app) = behind(plan).await;
    let mut asked = call(&json!({ "check": "annotate", "knowledge": [KNOWN] }), &asking());
    asked["model"] = "server".into();
    let told = choice(&app, &asked).await;
    assert_eq!(statuses(&told["anima"]), ["supported", "contradicted"], "{told}");
    asked["anima"].take();
    assert!(choice(&app, &asked).await.get("anima").is_none());
    let bodies: Vec<_> = upstream.recorded().into_iter().map(|call| call.body).collect();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0], bodies[1]);
    assert!(bodies[0].get("anima").is_none());
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_the_way_out() {
    let app = TestApp::start(vec![answering("demo", ANSWER)]).await;
    for (anima, param, code, message) in [
        (json!({ "check": "withhold" }), "anima.check", "unsupported", "told as it comes"),
        (
            json!({ "check": "strict" }),
            "anima.check",
            "unsupported",
            "a persona whose check is strict",
        ),
        (json!({ "check": "anotate" }), "anima.check", "invalid_value", "did you mean `annotate`"),
        (json!({ "check": true }), "anima.check", "invalid_type", "a text"),
        (json!({ "knowledge": ["x"] }), "anima.knowledge", "invalid_value", "set anima.check"),
        (
            json!({ "check": "annotate", "knowledge": "x" }),
            "anima.knowledge",
            "invalid_type",
            "list",
        ),
        (
            json!({ "check": "annotate", "knowledge": [1] }),
            "anima.knowledge",
            "invalid_type",
            "list",
        ),
        (json!({ "checks": "annotate" }), "anima", "invalid_value", "did you mean `check`"),
        (json!("annotate"), "anima", "invalid_type", "an object"),
    ] {
        let asked = call(&anima, &asking());
        let told = error(app.post(PATH, &asked).await, StatusCode::BAD_REQUEST).await;
        assert_eq!(
            (&told["param"], &told["code"]),
            (&json!(param), &json!(code)),
            "{anima}: {told}"
        );
        assert!(told["message"].as_str().unwrap().contains(message), "{anima}: {told}");
    }
    let texts = json!({ "prompt": "茶馆", "anima": { "check": "annotate" } });
    let told = error(app.post("/v1/completions", &texts).await, StatusCode::BAD_REQUEST).await;
    assert!(told["message"].as_str().unwrap().contains("/v1/chat/completions"), "{told}");
}

#[tokio::test]
async fn a_persona_rests_on_the_knowledge_and_keeps_its_own_check() {
    let app = TestApp::start(vec![answering("demo", "门票每人40元。")]).await;
    let mut asked = call(&json!({ "knowledge": [KNOWN] }), &asking());
    asked["model"] = "lingxi".into();
    let told = choice(&app, &asked).await;
    assert_eq!(told["anima"]["verdicts"][0]["sources"], json!(["caller:1"]), "{told}");
    asked["anima"]["check"] = "annotate".into();
    let told = error(app.post(PATH, &asked).await, StatusCode::BAD_REQUEST).await;
    assert!(told["message"].as_str().unwrap().contains("as its file says"), "{told}");
}
