//! The page, as it is served. What it does is tried in a browser (`tests/browser`).

use reqwest::{Method, Response, StatusCode, header};

use crate::{
    helpers::{TestApp, error},
    providers::answering,
};

async fn get(app: &TestApp, path: &str, accept: &str) -> Response {
    app.request(Method::GET, path).header(header::ACCEPT, accept).send().await.unwrap()
}

#[tokio::test]
async fn browsers_get_the_page_and_others_examples_to_try() {
    let app = TestApp::start(vec![answering("demo", "你好。")]).await;
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let page = get(&app, "/", browser).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert_eq!(page.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
    assert_eq!(page.headers()[header::CACHE_CONTROL], "no-cache");
    let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let tag = page.headers()[header::ETAG].clone();
    let known = app.request(Method::GET, "/").header(header::ACCEPT, browser);
    let known = known.header(header::IF_NONE_MATCH, tag).send().await.unwrap();
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    for accept in ["*/*", "text/plain", "application/json"] {
        let text = get(&app, "/", accept).await.text().await.unwrap();
        assert!(text.contains("curl -X POST"), "{accept}");
    }
}

#[tokio::test]
async fn files_of_the_page_are_served_and_nothing_beside_them() {
    let app = TestApp::start(vec![answering("demo", "你好。")]).await;
    let client = get(&app, "/static/anima-client.js", "*/*").await;
    assert_eq!(client.status(), StatusCode::OK);
    assert_eq!(client.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
    assert_eq!(client.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert!(client.text().await.unwrap().contains("class AnimaClient"));
    for path in
        ["/static/", "/static/nothing.js", "/static/%2e%2e/Cargo.toml", "/static/..%2fCargo.toml"]
    {
        let missing = error(get(&app, path, "*/*").await, StatusCode::NOT_FOUND).await;
        assert_eq!(missing["code"], "not_found", "{path}");
    }
    let posted = app.request(Method::POST, "/static/index.html").send().await.unwrap();
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
}
