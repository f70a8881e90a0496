//! `/v1/embeddings`: texts as vectors.

use std::sync::Arc;

use anima_provider::{
    Capabilities, Embedder, Embeddings, EventStream, Provider, ProviderError, Request,
};
use async_trait::async_trait;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    helpers::{TestApp, error, json},
    providers::{answering, unavailable},
};

const PATH: &str = "/v1/embeddings";

/// A model that makes vectors of the number of a text's characters, or fails.
struct Counting {
    name: &'static str,
    capabilities: Capabilities,
    fails: bool,
}

fn counting(name: &'static str) -> Arc<Counting> {
    Arc::new(Counting { name, capabilities: Capabilities::default(), fails: false })
}

#[async_trait]
impl Provider for Counting {
    fn name(&self) -> &str {
        self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn count_tokens(&self, _: &Request) -> Option<usize> {
        None
    }

    async fn generate(&self, _: Request) -> Result<EventStream, ProviderError> {
        Err(unavailable())
    }

    fn embedder(&self) -> Option<&dyn Embedder> {
        Some(self)
    }
}

#[async_trait]
impl Embedder for Counting {
    async fn embed(&self, texts: Vec<String>) -> Result<Embeddings, ProviderError> {
        if self.fails {
            return Err(unavailable());
        }
        let count = |text: &String| u8::try_from(text.chars().count()).unwrap();
        let vectors = texts.iter().map(|text| vec![f32::from(count(text)), 4.0, 0.5]).collect();
        let prompt_tokens = texts.iter().map(|text| u32::from(count(text))).sum();
        Ok(Embeddings { vectors, prompt_tokens })
    }
}

async fn whole(app: &TestApp, call: &Value) -> Value {
    json(app.post(PATH, call).await, StatusCode::OK).await
}

#[tokio::test]
async fn texts_become_vectors_in_their_order() {
    let app = TestApp::start(vec![answering("far", "好。"), counting("vectors")]).await;
    let told = whole(&app, &json!({ "input": "你好吗" })).await;
    let one = |index: u32, vector: Value| json!({ "object": "embedding", "index": index, "embedding": vector });
    let expected = json!({ "object": "list", "data": [one(0, json!([3.0, 4.0, 0.5]))],
        "model": "vectors", "usage": { "prompt_tokens": 3, "total_tokens": 3 } });
    assert_eq!(told, expected);
    let call = json!({ "input": ["a", "bb"], "model": "vectors", "encoding_format": "float", "user": "me" });
    let told = whole(&app, &call).await;
    assert_eq!(
        told["data"],
        json!([one(0, json!([1.0, 4.0, 0.5])), one(1, json!([2.0, 4.0, 0.5]))])
    );
    // 1, 4 and 0.5 as floats of four bytes.
    let told = whole(&app, &json!({ "input": ["a"], "encoding_format": "base64" })).await;
    assert_eq!(told["data"][0]["embedding"], "AACAPwAAgEAAAAA/");
    let told = whole(&app, &json!({ "input": "aaa", "dimensions": 2 })).await;
    let shortened: Vec<_> = told["data"][0]["embedding"]
        .as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_f64().unwrap())
        .collect();
    assert!((shortened[0] - 0.6).abs() < 1e-6 && (shortened[1] - 0.8).abs() < 1e-6, "{told}");
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let app = TestApp::start(vec![answering("far", "好。"), counting("vectors")]).await;
    let (value, type_, unsupported) = ("invalid_value", "invalid_type", "unsupported");
    for (call, code, param) in [
        (json!({}), "missing_required_parameter", "input"),
        (json!({ "input": [] }), value, "input"),
        (json!({ "input": "" }), value, "input"),
        (json!({ "input": ["a", ""] }), value, "input"),
        (json!({ "input": vec!["a"; 2049] }), value, "input"),
        (json!({ "input": 7 }), type_, "input"),
        (json!({ "input": [1, 2] }), unsupported, "input"),
        (json!({ "input": [[1, 2]] }), unsupported, "input"),
        (json!({ "input": "a", "encoding_format": "int8" }), value, "encoding_format"),
        (json!({ "input": "a", "dimensions": 4 }), value, "dimensions"),
        (json!({ "input": "a", "dimensions": 0 }), value, "dimensions"),
        (json!({ "input": "a", "model": "far" }), unsupported, "model"),
    ] {
        let error = error(app.post(PATH, &call).await, StatusCode::BAD_REQUEST).await;
        assert_eq!((&error["code"], &error["param"]), (&json!(code), &json!(param)), "{call}");
    }
    let unknown = app.post(PATH, &json!({ "input": "a", "model": "vektors" })).await;
    let unknown = error(unknown, StatusCode::NOT_FOUND).await;
    assert!(unknown["message"].as_str().unwrap().contains("did you mean `vectors`"), "{unknown}");
}

#[tokio::test]
async fn without_a_model_for_vectors_the_key_is_named() {
    let app = TestApp::start(vec![answering("far", "好。")]).await;
    for model in [Value::Null, json!("far")] {
        let call = json!({ "input": "a", "model": model });
        let error = error(app.post(PATH, &call).await, StatusCode::BAD_REQUEST).await;
        assert_eq!(error["code"], "unsupported");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("providers.NAME.embedding_model"), "{message}");
    }
}

#[tokio::test]
async fn a_failure_has_its_status_and_tells_no_secret() {
    let broken = Counting { name: "broken", capabilities: Capabilities::default(), fails: true };
    let app = TestApp::start(vec![Arc::new(broken)]).await;
    let response = app.post(PATH, &json!({ "input": "a" })).await;
    assert!(response.headers().contains_key("retry-after"));
    let error = error(response, StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(!error.to_string().contains("sk-secret"), "{error}");
}
