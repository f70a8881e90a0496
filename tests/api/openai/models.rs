//! Whom a call can name.

use anima_provider::Provider;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{PATH, with};
use crate::{
    helpers::{TestApp, error},
    providers::answering,
};

#[tokio::test]
async fn providers_and_personas_are_listed_and_shown() {
    let app = TestApp::start(vec![answering("far", "远"), answering("near/by", "近")]).await;
    let list = app.get("/v1/models").await;
    assert_eq!(list["object"], "list");
    let models = list["data"].as_array().unwrap();
    let kinds: Vec<_> =
        models.iter().map(|model| (model["id"].as_str(), model["kind"].as_str())).collect();
    for expected in [
        (Some("far"), Some("provider")),
        (Some("near/by"), Some("provider")),
        (Some("lingxi"), Some("persona")),
    ] {
        assert!(kinds.contains(&expected), "{kinds:?}");
    }
    for model in models {
        assert_eq!((&model["object"], &model["owned_by"]), (&json!("model"), &json!("anima")));
        assert!(model["created"].is_i64(), "{model}");
        let id = model["id"].as_str().unwrap().replace('/', "%2F");
        assert_eq!(app.get(&format!("/v1/models/{id}")).await, *model);
    }
    let response = app.request(Method::GET, "/v1/models/fra").send().await.unwrap();
    let error = error(response, StatusCode::NOT_FOUND).await;
    assert_eq!((&error["code"], &error["param"]), (&json!("model_not_found"), &json!("model")));
    assert!(error["message"].as_str().unwrap().contains("did you mean `far`"), "{error}");
}

#[tokio::test]
async fn a_model_that_nobody_is_called_is_not_found() {
    let provider = answering("far", "远");
    let app = TestApp::start(vec![provider.clone()]).await;
    for (model, said) in [
        ("fra", "did you mean `far`"),
        ("lingxl", "did you mean `lingxi`"),
        ("../../etc/passwd", "there are: "),
        ("{{7*7}}", "there are: "),
        ("😊", "there are: "),
        ("", "there are: "),
        (&"x".repeat(64 * 1024), "there are: "),
    ] {
        for stream in [false, true] {
            let call = with(json!({ "model": model, "stream": stream }));
            let error = error(app.post(PATH, &call).await, StatusCode::NOT_FOUND).await;
            assert_eq!(
                (&error["code"], &error["param"]),
                (&json!("model_not_found"), &json!("model"))
            );
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(said) && message.len() < 300, "{message}");
        }
    }
    assert_eq!((provider.requests().len(), provider.name()), (0, "far"));
}

#[tokio::test]
async fn the_provider_that_is_named_answers() {
    let app = TestApp::start(vec![answering("far", "远"), answering("near", "近")]).await;
    for (model, text) in [(json!("near"), "近"), (json!("far"), "远"), (json!(null), "远")] {
        let told = super::whole(&app, &with(json!({ "model": model }))).await;
        assert_eq!(super::choice(&told)["message"]["content"], text);
    }
}
