//! `POST /` as the callers of Linly-Talker's server know it.

use anima_provider::{Request, Script, Step};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    helpers::{TestApp, error, eventually, json as body},
    providers::{
        ANSWER, SENTENCES, answering, assistant, conversation, failing, half_an_answer, hanging,
        playing, system, unavailable, user,
    },
};

/// The answer to a call, and what the model was asked.
async fn asked(call: &Value) -> (Value, Request) {
    let model = answering("demo", ANSWER);
    let app = TestApp::start(vec![model.clone()]).await;
    let answer = body(app.post("/", call).await, StatusCode::OK).await;
    (answer, model.requests().remove(0))
}

#[tokio::test]
async fn a_call_is_answered_with_response_status_and_time() {
    let (answer, request) = asked(&json!({ "prompt": "如何应对压力" })).await;
    assert_eq!(
        answer.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["response", "status", "time", "check"]
    );
    assert_eq!(answer["response"], SENTENCES.concat());
    assert_eq!(answer["status"], 200);
    let time = answer["time"].as_str().unwrap();
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00 00:00:00");
    assert!(system(&request).contains("请用少于25个字回答以下问题"));
    assert_eq!(conversation(&request), [user("如何应对压力")]);
}

#[tokio::test]
async fn the_call_of_the_manual_is_answered() {
    let (answer, request) = asked(&json!({
        "prompt": "如何应对压力", "history": [], "max_length": 2048, "top_p": 0.84,
        "temperature": 0.84,
    }))
    .await;
    assert_eq!(answer["response"], SENTENCES.concat());
    let sampling = request.sampling;
    assert_eq!(sampling.max_tokens, Some(2048));
    assert_eq!((sampling.top_p, sampling.temperature), (Some(0.84), Some(0.84)));
}

#[tokio::test]
async fn only_the_prompt_is_required_and_null_is_nothing() {
    let call = json!({
        "prompt": "你好", "history": null, "max_length": null, "top_p": null, "temperature": null,
        "session": null, "anything": { "else": [1, 2, 3] },
    });
    let (answer, request) = asked(&call).await;
    assert_eq!(answer["status"], 200);
    assert_eq!(request.sampling.top_p, None);
}

#[tokio::test]
async fn a_talkative_persona_is_drawn_as_the_server_draws() {
    let model = answering("demo", ANSWER);
    let app = TestApp::start_with(vec![model.clone()], |settings| {
        "companion".clone_into(&mut settings.turn.persona);
    })
    .await;
    app.post("/", &json!({ "prompt": "你好" })).await;
    app.post("/", &json!({ "prompt": "你好", "temperature": 0, "max_length": 0 })).await;
    let requests = model.requests();
    let sampling = &requests[0].sampling;
    assert_eq!((sampling.temperature, sampling.top_k), (Some(0.84), Some(20)));
    assert_eq!((sampling.top_p, sampling.repetition_penalty), (None, Some(1.15)));
    assert_eq!(requests[1].sampling.temperature, Some(0.0), "an explicit 0 is greedy");
    assert_eq!(requests[1].sampling.max_tokens, None, "0 means the default");
}

#[tokio::test]
async fn history_is_shown_to_the_model() {
    let call = json!({
        "prompt": "我叫什么", "history": [["我叫小明", "你好，小明。"], ["今天热吗", "很热。"]],
    });
    let (_, request) = asked(&call).await;
    let shown = [
        user("我叫小明"),
        assistant("你好，小明。"),
        user("今天热吗"),
        assistant("很热。"),
        user("我叫什么"),
    ];
    assert_eq!(conversation(&request), shown);
}

#[tokio::test]
async fn only_the_newest_history_is_shown_and_what_is_no_pair_is_passed_over() {
    let pairs = json!([["a", "b"], ["c", "d"], "x", ["e"], ["f", 1], null, ["g", "h"]]);
    let (_, request) = asked(&json!({ "prompt": "i", "history": pairs })).await;
    let shown = [user("c"), assistant("d"), user("g"), assistant("h"), user("i")];
    assert_eq!(conversation(&request), shown);
    for history in [json!("none"), json!({}), json!(5), json!([])] {
        let (_, request) = asked(&json!({ "prompt": "i", "history": history })).await;
        assert_eq!(conversation(&request), [user("i")]);
    }
}

#[tokio::test]
async fn any_content_type_will_do() {
    let app = TestApp::start(vec![answering("demo", ANSWER)]).await;
    let call = r#"{"prompt": "如何应对压力"}"#;
    for kind in
        ["application/json", "text/plain", "application/x-www-form-urlencoded", "x/y; charset=gbk"]
    {
        let request = app.request(Method::POST, "/").header("content-type", kind).body(call);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK, "{kind}");
    }
    let request = app.request(Method::POST, "/").body(call);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK, "none");
}

#[tokio::test]
async fn without_a_session_nothing_is_remembered() {
    let model = answering("demo", ANSWER);
    let app = TestApp::start(vec![model.clone()]).await;
    for _ in 0..2 {
        app.post("/", &json!({ "prompt": "你好" })).await;
    }
    assert_eq!(conversation(&model.requests()[1]), [user("你好")]);
    assert_eq!(app.get("/v1/sessions").await, json!({ "sessions": [] }));
}

#[tokio::test]
async fn with_a_session_the_turn_is_remembered() {
    let model = answering("demo", "好的。");
    let app = TestApp::start(vec![model.clone()]).await;
    for prompt in ["我叫小明", "我叫什么"] {
        let call = json!({ "prompt": prompt, "history": [], "session": "kiosk-7" });
        assert_eq!(app.post("/", &call).await.status(), StatusCode::OK);
    }
    let shown = [user("我叫小明"), assistant("[neutral]好的。"), user("我叫什么")];
    assert_eq!(conversation(&model.requests()[1]), shown);
    assert_eq!(app.exchanges("kiosk-7").await.len(), 2);
    // What the call brings along is stronger than the memory.
    let call = json!({ "prompt": "再问", "history": [["甲", "乙"]], "session": "kiosk-7" });
    app.post("/", &call).await;
    assert_eq!(conversation(&model.requests()[2]), [user("甲"), assistant("乙"), user("再问")]);
}

#[tokio::test]
async fn bad_input_gets_a_clear_error_in_the_dialect() {
    let app = TestApp::start(vec![answering("demo", ANSWER)]).await;
    for (sent, says) in [
        ("", "JSON"),
        ("not json", "JSON"),
        ("{\"prompt\": \"a\"", "JSON"),
        ("[]", "object"),
        ("[\"a\", [], 1, 1, 1, null]", "object"),
        ("null", "object"),
        ("\"prompt\"", "object"),
        ("{}", "prompt"),
        ("{\"prompt\": null}", "string"),
        ("{\"prompt\": 5}", "string"),
        ("{\"prompt\": \"\"}", "empty"),
        ("{\"prompt\": \" \\n\"}", "empty"),
        ("{\"prompt\": \"a\", \"temperature\": -0.1}", "temperature must be"),
        ("{\"prompt\": \"a\", \"temperature\": \"hot\"}", "f64"),
        ("{\"prompt\": \"a\", \"top_p\": 1.1}", "top_p must be"),
        ("{\"prompt\": \"a\", \"max_length\": -1}", "max_length must be"),
        ("{\"prompt\": \"a\", \"session\": \"a b\"}", "id"),
    ] {
        let response = app.request(Method::POST, "/").body(sent).send().await.unwrap();
        let answer = body(response, StatusCode::BAD_REQUEST).await;
        assert_eq!((&answer["status"], &answer["response"]), (&json!(400), &json!("")), "{sent}");
        let told = answer["error"].as_str().unwrap();
        assert!(told.contains(says), "{sent}: {told}");
    }
    let request = app.request(Method::POST, "/").body(&b"{\"prompt\":\"\xC4\xE3\"}"[..]);
    let answer = body(request.send().await.unwrap(), StatusCode::BAD_REQUEST).await;
    assert!(answer["error"].as_str().unwrap().contains("UTF-8"), "{answer}");
    let long = json!({ "prompt": "x".repeat(40_000) });
    body(app.post("/", &long).await, StatusCode::BAD_REQUEST).await;
    let huge = json!({ "prompt": "x".repeat(2 << 20) });
    let answer = body(app.post("/", &huge).await, StatusCode::PAYLOAD_TOO_LARGE).await;
    assert_eq!(answer["status"], 413);
}

#[tokio::test]
async fn a_failing_model_is_an_error_in_the_dialect() {
    let app = TestApp::start(vec![failing("demo")]).await;
    let response = app.post("/", &json!({ "prompt": "你好" })).await;
    assert!(response.headers().contains_key("retry-after"));
    let answer = body(response, StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!((&answer["status"], &answer["response"]), (&json!(503), &json!("")));
    let broken = playing("broken", [half_an_answer().then(Step::Fail(unavailable()))]);
    let app = TestApp::start(vec![broken, answering("demo", ANSWER)]).await;
    let answer = app.post("/", &json!({ "prompt": "你好" })).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "two models are never spliced");
    let broken = playing("broken", [Script::admitted().then(Step::Fail(unavailable()))]);
    let app = TestApp::start(vec![broken, answering("demo", ANSWER)]).await;
    let answer = body(app.post("/", &json!({ "prompt": "你好" })).await, StatusCode::OK).await;
    assert_eq!(answer["response"], SENTENCES.concat());
}

#[tokio::test]
async fn a_call_lives_as_long_as_its_response() {
    let model = hanging("demo");
    let app = TestApp::start(vec![model.clone()]).await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let call =
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16\r\n\r\n{\"prompt\": \"hi\"}";
    stream.write_all(call.as_bytes()).await.unwrap();
    eventually("the model is asked", || model.running() == 1).await;
    drop(stream);
    eventually("the model stops when the caller hangs up", || model.running() == 0).await;
}

#[tokio::test]
async fn a_get_shows_what_to_try_and_other_methods_are_told_so() {
    let app = TestApp::start(vec![answering("demo", ANSWER)]).await;
    let page = app.request(Method::GET, "/").send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.text().await.unwrap().contains(&format!("http://{}/", app.address)));
    let response = app.request(Method::PUT, "/").send().await.unwrap();
    assert_eq!(response.headers()["allow"], "GET, POST");
    error(response, StatusCode::METHOD_NOT_ALLOWED).await;
}
