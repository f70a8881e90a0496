//! The REST twin of the WebSocket: sessions and turns over HTTP.

use std::time::{Duration, Instant};

use anima_provider::{FinishReason, ProviderError, ProviderEvent, Script, Step};
use futures::StreamExt;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    client::Client,
    helpers::{PATIENCE, TestApp, error, eventually, json as body},
    providers::{
        ANSWER, Puppet, SENTENCES, answering, conversation, failing, half_an_answer, hanging,
        playing, unavailable, user,
    },
};

async fn app() -> TestApp {
    TestApp::start(vec![answering("demo", ANSWER), answering("other", "我是另一个。")]).await
}

fn turns(session: &str) -> String {
    format!("/v1/sessions/{session}/turns")
}

/// The events of a response: their names, ids and data.
async fn events(response: reqwest::Response) -> Vec<(String, Option<u64>, Value)> {
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
    let text = response.text().await.unwrap();
    let parse = |block: &str| {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        let id = field("id: ").map(|id| id.parse().unwrap());
        let data = serde_json::from_str(field("data: ").unwrap()).unwrap();
        (field("event: ").unwrap().to_owned(), id, data)
    };
    text.trim_end().split("\n\n").map(parse).collect()
}

#[tokio::test]
async fn a_session_is_made_shown_listed_renamed_and_deleted() {
    let app = app().await;
    let response =
        app.post("/v1/sessions", &json!({ "title": " 第一次 ", "persona": "companion" })).await;
    let record = body(response, StatusCode::CREATED).await;
    assert_eq!(record["title"], "第一次");
    assert_eq!(record["settings"], json!({ "persona": "companion" }));
    assert_eq!(record["exchanges"], 0);
    assert!(record["created_at"].is_string() && record["updated_at"].is_string());
    let id = record["id"].as_str().unwrap();
    let path = format!("/v1/sessions/{id}");
    assert_eq!(app.get(&path).await, record);
    let other = app.session().await;
    let listed = app.get("/v1/sessions").await;
    let ids: Vec<_> =
        listed["sessions"].as_array().unwrap().iter().map(|s| s["id"].clone()).collect();
    assert_eq!(ids, [other.as_str(), id], "the one last used comes first");
    let page = app.get("/v1/sessions?skip=1&limit=1").await;
    assert_eq!(page["sessions"][0]["id"], id);
    assert_eq!(page["sessions"].as_array().unwrap().len(), 1);
    let change = json!({ "title": "第二次", "provider": "other" });
    let response = app.request(Method::PATCH, &path).json(&change).send().await.unwrap();
    let changed = body(response, StatusCode::OK).await;
    assert_eq!(changed["title"], "第二次");
    assert_eq!(changed["settings"], json!({ "persona": "companion", "provider": "other" }));
    let response = app.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(app.get("/v1/sessions").await["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_session_is_named_after_its_first_words() {
    let app = app().await;
    let id = app.session().await;
    app.post(&turns(&id), &json!({ "text": "如何应对压力" })).await;
    assert_eq!(app.get(&format!("/v1/sessions/{id}")).await["title"], "如何应对压力");
}

#[tokio::test]
async fn unknown_sessions_are_404() {
    let app = app().await;
    let deleted = app.session().await;
    app.post(&turns(&deleted), &json!({ "text": "你好" })).await;
    let path = format!("/v1/sessions/{deleted}");
    app.request(Method::DELETE, &path).send().await.unwrap();
    for id in ["0123456789abcdef0123456789abcdef", &deleted] {
        for (method, path) in [
            (Method::GET, ""),
            (Method::PATCH, ""),
            (Method::DELETE, ""),
            (Method::GET, "/history"),
            (Method::DELETE, "/history"),
            (Method::GET, "/export"),
            (Method::POST, "/turns"),
            (Method::POST, "/interrupt"),
        ] {
            let path = format!("/v1/sessions/{id}{path}");
            let request = app.request(method.clone(), &path).json(&json!({ "text": "你好" }));
            let error = error(request.send().await.unwrap(), StatusCode::NOT_FOUND).await;
            assert_eq!(error["code"], "session_not_found", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_deleted_session_begins_anew_for_those_who_are_there() {
    let demo = answering("demo", "好的。");
    let app = TestApp::start(vec![demo.clone(), answering("other", "好。")]).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.send(&json!({ "type": "switch", "persona": "companion" })).await;
    client.next_of_type("switched").await;
    client.ask("one", "记住七").await;
    let path = format!("/v1/sessions/{session}");
    let response = app.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    client.ask("one", "什么数").await.finished("complete");
    assert_eq!(conversation(&demo.requests()[1]), [user("什么数")]);
    assert_eq!(app.get(&path).await["settings"], json!({}), "its settings went with it");
}

#[tokio::test]
async fn deleting_a_session_stops_its_turn() {
    let model = hanging("demo");
    let app = TestApp::start(vec![model.clone()]).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.say("one", "你好").await;
    client.sentences("one", 2).await;
    let path = format!("/v1/sessions/{session}");
    app.request(Method::DELETE, &path).send().await.unwrap();
    eventually("the model stops", || model.running() == 0).await;
    client.turn("one").await.finished("interrupted");
}

#[tokio::test]
async fn a_turn_is_answered_with_one_object() {
    let app = app().await;
    let session = app.session().await;
    let call = json!({ "turn": "one", "text": "如何应对压力" });
    let told = body(app.post(&turns(&session), &call).await, StatusCode::OK).await;
    assert_eq!(told["turn"], "one");
    assert_eq!(told["text"], SENTENCES.concat());
    assert_eq!((&told["reason"], &told["replay"]), (&json!("complete"), &json!(false)));
    assert_eq!((&told["provider"], &told["model"]), (&json!("demo"), &json!("scripted")));
    let sentences: Vec<_> =
        told["sentences"].as_array().unwrap().iter().map(|s| s["text"].clone()).collect();
    assert_eq!(sentences, SENTENCES);
    assert_eq!(told["verdicts"].as_array().unwrap().len(), 3);
    assert!(told["timing"]["total_ms"].is_number());
    // The same again is told again.
    let again = body(app.post(&turns(&session), &call).await, StatusCode::OK).await;
    assert_eq!((&again["replay"], &again["text"]), (&json!(true), &told["text"]));
}

#[tokio::test]
async fn a_turn_without_an_id_gets_one() {
    let app = app().await;
    let session = app.session().await;
    let told =
        body(app.post(&turns(&session), &json!({ "text": "你好" })).await, StatusCode::OK).await;
    assert_eq!(told["turn"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn a_turn_is_answered_as_events() {
    let app = app().await;
    let session = app.session().await;
    let (mut client, _) = Client::join(&app, &session).await;
    let call = json!({ "turn": "one", "text": "你好", "stream": true });
    let response = app.post(&turns(&session), &call).await;
    assert_eq!(response.headers()["cache-control"], "no-store");
    let events = events(response).await;
    // They are the frames of the WebSocket.
    let frames = client.turn("one").await.frames;
    assert_eq!(events.len(), frames.len());
    for ((kind, id, data), frame) in events.iter().zip(&frames) {
        assert_eq!(data, frame);
        assert_eq!((json!(kind), json!(id)), (frame["type"].clone(), frame["seq"].clone()));
    }
}

#[tokio::test]
async fn events_come_while_the_answer_is_made() {
    let (puppet, mut hand) = Puppet::new("demo");
    let app = TestApp::start(vec![puppet]).await;
    let session = app.session().await;
    let call = json!({ "turn": "one", "text": "你好", "stream": true });
    let response = app.post(&turns(&session), &call).await;
    let mut chunks = response.bytes_stream();
    let mut seen = String::new();
    let asked = hand.admitted().await;
    asked.say("第一句话在这里。第");
    while !seen.contains("event: sentence") {
        let chunk = timeout(PATIENCE, chunks.next()).await.unwrap();
        seen.push_str(std::str::from_utf8(&chunk.unwrap().unwrap()).unwrap());
    }
    assert!(!seen.contains("event: finished"));
    // The turn is the session's and goes on without its reader.
    drop(chunks);
    asked.say("二句。");
    asked.finish();
    let path = format!("/v1/sessions/{session}/history");
    let begun = Instant::now();
    while app.get(&path).await["exchanges"][0]["state"] != "finished" {
        assert!(begun.elapsed() < PATIENCE, "the turn went with its reader");
    }
    assert_eq!(app.exchanges(&session).await[0]["text"], "第一句话在这里。第二句。");
}

#[tokio::test]
async fn a_turn_told_again_is_told_as_events_too() {
    let app = app().await;
    let session = app.session().await;
    let mut call = json!({ "turn": "one", "text": "你好" });
    app.post(&turns(&session), &call).await;
    call["stream"] = json!(true);
    let events = events(app.post(&turns(&session), &call).await).await;
    assert_eq!(events[0].2["replay"], true);
    let kinds: Vec<_> = events.iter().map(|(kind, ..)| kind.as_str()).collect();
    let one = ["sentence", "verdict"];
    assert_eq!(kinds, [&["accepted"][..], &one, &one, &one, &["finished"]].concat());
}

#[tokio::test]
async fn reasoning_is_among_the_events_only_where_it_is_asked_for() {
    let thought = || Step::Event(ProviderEvent::Reasoning("想想。".to_owned()));
    let script = || Script::admitted().then(thought()).text("好的。").done(FinishReason::Stop);
    let app = TestApp::start(vec![playing("demo", [script(), script()])]).await;
    let session = app.session().await;
    for reasoning in [false, true] {
        let call = json!({ "text": "你好", "stream": true, "reasoning": reasoning });
        let events = events(app.post(&turns(&session), &call).await).await;
        assert_eq!(events.iter().any(|(kind, ..)| kind == "reasoning"), reasoning);
    }
}

#[tokio::test]
async fn a_failed_turn_is_an_error_with_a_status() {
    for (failure, status, code) in [
        (unavailable(), StatusCode::SERVICE_UNAVAILABLE, "provider_unavailable"),
        (ProviderError::Unauthorized, StatusCode::BAD_GATEWAY, "provider_auth"),
        (
            ProviderError::RateLimited { retry_after: Some(Duration::from_secs(7)) },
            StatusCode::TOO_MANY_REQUESTS,
            "overloaded",
        ),
        (ProviderError::Refused("no".to_owned()), StatusCode::BAD_REQUEST, "content_filter"),
    ] {
        let script = Script::admitted().then(Step::Fail(failure));
        let app = TestApp::start(vec![playing("demo", [script])]).await;
        let session = app.session().await;
        let response = app.post(&turns(&session), &json!({ "text": "你好" })).await;
        let wait = response.headers().get("retry-after").cloned();
        assert_eq!(error(response, status).await["code"], code);
        if status == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(wait.unwrap(), "7");
        }
    }
    let app = TestApp::start(vec![failing("demo")]).await;
    let session = app.session().await;
    let call = json!({ "text": "你好", "stream": true });
    let events = events(app.post(&turns(&session), &call).await).await;
    assert_eq!(events.last().unwrap().0, "failed");
}

#[tokio::test]
async fn a_second_turn_interrupts_the_first() {
    let scripts = [half_an_answer().then(Step::Hang), Script::saying(["好。"])];
    let app = TestApp::start(vec![playing("demo", scripts)]).await;
    let session = app.session().await;
    let (mut client, _) = Client::join(&app, &session).await;
    let call = json!({ "turn": "one", "text": "你好" });
    let first = app.request(Method::POST, &turns(&session)).json(&call).send();
    let first = tokio::spawn(first);
    client.sentences("one", 2).await;
    let second =
        body(app.post(&turns(&session), &json!({ "text": "停" })).await, StatusCode::OK).await;
    assert_eq!(second["text"], "好。");
    let first = body(first.await.unwrap().unwrap(), StatusCode::OK).await;
    assert_eq!(first["reason"], "interrupted");
    assert_eq!(first["text"], SENTENCES[..2].concat());
}

#[tokio::test]
async fn speak_and_regenerate_have_their_twins() {
    let scripts = ["一。", "二。"].map(|text| Script::saying([text]));
    let app = TestApp::start(vec![playing("demo", scripts)]).await;
    let session = app.session().await;
    let post =
        async |call: Value| body(app.post(&turns(&session), &call).await, StatusCode::OK).await;
    let spoken = post(json!({ "purpose": "speak", "text": "欢迎光临！" })).await;
    assert_eq!((&spoken["text"], &spoken["provider"]), (&json!("欢迎光临！"), &json!("")));
    assert_eq!(post(json!({ "text": "问" })).await["text"], "一。");
    assert_eq!(post(json!({ "purpose": "regenerate" })).await["text"], "二。");
    let texts: Vec<_> = app.exchanges(&session).await.iter().map(|e| e["text"].clone()).collect();
    assert_eq!(texts, ["欢迎光临！", "二。"]);
}

#[tokio::test]
async fn an_id_that_belongs_to_other_content_is_422() {
    let app = app().await;
    let session = app.session().await;
    app.post(&turns(&session), &json!({ "turn": "one", "text": "你好" })).await;
    let response = app.post(&turns(&session), &json!({ "turn": "one", "text": "您好" })).await;
    let conflict = error(response, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(conflict["code"], "turn_id_conflict");
}

#[tokio::test]
async fn history_is_read_and_cleared() {
    let app = app().await;
    let session = app.session().await;
    for text in ["一", "二", "三"] {
        app.post(&turns(&session), &json!({ "text": text })).await;
    }
    let path = format!("/v1/sessions/{session}/history");
    let newest = app.get(&format!("{path}?limit=2")).await;
    let said: Vec<_> =
        newest["exchanges"].as_array().unwrap().iter().map(|e| e["said"].clone()).collect();
    assert_eq!(said, ["二", "三"]);
    let response = app.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert!(app.exchanges(&session).await.is_empty());
    assert_eq!(app.get(&format!("/v1/sessions/{session}")).await["exchanges"], 0);
}

#[tokio::test]
async fn a_conversation_is_exported_as_json_lines() {
    let app = app().await;
    let session = app.session().await;
    let export = format!("/v1/sessions/{session}/export");
    let empty = app.request(Method::GET, &export).send().await.unwrap();
    assert_eq!(empty.text().await.unwrap(), "");
    for text in ["第一行\n第二行", "\u{2028}二", "三"] {
        app.post(&turns(&session), &json!({ "text": text })).await;
    }
    let response = app.request(Method::GET, &export).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/jsonl; charset=utf-8");
    let text = response.text().await.unwrap();
    assert!(text.ends_with('\n'));
    let lines: Vec<Value> =
        text.split_terminator('\n').map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, app.exchanges(&session).await);
    assert_eq!(lines[0]["said"], "第一行\n第二行");
}

#[tokio::test]
async fn any_content_type_will_do() {
    let app = app().await;
    let session = app.session().await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/octet-stream"] {
        let request = app.request(Method::POST, &turns(&session)).header("content-type", kind);
        let response = request.body(r#"{"text":"你好"}"#).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{kind}");
    }
}

#[tokio::test]
async fn bad_input_gets_a_clear_error() {
    let app = app().await;
    let session = app.session().await;
    let path = turns(&session);
    for (sent, status, code) in [
        ("", 400, "invalid_json"),
        ("{", 400, "invalid_json"),
        ("{\"text\":\"a\"} x", 400, "invalid_json"),
        ("{\"text\":\"\\ud800\"}", 400, "invalid_json"),
        ("null", 400, "invalid_type"),
        ("[]", 400, "invalid_type"),
        ("[\"a\",\"b\"]", 400, "invalid_type"),
        ("{}", 400, "invalid_value"),
        ("{\"text\":\"\"}", 400, "empty_input"),
        ("{\"text\":7}", 400, "invalid_type"),
        ("{\"text\":\"a\",\"turn\":\"{a}\"}", 400, "invalid_type"),
        ("{\"text\":\"a\",\"purpose\":\"sing\"}", 400, "invalid_type"),
        ("{\"text\":\"a\",\"stream\":\"yes\"}", 400, "invalid_type"),
        ("{\"text\":\"a\",\"sampling\":{\"temperature\":2.1}}", 400, "invalid_value"),
        ("{\"text\":\"a\",\"sampling\":{\"temperature\":1e400}}", 400, "invalid_json"),
        ("{\"text\":\"a\",\"sampling\":{\"stop\":[\"\"]}}", 400, "invalid_value"),
        ("{\"text\":\"a\",\"images\":[\"http://10.0.0.1/\"]}", 400, "invalid_value"),
        ("{\"text\":\"a\",\"provider\":\"nobody\"}", 404, "model_not_found"),
        ("{\"text\":\"a\",\"persona\":\"nobody\"}", 404, "model_not_found"),
        ("{\"text\":\"a\",\"style\":\"none\"}", 404, "model_not_found"),
        ("{\"purpose\":\"regenerate\"}", 404, "turn_not_found"),
    ] {
        let response = app.request(Method::POST, &path).body(sent).send().await.unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        let was = response.status();
        assert_eq!(was, status, "{sent}: {}", response.text().await.unwrap());
        let response = app.request(Method::POST, &path).body(sent).send().await.unwrap();
        assert_eq!(error(response, status).await["code"], code, "{sent}");
    }
    let response = app.request(Method::POST, &path).body(&b"{\"text\":\"\xFF\"}"[..]).send().await;
    let invalid = error(response.unwrap(), StatusCode::BAD_REQUEST).await;
    assert_eq!(invalid["code"], "invalid_encoding");
    assert!(app.exchanges(&session).await.is_empty(), "nothing of it was kept");
}

#[tokio::test]
async fn errors_name_the_nearest_name() {
    let app = app().await;
    let session = app.session().await;
    let response = app.post(&turns(&session), &json!({ "text": "a", "provider": "dem" })).await;
    let error = error(response, StatusCode::NOT_FOUND).await;
    assert!(error["message"].as_str().unwrap().contains("demo"), "{error}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413() {
    let app = TestApp::start_with(vec![answering("demo", ANSWER)], |settings| {
        settings.server.max_message_bytes = 1000;
    })
    .await;
    let session = app.session().await;
    let call = json!({ "text": "x".repeat(1000) });
    for path in [turns(&session), "/v1/sessions".to_owned()] {
        let too_large = error(app.post(&path, &call).await, StatusCode::PAYLOAD_TOO_LARGE).await;
        assert_eq!(too_large["code"], "request_too_large");
    }
}

#[tokio::test]
async fn bad_sessions_are_refused_and_leave_nothing_behind() {
    let app = app().await;
    for (change, status, code) in [
        (json!({ "title": "" }), StatusCode::BAD_REQUEST, "invalid_value"),
        (json!({ "title": "x".repeat(101) }), StatusCode::BAD_REQUEST, "invalid_value"),
        (json!({ "title": "a\nb" }), StatusCode::BAD_REQUEST, "invalid_value"),
        (json!({ "title": 5 }), StatusCode::BAD_REQUEST, "invalid_type"),
        (json!({ "tittle": "a" }), StatusCode::BAD_REQUEST, "invalid_type"),
        (json!({ "title": "a", "persona": "nobody" }), StatusCode::NOT_FOUND, "model_not_found"),
        (json!({ "title": "a", "provider": "nobody" }), StatusCode::NOT_FOUND, "model_not_found"),
    ] {
        let response = app.post("/v1/sessions", &change).await;
        assert_eq!(error(response, status).await["code"], code, "{change}");
    }
    assert_eq!(app.get("/v1/sessions").await, json!({ "sessions": [] }));
    let session = app.session().await;
    let path = format!("/v1/sessions/{session}");
    for change in [
        json!({ "title": "", "provider": "other" }),
        json!({ "title": "a", "provider": "nobody" }),
        json!({ "persona": "companion", "provider": "nobody" }),
    ] {
        let response = app.request(Method::PATCH, &path).json(&change).send().await.unwrap();
        assert!(response.status().is_client_error());
    }
    let record = app.get(&path).await;
    assert_eq!((&record["title"], &record["settings"]), (&json!(""), &json!({})));
}

#[tokio::test]
async fn bad_ids_and_pages_are_refused() {
    let app = app().await;
    for id in ["%20", "a%00b", "{a}", "..%2Fetc", &"x".repeat(65)] {
        let path = format!("/v1/sessions/{id}/history");
        let response = app.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(error(response, StatusCode::BAD_REQUEST).await["code"], "invalid_id", "{id}");
    }
    for query in ["limit=-1", "limit=all", "skip=1e3"] {
        let response =
            app.request(Method::GET, &format!("/v1/sessions?{query}")).send().await.unwrap();
        assert_eq!(error(response, StatusCode::BAD_REQUEST).await["code"], "invalid_query");
    }
    for query in ["limit=0", "limit=1000000000", "skip=1000000000"] {
        app.get(&format!("/v1/sessions?{query}")).await;
    }
}

#[tokio::test]
async fn other_methods_and_paths_are_told_so() {
    let app = app().await;
    let session = app.session().await;
    for (method, path) in [
        (Method::PUT, "/v1/sessions".to_owned()),
        (Method::POST, format!("/v1/sessions/{session}")),
        (Method::GET, turns(&session)),
        (Method::PUT, format!("/v1/sessions/{session}/history")),
        (Method::POST, format!("/v1/sessions/{session}/export")),
        (Method::GET, format!("/v1/sessions/{session}/interrupt")),
    ] {
        let response = app.request(method, &path).send().await.unwrap();
        assert!(response.headers().contains_key("allow"), "{path}");
        let error = error(response, StatusCode::METHOD_NOT_ALLOWED).await;
        assert_eq!(error["code"], "method_not_allowed");
    }
    let response = app.request(Method::GET, "/v1/nothing").send().await.unwrap();
    assert_eq!(error(response, StatusCode::NOT_FOUND).await["code"], "not_found");
}

#[tokio::test]
async fn an_interrupt_without_a_turn_is_404() {
    let app = app().await;
    let session = app.session().await;
    let path = format!("/v1/sessions/{session}/interrupt");
    let response = app.request(Method::POST, &path).send().await.unwrap();
    assert_eq!(error(response, StatusCode::NOT_FOUND).await["code"], "turn_not_found");
}
