//! Pictures that a call names by their address.

use anima::settings::PictureSources;
use anima_provider::{Image, Input, Script};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{PATH, capable, whole};
use crate::{
    helpers::{TestApp, error},
    providers::answering,
};

/// A server of one picture, and where it is.
async fn gallery() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let head = "HTTP/1.1 200 OK\r\nContent-Type: image/gif\r\nContent-Length: 6\r\n\r\n";
            let _ = stream.write_all(format!("{head}GIF89a").as_bytes()).await;
        }
    });
    format!("http://localhost:{port}/a.gif")
}

fn showing(urls: &[&str]) -> Value {
    let part = |url: &&str| json!({ "type": "image_url", "image_url": { "url": url } });
    let parts: Vec<_> = urls.iter().map(part).collect();
    json!({ "messages": [{ "role": "user", "content": parts }] })
}

#[tokio::test]
async fn a_picture_is_fetched_for_a_model_that_looks_at_it() {
    let provider = capable([Script::saying(["ok"])]);
    let app = TestApp::start_with(vec![provider.clone()], |settings| {
        settings.server.images.fetch = PictureSources::Http;
        settings.server.images.trusted = vec!["localhost".to_owned()];
    })
    .await;
    let url = gallery().await;
    whole(&app, &showing(&[&url, "data:image/png;base64,AAAA"])).await;
    let Input::Chat { messages, .. } = &provider.requests()[0].input else { panic!() };
    let expected = ["data:image/gif;base64,R0lGODlh", "data:image/png;base64,AAAA"];
    assert_eq!(messages[0].images, expected.map(|url| Image(url.to_owned())));
}

#[tokio::test]
async fn what_is_within_is_not_fetched_and_what_is_there_is_not_told() {
    let url = gallery().await;
    let app = TestApp::start_with(vec![answering("far", "好。")], |settings| {
        settings.server.images.fetch = PictureSources::Http;
        settings.server.images.timeout_ms = 1000;
    })
    .await;
    let mut messages = Vec::new();
    for url in [
        url.as_str(),
        "http://127.0.0.1:9/a.gif",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:10.0.0.1]/",
    ] {
        let error = error(app.post(PATH, &showing(&[url])).await, StatusCode::BAD_REQUEST).await;
        assert_eq!(error["code"], "invalid_image", "{url}");
        assert_eq!(error["param"], "messages[0].content[0].image_url");
        messages.push(error["message"].clone());
    }
    messages.dedup();
    assert_eq!(messages.len(), 1, "{messages:?}");
}

#[tokio::test]
async fn a_service_that_fetches_nothing_says_how_it_would() {
    let app = TestApp::start(vec![answering("far", "好。")]).await;
    for url in ["https://example.org/a.png", "HTTP://127.0.0.1/"] {
        let error = error(app.post(PATH, &showing(&[url])).await, StatusCode::BAD_REQUEST).await;
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("server.images.fetch"), "{message}");
    }
}
