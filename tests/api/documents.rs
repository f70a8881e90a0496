//! The documents that machines read, held against the service.

mod schema;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
};

use anima_provider::{Capabilities, FinishReason, ProviderEvent, Script, ScriptedProvider, Step};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    client::Client,
    helpers::TestApp,
    providers::{ANSWER, answering},
};
use schema::Document;

const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];

/// The paths that the code of the surfaces adds routes for.
fn routes(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            routes(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        // Some are added in a row, out of a table of places.
        if let Some((_, table)) = text.split_once("const PLACES: ") {
            let table = table.split("];").next().unwrap();
            let places = table.split("(\"/").skip(1).map(|place| place.split('"').next().unwrap());
            found.extend(places.map(|place| format!("/{place}/{{file}}")));
        }
        for call in text.split("resource(").skip(1) {
            let Some(rest) = call.trim_start().strip_prefix('"') else { continue };
            let route = rest.split('"').next().unwrap();
            // What a pattern says of a parameter is not part of its name.
            let route = route.replace("{slash:/?}", "/").replace(":.+}", "}").replace(":.*}", "}");
            found.insert(route);
        }
    }
}

async fn documented(app: &TestApp) -> BTreeMap<String, Vec<String>> {
    let document = app.get("/openapi.json").await;
    let paths = document["paths"].as_object().unwrap().clone();
    let methods = |methods: Value| methods.as_object().unwrap().keys().cloned().collect();
    // What has servers of its own is on another listener.
    let is_here = |methods: &Value| {
        methods.as_object().unwrap().values().all(|operation| operation.get("servers").is_none())
    };
    paths
        .into_iter()
        .filter(|(_, methods)| is_here(methods))
        .map(|(path, value)| (path, methods(value)))
        .collect()
}

#[tokio::test]
async fn every_route_is_documented_and_every_documented_one_is_there() {
    let app = TestApp::start(vec![answering("far", "好。")]).await;
    let mut routes = BTreeSet::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    routes_of(&folder, &mut routes);
    let documented = documented(&app).await;
    assert_eq!(documented.keys().cloned().collect::<BTreeSet<_>>(), routes);
    for (path, methods) in documented {
        let session = app.session().await;
        let place = path
            .replace("{session}", &session)
            .replace("{model}", "far")
            .replace("{path}", "index.html");
        for method in METHODS {
            let name = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let mut request = app.request(name, &place).body("{}");
            // What pages ask everywhere is answered before any route, but for this one.
            if method == "options" && path == "/generate" {
                request = request
                    .header("origin", "http://localhost")
                    .header("access-control-request-method", "POST");
            }
            let response = request.send().await.unwrap();
            let status = response.status();
            let is_there = status != StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(is_there, methods.iter().any(|known| known == method), "{method} {path}");
            assert!(!status.is_server_error(), "{method} {path}: {status}");
            let told = response.text().await.unwrap();
            assert!(!told.contains("there is nothing at this path"), "{method} {path}: {told}");
        }
    }
}

fn routes_of(source: &Path, found: &mut BTreeSet<String>) {
    routes(&source.join("surface"), found);
    let table = fs::read_to_string(source.join("surface.rs")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("surface.rs"), table).unwrap();
    routes(folder.path(), found);
}

#[tokio::test]
async fn answers_fit_what_is_documented() {
    let logprob = || {
        let token = json!({ "token": "好", "logprob": -0.5, "bytes": [1],
            "top_logprobs": [{ "token": "您", "logprob": -1.5 }] });
        Step::Event(ProviderEvent::Logprobs(vec![serde_json::from_value(token).unwrap()]))
    };
    let capabilities =
        Capabilities { chat: true, text: true, logprobs: true, ..Capabilities::default() };
    let provider = ScriptedProvider::new("far", move |request| {
        let script = Script::admitted();
        let script = if request.logprobs.is_some() { script.then(logprob()) } else { script };
        Ok(script.text(ANSWER).done(FinishReason::Stop))
    });
    let app = TestApp::start(vec![Arc::new(provider.with_capabilities(capabilities))]).await;
    let document = Document::new(app.get("/openapi.json").await);
    let session = app.session().await;
    let at = |rest: &str| format!("/v1/sessions/{session}{rest}");
    let said = json!({ "messages": "你好" });
    let likely = json!({ "messages": "你好", "logprobs": true, "top_logprobs": 1 });
    for (method, template, path, body) in [
        ("get", "/healthz", "/healthz".to_owned(), Value::Null),
        ("get", "/readyz", "/readyz".to_owned(), Value::Null),
        ("get", "/v1/models", "/v1/models".to_owned(), Value::Null),
        ("get", "/v1/models/{model}", "/v1/models/far".to_owned(), Value::Null),
        ("get", "/v1/models/{model}", "/v1/models/fra".to_owned(), Value::Null),
        ("post", "/v1/chat/completions", "/v1/chat/completions".to_owned(), said.clone()),
        ("post", "/v1/chat/completions", "/v1/chat/completions".to_owned(), json!({})),
        ("post", "/v1/chat/completions", "/v1/chat/completions".to_owned(), likely),
        (
            "post",
            "/v1/completions",
            "/v1/completions".to_owned(),
            json!({ "prompt": "a", "logprobs": 1 }),
        ),
        (
            "post",
            "/v1/completions",
            "/v1/completions".to_owned(),
            json!({ "prompt": ["a", "b"], "echo": true }),
        ),
        ("post", "/v1/embeddings", "/v1/embeddings".to_owned(), json!({ "input": "a" })),
        ("post", "/generate", "/generate".to_owned(), json!({ "prompt": "a", "n": 2 })),
        (
            "post",
            "/generate",
            "/generate".to_owned(),
            json!({ "context": "a", "maxlength": 5, "samples": 1 }),
        ),
        (
            "post",
            "/generate",
            "/generate".to_owned(),
            json!({ "context": "", "maxlength": 5, "samples": 1 }),
        ),
        ("post", "/generate", "/generate".to_owned(), json!({})),
        ("post", "/", "/".to_owned(), json!({ "prompt": "你好" })),
        ("post", "/", "/".to_owned(), json!({ "prompt": 7 })),
        ("post", "/llm_response/", "/llm_response/".to_owned(), json!({ "question": "你好" })),
        ("post", "/llm_response/", "/llm_response/".to_owned(), json!({ "question": "" })),
        ("post", "/llm_change_model/", "/llm_change_model/?model_name=far".to_owned(), Value::Null),
        ("post", "/v1/sessions", "/v1/sessions".to_owned(), json!({ "title": "a" })),
        ("post", "/v1/sessions", "/v1/sessions".to_owned(), json!({ "persona": "nobody" })),
        ("post", "/v1/sessions/{session}/turns", at("/turns"), json!({ "text": "你好" })),
        ("post", "/v1/sessions/{session}/interrupt", at("/interrupt"), json!({})),
        ("get", "/v1/sessions/{session}/history", at("/history"), Value::Null),
        ("get", "/v1/sessions", "/v1/sessions".to_owned(), Value::Null),
        ("get", "/v1/sessions/{session}", at(""), Value::Null),
        ("patch", "/v1/sessions/{session}", at(""), json!({ "title": "b", "persona": "lingxi" })),
        ("get", "/admin/providers", "/admin/providers".to_owned(), Value::Null),
        ("post", "/admin/provider", "/admin/provider".to_owned(), json!({ "provider": "far" })),
        ("delete", "/v1/sessions/{session}", at(""), Value::Null),
    ] {
        let name = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let request = app.request(name, &path);
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = request.send().await.unwrap();
        let status = response.status();
        let answers = &document.root["paths"][template][method]["responses"];
        let answer = answers.get(status.as_str()).unwrap_or(&answers["default"]);
        let answer = &answer["content"]["application/json"]["schema"];
        if answer.is_null() {
            assert!(status == StatusCode::NO_CONTENT, "{method} {path}: {status}");
            continue;
        }
        let told: Value = response.json().await.unwrap();
        if let Err(problem) = document.check(answer, &told) {
            panic!("{method} {path} {body}: {problem}\n{told:#}");
        }
    }
}

#[tokio::test]
async fn frames_fit_what_is_documented() {
    let app = TestApp::start(vec![answering("far", ANSWER)]).await;
    let document = Document::new(app.get("/asyncapi.json").await);
    let messages = &document.root["channels"]["socket"]["messages"];
    let mut client = Client::connect(&app).await;
    let mut kinds = BTreeSet::new();
    for (frame, last) in [
        (json!({ "type": "hello", "persona": "lingxi", "playback": "none" }), "welcome"),
        (json!({ "type": "say", "text": "如何应对压力", "turn": "t-1" }), "finished"),
        (json!({ "type": "interrupt", "turn": "t-1", "heard": "先" }), "heard"),
        (json!({ "type": "regenerate" }), "finished"),
        (json!({ "type": "speak", "text": "你好。" }), "finished"),
        (json!({ "type": "switch", "provider": "far" }), "switched"),
        (json!({ "type": "history", "limit": 5 }), "history"),
        (json!({ "type": "clear" }), "cleared"),
        (json!({ "type": "ping", "id": 7 }), "pong"),
        (json!({ "type": "say", "id": "x" }), "error"),
    ] {
        let kind = frame["type"].as_str().unwrap();
        let schema = &messages[format!("{kind}_received")]["payload"];
        let fits = document.check(schema, &frame);
        assert_eq!(fits.is_ok(), last != "error", "{frame}: {fits:?}");
        client.send(&frame).await;
        loop {
            let told = client.next().await;
            let kind = told["type"].as_str().unwrap().to_owned();
            let schema = &messages[format!("{kind}_sent")]["payload"];
            assert!(!schema.is_null(), "{told}");
            if let Err(problem) = document.check(schema, &told) {
                panic!("{problem}\n{told:#}");
            }
            kinds.insert(kind.clone());
            if kind == last {
                break;
            }
        }
    }
    assert!(kinds.len() >= 12, "{kinds:?}");
}

#[tokio::test]
async fn the_page_needs_nothing_but_itself() {
    let app = TestApp::start(vec![answering("far", "好。")]).await;
    let response = app.request(Method::GET, "/docs").send().await.unwrap();
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    let page = response.text().await.unwrap();
    assert!(page.contains("/v1/chat/completions") && page.contains("/asyncapi.json"));
    for foreign in ["<script", "<img", "<link", "http://", "https://", " style=", "@import", "url("]
    {
        // Schemas may have addresses in their words; the page's own markup has none.
        let found = page.split("<pre>").map(|part| part.rsplit("</pre>").next().unwrap());
        assert!(!found.into_iter().any(|markup| markup.contains(foreign)), "{foreign}");
    }
    let references = page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
    for name in references {
        assert!(page.contains(&format!("id=\"{name}\"")), "{name}");
    }
}

#[test]
fn the_check_of_schemas_finds_what_does_not_fit() {
    let document =
        Document::new(json!({ "components": { "schemas": { "Text": { "type": "string" } } } }));
    let schema = json!({ "type": "object", "required": ["a"], "properties": {
        "a": { "$ref": "#/components/schemas/Text" },
        "b": { "type": ["integer", "null"], "minimum": 1 },
        "c": { "oneOf": [{ "type": "null" }, { "enum": ["x"] }] },
        "d": { "type": "array", "items": { "type": "number" } },
        "e": { "const": true },
    } });
    let fits = |value: Value| document.check(&schema, &value).is_ok();
    for good in [
        json!({ "a": "" }),
        json!({ "a": "", "b": null, "c": null, "d": [1, 0.5], "e": true }),
        json!({ "a": "", "b": 1, "c": "x", "more": {} }),
    ] {
        assert!(fits(good.clone()), "{good}");
    }
    for bad in [
        json!({}),
        json!([]),
        json!({ "a": 1 }),
        json!({ "a": "", "b": 0.5 }),
        json!({ "a": "", "b": 0 }),
        json!({ "a": "", "c": "y" }),
        json!({ "a": "", "d": ["1"] }),
        json!({ "a": "", "e": false }),
    ] {
        assert!(!fits(bad.clone()), "{bad}");
    }
}
