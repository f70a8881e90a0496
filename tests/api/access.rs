//! Who may call, and how much.

use std::{fs, path::Path, sync::Arc};

use anima::settings::{KeySettings, LimitSettings, Settings, WhoReads};
use anima_provider::ScriptedProvider;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    client::Client,
    helpers::{TestApp, error, http, json},
    providers::{ANSWER, Puppet, answering},
};

const KIOSK: &str = "kiosk-0123456789abcdef";
const BANK: &str = "bank-0123456789abcdef";
const LOBBY: &str = "lobby-0123456789abcdef";

/// A service with keys of two tenants and one of nobody in particular.
struct Guarded {
    app: TestApp,
    model: Arc<ScriptedProvider>,
    _keys: TempDir,
}

fn key(folder: &Path, key: &str, tenant: Option<&str>, limits: LimitSettings) -> KeySettings {
    let path = folder.join(key);
    fs::write(&path, key).unwrap();
    let tenant = tenant.map(str::to_owned);
    KeySettings { key_env: None, key_file: Some(path), tenant, limits }
}

async fn guarded(limits: LimitSettings, change: impl FnOnce(&mut Settings)) -> Guarded {
    let keys = tempfile::tempdir().unwrap();
    let model = answering("demo", ANSWER);
    let app = TestApp::start_with(vec![model.clone()], |settings| {
        let none = LimitSettings::default();
        settings.keys.insert("kiosk".to_owned(), key(keys.path(), KIOSK, Some("museum"), limits));
        settings.keys.insert("bank".to_owned(), key(keys.path(), BANK, Some("bank"), none));
        settings.keys.insert("lobby".to_owned(), key(keys.path(), LOBBY, None, none));
        change(settings);
    })
    .await;
    Guarded { app, model, _keys: keys }
}

/// A service with a key of each of the tenants `museum` and `bank`.
pub(crate) struct Tenants(Guarded);

pub(crate) async fn guarded_by_tenants(change: impl FnOnce(&mut Settings)) -> Tenants {
    Tenants(guarded(LimitSettings::default(), change).await)
}

impl Tenants {
    pub(crate) fn app(&self) -> &TestApp {
        &self.0.app
    }

    #[expect(clippy::unused_self, reason = "only such a service has these keys")]
    pub(crate) fn key(&self, tenant: &str) -> &'static str {
        if tenant == "museum" { KIOSK } else { BANK }
    }

    pub(crate) fn request(&self, tenant: &str, method: Method, path: &str) -> RequestBuilder {
        self.0.request(self.key(tenant), method, path)
    }

    pub(crate) async fn session(&self, tenant: &str) -> String {
        self.0.session(self.key(tenant)).await
    }
}

impl Guarded {
    fn request(&self, key: &str, method: Method, path: &str) -> RequestBuilder {
        self.app.request(method, path).bearer_auth(key)
    }

    async fn session(&self, key: &str) -> String {
        let response = self.request(key, Method::POST, "/v1/sessions").send().await.unwrap();
        json(response, StatusCode::CREATED).await["id"].as_str().unwrap().to_owned()
    }

    async fn sessions(&self, key: &str) -> Vec<String> {
        let response = self.request(key, Method::GET, "/v1/sessions").send().await.unwrap();
        let listed = json(response, StatusCode::OK).await;
        let ids =
            listed["sessions"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap());
        ids.map(str::to_owned).collect()
    }

    /// Connects as a browser does, which can send no header of its own.
    async fn browser(&self, key: &str) -> Result<Client, StatusCode> {
        let offered = format!("anima, anima-key.{key}");
        Client::try_connect(&self.app, &[("sec-websocket-protocol", &offered)]).await
    }
}

#[tokio::test]
async fn without_a_key_nothing_is_answered_but_what_is_open_to_all() {
    let Guarded { app, model, _keys } = &guarded(LimitSettings::default(), |_| {}).await;
    for (method, path) in [
        (Method::POST, "/"),
        (Method::POST, "/llm_response/"),
        (Method::POST, "/v1/chat/completions"),
        (Method::GET, "/v1/models"),
        (Method::GET, "/v1/sessions"),
        (Method::POST, "/v1/sessions"),
        (Method::DELETE, "/v1/sessions/a"),
        (Method::GET, "/ws"),
        (Method::GET, "/nothing"),
    ] {
        let response = app.request(method, path).body(r#"{"prompt":"a"}"#).send().await.unwrap();
        assert_eq!(response.headers()["www-authenticate"], "Bearer", "{path}");
        let refused = error(response, StatusCode::UNAUTHORIZED).await;
        assert_eq!(
            (&refused["code"], &refused["type"]),
            (&json!("invalid_api_key"), &json!("authentication_error")),
            "{path}"
        );
    }
    assert!(model.requests().is_empty());
    for path in ["/healthz", "/readyz", "/metrics", "/"] {
        let response = app.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_key_counts_only_where_keys_belong() {
    let service = guarded(LimitSettings::default(), |_| {}).await;
    let long = "x".repeat(100_000);
    for wrong in ["", "wrong", "kiosk", &KIOSK[1..], &KIOSK.to_uppercase(), &long] {
        let response = service.request(wrong, Method::GET, "/v1/sessions").send().await.unwrap();
        assert!(
            [StatusCode::UNAUTHORIZED, StatusCode::BAD_REQUEST].contains(&response.status()),
            "{} bytes",
            wrong.len()
        );
    }
    let in_address = format!("/v1/sessions?key={KIOSK}&api_key={KIOSK}&token={KIOSK}");
    let response = service.app.request(Method::GET, &in_address).send().await.unwrap();
    let refused = error(response, StatusCode::UNAUTHORIZED).await;
    assert!(!refused.to_string().contains(KIOSK));
    let lower = format!("bearer {KIOSK}");
    let request = service.app.request(Method::GET, "/v1/sessions").header("authorization", lower);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(service.sessions(KIOSK).await, [""; 0]);
}

#[tokio::test]
async fn a_socket_is_opened_with_a_key_in_a_header_or_among_the_subprotocols() {
    let service = guarded(LimitSettings::default(), |_| {}).await;
    let refused = |result: Result<Client, StatusCode>| result.err().map(|it| it.as_u16());
    assert_eq!(refused(Client::try_connect(&service.app, &[]).await), Some(401));
    assert_eq!(refused(service.browser("wrong-0123456789abcdef").await), Some(401));
    let bearer = format!("Bearer {KIOSK}");
    let mut program =
        Client::try_connect(&service.app, &[("authorization", &bearer)]).await.unwrap();
    program.ask("one", "你好").await.finished("complete");
    let mut page = service.browser(KIOSK).await.unwrap();
    page.ask("one", "你好").await.finished("complete");
    let handshake = service
        .app
        .request(Method::GET, "/ws")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", format!("anima, anima-key.{KIOSK}"))
        .send()
        .await
        .unwrap();
    assert_eq!(handshake.headers()["sec-websocket-protocol"], "anima");
}

#[tokio::test]
async fn the_sessions_of_another_tenant_do_not_exist() {
    let service = guarded(LimitSettings::default(), |_| {}).await;
    let mine = service.session(KIOSK).await;
    let turns = |key, session: &str| {
        let path = format!("/v1/sessions/{session}/turns");
        service.request(key, Method::POST, &path).json(&json!({ "text": "你好", "turn": "one" }))
    };
    json(turns(KIOSK, &mine).send().await.unwrap(), StatusCode::OK).await;
    for stranger in [BANK, LOBBY] {
        for (method, end) in [
            (Method::GET, ""),
            (Method::GET, "/history"),
            (Method::GET, "/export"),
            (Method::DELETE, "/history"),
            (Method::POST, "/interrupt"),
            (Method::DELETE, ""),
        ] {
            let path = format!("/v1/sessions/{mine}{end}");
            let response = service.request(stranger, method, &path).send().await.unwrap();
            let refused = error(response, StatusCode::NOT_FOUND).await;
            assert_eq!(refused["code"], "session_not_found", "{path}");
        }
        error(turns(stranger, &mine).send().await.unwrap(), StatusCode::NOT_FOUND).await;
        assert_eq!(service.sessions(stranger).await, [""; 0]);
        // Whoever asks for it on a socket gets a fresh one, as for any unknown session.
        let mut socket = service.browser(stranger).await.unwrap();
        socket.send(&json!({ "type": "hello", "session": mine, "resume_from": 0 })).await;
        let welcome = socket.next().await;
        assert!(welcome["session"] != json!(mine) && welcome["resumed"] == false, "{welcome}");
        // By Linly-Talker's call a session is made by its first turn: another one of the same id.
        let call = json!({ "prompt": "你好", "session": mine });
        let answer = service.request(stranger, Method::POST, "/").json(&call).send().await.unwrap();
        json(answer, StatusCode::OK).await;
    }
    assert_eq!(service.sessions(KIOSK).await, std::slice::from_ref(&mine));
    let history = service
        .request(KIOSK, Method::GET, &format!("/v1/sessions/{mine}/history"))
        .send()
        .await
        .unwrap();
    let history = json(history, StatusCode::OK).await;
    assert_eq!(history["exchanges"].as_array().unwrap().len(), 1, "{history}");
    for id in ["museum/a", "museum%2Fa", "bank%2Fa"] {
        let path = format!("/v1/sessions/{id}");
        let response = service.request(LOBBY, Method::GET, &path).send().await.unwrap();
        assert!(response.status().is_client_error(), "{id}");
    }
}

#[tokio::test]
async fn whoever_asks_too_often_is_told_when_to_come_back_in_the_callers_own_words() {
    let limits = LimitSettings { turns_per_minute: 6, burst: 2, ..LimitSettings::default() };
    let service = guarded(limits, |_| {}).await;
    let mut socket = service.browser(KIOSK).await.unwrap();
    socket.ask("one", "你好").await.finished("complete");
    socket.ask("two", "你好").await.finished("complete");
    socket.say("three", "你好").await;
    let refused = socket.error("rate_limited").await;
    let wait = refused["retry_after_ms"].as_u64().unwrap();
    assert!((5_000..=10_000).contains(&wait) && refused["turn"] == "three", "{refused}");
    let post = |path: &str, body: Value| service.request(KIOSK, Method::POST, path).json(&body);
    let chat = json!({ "messages": [{ "role": "user", "content": "你好" }] });
    let response = post("/v1/chat/completions", chat).send().await.unwrap();
    let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((5..=10).contains(&seconds), "{seconds}");
    let refused = error(response, StatusCode::TOO_MANY_REQUESTS).await;
    assert_eq!(
        (&refused["code"], &refused["type"]),
        (&json!("rate_limited"), &json!("rate_limit_error"))
    );
    let linly = post("/", json!({ "prompt": "你好" })).send().await.unwrap();
    assert!(linly.headers().contains_key("retry-after"));
    let linly = json(linly, StatusCode::TOO_MANY_REQUESTS).await;
    assert_eq!((&linly["response"], &linly["status"]), (&json!(""), &json!(429)));
    let talker = post("/llm_response/", json!({ "question": "你好" })).send().await.unwrap();
    assert!(json(talker, StatusCode::TOO_MANY_REQUESTS).await["detail"].is_string());
    // Others are not concerned, and what is no turn is answered.
    let mut other = service.browser(BANK).await.unwrap();
    other.ask("one", "你好").await.finished("complete");
    service.session(KIOSK).await;
    assert_eq!(service.model.requests().len(), 3);
}

#[tokio::test]
async fn a_quota_is_used_up_for_the_day() {
    let limits = LimitSettings { tokens_per_day: 1, ..LimitSettings::default() };
    let service = guarded(limits, |_| {}).await;
    let mut socket = service.browser(KIOSK).await.unwrap();
    socket.ask("one", "你好").await.finished("complete");
    socket.say("two", "你好").await;
    socket.error("quota_exceeded").await;
    let post = service.request(KIOSK, Method::POST, "/v1/chat/completions");
    let chat = json!({ "messages": [{ "role": "user", "content": "你好" }] });
    let response = post.json(&chat).send().await.unwrap();
    assert_eq!(response.headers()["x-should-retry"], "false");
    assert_eq!(error(response, StatusCode::TOO_MANY_REQUESTS).await["code"], "quota_exceeded");
}

#[tokio::test]
async fn a_restart_gives_no_quota_back() {
    let keys = tempfile::tempdir().unwrap();
    let limits = LimitSettings { turns_per_day: 2, ..LimitSettings::default() };
    let change = |settings: &mut Settings| {
        settings.keys.insert("kiosk".to_owned(), key(keys.path(), KIOSK, None, limits));
    };
    let ask = async |app: &TestApp| {
        let call =
            app.request(Method::POST, "/").bearer_auth(KIOSK).json(&json!({ "prompt": "a" }));
        call.send().await.unwrap().status().as_u16()
    };
    let app = TestApp::start_with(vec![answering("demo", ANSWER)], change).await;
    assert_eq!(ask(&app).await, 200);
    let folder = app.stop().await;
    let app = TestApp::start_in_with(folder, vec![answering("demo", ANSWER)], change).await;
    assert_eq!((ask(&app).await, ask(&app).await), (200, 429));
}

#[tokio::test]
async fn turns_that_run_are_counted_and_cutting_in_needs_no_place() {
    let keys = tempfile::tempdir().unwrap();
    let (puppet, mut hand) = Puppet::new("demo");
    let app = TestApp::start_with(vec![puppet], |settings| {
        let limits = LimitSettings { concurrent_turns: 1, ..LimitSettings::default() };
        settings.keys.insert("kiosk".to_owned(), key(keys.path(), KIOSK, None, limits));
    })
    .await;
    let service = Guarded { app, model: answering("other", ANSWER), _keys: keys };
    let mut socket = service.browser(KIOSK).await.unwrap();
    socket.say("one", "你好").await;
    let _running = hand.admitted().await;
    let call = service.request(KIOSK, Method::POST, "/").json(&json!({ "prompt": "你好" }));
    let refused = json(call.send().await.unwrap(), StatusCode::TOO_MANY_REQUESTS).await;
    assert!(refused["error"].as_str().unwrap().contains("at a time"), "{refused}");
    socket.say("two", "不对").await;
    let second = hand.admitted().await;
    second.say("好的。");
    second.finish();
    socket.turn("two").await.finished("complete");
    let call = service.request(KIOSK, Method::POST, "/").json(&json!({ "prompt": "你好" }));
    let answer = tokio::spawn(call.send());
    let third = hand.admitted().await;
    third.say("好的。");
    third.finish();
    assert_eq!(answer.await.unwrap().unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn callers_without_a_key_are_limited_by_where_they_are() {
    let limits = LimitSettings { requests_per_minute: 2, ..LimitSettings::default() };
    let app = TestApp::start_with(vec![answering("demo", ANSWER)], |settings| {
        settings.access.limits = limits;
        settings.access.address_header = Some("x-forwarded-for".to_owned());
    })
    .await;
    let get = async |from: &str| {
        let request = app.request(Method::GET, "/v1/sessions").header("x-forwarded-for", from);
        request.send().await.unwrap().status().as_u16()
    };
    // Only what the proxy has added counts: it stands last.
    for (from, status) in [
        ("192.0.2.1", 200),
        ("8.8.8.8, 192.0.2.1", 200),
        ("9.9.9.9,192.0.2.1", 429),
        ("192.0.2.2", 200),
        ("nonsense", 200),
    ] {
        assert_eq!(get(from).await, status, "{from}");
    }
    for _ in 0..5 {
        app.get("/healthz").await;
    }
}

#[tokio::test]
async fn metrics_are_for_those_with_a_key_where_that_is_wanted() {
    let service = guarded(LimitSettings::default(), |settings| {
        settings.access.metrics = WhoReads::Key;
    })
    .await;
    let get = |request: RequestBuilder| async { request.send().await.unwrap() };
    let metrics = || service.app.request(Method::GET, "/metrics");
    error(get(metrics()).await, StatusCode::UNAUTHORIZED).await;
    error(get(metrics().bearer_auth("wrong")).await, StatusCode::UNAUTHORIZED).await;
    let chat = json!({ "prompt": "你好" });
    get(service.request(BANK, Method::POST, "/").json(&chat)).await;
    let told = get(metrics().bearer_auth(BANK)).await.text().await.unwrap();
    assert!(told.contains("anima_caller_turns_total{caller=\"bank\"}"), "{told}");
    assert!(!told.contains(BANK));
}

#[tokio::test]
async fn without_keys_whatever_is_sent_as_one_is_let_pass() {
    let app = TestApp::start(vec![answering("demo", ANSWER)]).await;
    let url = format!("http://{}/v1/models", app.address);
    let response = http().get(url).bearer_auth("sk-anything").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn whoever_asks_again_for_what_was_answered_pays_nothing_and_is_not_refused() {
    let limits = LimitSettings { turns_per_day: 2, ..LimitSettings::default() };
    let service = guarded(limits, |_| {}).await;
    let path = format!("/v1/sessions/{}/turns", service.session(KIOSK).await);
    let ask = async |turn: &str| {
        let body = json!({ "turn": turn, "text": "你好", "purpose": "say" });
        let request = service.request(KIOSK, Method::POST, &path).json(&body);
        request.send().await.unwrap().status()
    };
    for _ in 0..3 {
        assert_eq!(ask("one").await, StatusCode::OK);
    }
    assert_eq!(ask("two").await, StatusCode::OK);
    assert_eq!(ask("three").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask("one").await, StatusCode::OK, "it is in the store");
    assert_eq!(ask("two").await, StatusCode::OK);
    assert_eq!(ask("four").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(service.model.requests().len(), 2);
}

#[tokio::test]
async fn guessing_keys_is_limited_as_asking_without_one_is() {
    let service = guarded(LimitSettings::default(), |settings| {
        settings.access.limits.requests_per_minute = 2;
    })
    .await;
    for expected in [401, 401, 429, 429] {
        let response = service.request("wrong-0123456789abcdef", Method::GET, "/v1/sessions");
        assert_eq!(response.send().await.unwrap().status().as_u16(), expected);
    }
    assert_eq!(service.sessions(KIOSK).await, [""; 0]);
}

#[tokio::test]
async fn the_tokens_of_a_turn_that_is_given_up_count() {
    let folder = tempfile::tempdir().unwrap();
    let (puppet, mut hand) = Puppet::new("demo");
    let limits = LimitSettings { tokens_per_day: 3, ..LimitSettings::default() };
    let app = TestApp::start_with(vec![puppet], |settings| {
        settings.keys.insert("kiosk".to_owned(), key(folder.path(), KIOSK, None, limits));
    })
    .await;
    let ask = || {
        let body = json!({ "messages": [{ "role": "user", "content": "你好" }], "stream": true });
        app.request(Method::POST, "/v1/chat/completions").bearer_auth(KIOSK).json(&body).send()
    };
    let (mut response, asked) = tokio::join!(ask(), async {
        let asked = hand.admitted().await;
        for text in ["一", "二", "三。"] {
            asked.say(text);
        }
        asked
    });
    let response = response.as_mut().unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut read = String::new();
    while !read.contains('三') {
        read.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
    }
    drop(asked);
    // Its provider is gone without an end: the turn has failed, and what it said was generated.
    while response.chunk().await.is_ok_and(|chunk| chunk.is_some()) {}
    let refused = error(ask().await.unwrap(), StatusCode::TOO_MANY_REQUESTS).await;
    assert_eq!(refused["code"], "quota_exceeded");
}
