//! Which web pages may connect.

use anima::settings::{KeySettings, LimitSettings};
use reqwest::{Method, StatusCode};

use crate::{
    client::Client,
    helpers::{TestApp, error},
    providers::answering,
};

const KIOSK: &str = "https://kiosk.example.org";

async fn app() -> TestApp {
    TestApp::start_with(vec![answering("demo", "你好。")], |settings| {
        settings.server.origins = vec![KIOSK.to_owned()];
    })
    .await
}

#[tokio::test]
async fn programs_and_pages_of_this_machine_may_connect_and_others_by_the_list() {
    let app = app().await;
    Client::try_connect(&app, &[]).await.expect("a program");
    for origin in [
        "http://localhost",
        "http://localhost:5173",
        "https://127.0.0.1:7871",
        "http://[::1]:80",
        KIOSK,
    ] {
        Client::try_connect(&app, &[("origin", origin)]).await.expect(origin);
    }
}

#[tokio::test]
async fn other_pages_are_refused_before_the_upgrade() {
    let app = app().await;
    for origin in [
        "null",
        "https://evil.example",
        "http://kiosk.example.org",
        "https://kiosk.example.org:8443",
        "https://kiosk.example.org.evil.example",
        "https://evil.example/https://kiosk.example.org",
        "https://KIOSK.example.org",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://localhost@evil.example",
        "file://",
        "chrome-extension://abcdef",
    ] {
        let refused = Client::try_connect(&app, &[("origin", origin)]).await.err();
        assert_eq!(refused.map(|status| status.as_u16()), Some(403), "{origin}");
    }
    let two = [("origin", "http://localhost"), ("origin", "https://evil.example")];
    let refused = Client::try_connect(&app, &two).await.err();
    assert_eq!(refused.map(|status| status.as_u16()), Some(403));
}

#[tokio::test]
async fn what_holds_for_sockets_holds_for_requests() {
    let model = answering("demo", "你好。");
    let app = TestApp::start(vec![model.clone()]).await;
    let session = app.session().await;
    for (method, path) in [
        (Method::GET, "/ws".to_owned()),
        (Method::GET, "/".to_owned()),
        (Method::POST, "/".to_owned()),
        (Method::POST, "/v1/sessions".to_owned()),
        (Method::GET, "/v1/sessions".to_owned()),
        (Method::POST, format!("/v1/sessions/{session}/turns")),
        (Method::DELETE, format!("/v1/sessions/{session}")),
        (Method::GET, "/metrics".to_owned()),
        (Method::GET, "/nothing".to_owned()),
    ] {
        // A page can send this without asking: a plain text that happens to be JSON.
        let request = app.request(method, &path).header("content-type", "text/plain");
        let request = request.body(r#"{"prompt":"a","text":"a"}"#);
        let response = request.header("origin", "https://evil.example").send().await.unwrap();
        let refused = error(response, StatusCode::FORBIDDEN).await;
        assert_eq!(refused["code"], "origin_not_allowed", "{path}");
    }
    assert!(model.requests().is_empty());
    let request = app.request(Method::POST, "/").header("origin", "http://localhost:3000");
    let response = request.body(r#"{"prompt":"a"}"#).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_name_that_was_made_to_point_here_is_refused() {
    let app = app().await;
    let get = async |host: &str| {
        app.request(Method::GET, "/v1/sessions").header("host", host).send().await.unwrap()
    };
    for host in ["evil.example", "evil.example:7871", "127.0.0.1.evil.example", "localhost.evil"] {
        let refused = error(get(host).await, StatusCode::FORBIDDEN).await;
        assert_eq!(refused["code"], "host_not_allowed", "{host}");
    }
    for host in ["localhost", "localhost:7871", "127.0.0.1:80", "[::1]:7871", "kiosk.example.org"] {
        assert_eq!(get(host).await.status(), StatusCode::OK, "{host}");
    }
    let refused = Client::try_connect(&app, &[("host", "evil.example")]).await.err();
    assert_eq!(refused.map(|status| status.as_u16()), Some(403));
}

#[tokio::test]
async fn pages_that_may_connect_may_read_what_is_answered_and_no_others() {
    let keys = tempfile::tempdir().unwrap();
    let path = keys.path().join("key");
    std::fs::write(&path, "0123456789abcdef").unwrap();
    let app = TestApp::start_with(vec![answering("demo", "你好。")], |settings| {
        settings.server.origins = vec![KIOSK.to_owned()];
        let key = KeySettings {
            key_env: None,
            key_file: Some(path.clone()),
            tenant: None,
            limits: LimitSettings::default(),
        };
        settings.keys.insert("kiosk".to_owned(), key);
    })
    .await;
    // A browser asks first, and sends no key then.
    let asks = |origin: &str| {
        let request = app.request(Method::OPTIONS, "/v1/sessions").header("origin", origin);
        request
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type,x-stainless-lang")
    };
    let told = asks(KIOSK).send().await.unwrap();
    assert_eq!(told.status(), StatusCode::NO_CONTENT);
    assert_eq!(told.headers()["access-control-allow-origin"], KIOSK);
    let allowed = told.headers()["access-control-allow-headers"].to_str().unwrap();
    assert_eq!(allowed, "authorization,content-type,x-stainless-lang");
    assert!(told.headers()["access-control-allow-methods"].to_str().unwrap().contains("DELETE"));
    let vary: Vec<_> = told.headers().get_all("vary").iter().collect();
    assert_eq!(vary, ["access-control-request-headers", "origin"]);
    let refused = asks("https://evil.example").send().await.unwrap();
    assert!(!refused.headers().contains_key("access-control-allow-origin"));
    error(refused, StatusCode::FORBIDDEN).await;
    // What is answered can be read, refusals among it.
    let list = || app.request(Method::GET, "/v1/sessions").header("origin", KIOSK);
    let refused = list().send().await.unwrap();
    assert_eq!(refused.headers()["access-control-allow-origin"], KIOSK);
    error(refused, StatusCode::UNAUTHORIZED).await;
    let answered = list().bearer_auth("0123456789abcdef").send().await.unwrap();
    assert_eq!(answered.status(), StatusCode::OK);
    assert_eq!(answered.headers()["access-control-allow-origin"], KIOSK);
    // Programs get none of it, and a method that is not taken stays that.
    let program = app.request(Method::GET, "/healthz").send().await.unwrap();
    assert!(!program.headers().contains_key("access-control-allow-origin"));
}
