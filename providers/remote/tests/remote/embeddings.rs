//! Vectors from servers.

use anima_provider::{Embeddings, Provider, ProviderError};
use anima_upstream::{Fault, Plan, Upstream};
use serde_json::{Value, json};

use crate::support::{KEY, Kind, question};

/// A provider that makes vectors, at a stand-in that does as `plan` says.
async fn start(plan: Plan, changes: &Value) -> (Upstream, anima_remote::RemoteProvider) {
    Kind::OpenAi.start_with(plan, changes).await
}

async fn embed(
    provider: &anima_remote::RemoteProvider,
    texts: &[&str],
) -> Result<Embeddings, ProviderError> {
    let texts = texts.iter().map(|text| (*text).to_owned()).collect();
    provider.embedder().expect("it makes vectors").embed(texts).await
}

#[tokio::test]
async fn each_text_has_its_vector_in_its_place() {
    let (upstream, provider) =
        start(Plan::default(), &json!({"embedding_model": "vectors", "extra": {"top": 1}})).await;
    let found = embed(&provider, &["好", "hello", ""]).await.unwrap();
    assert_eq!(found.vectors, [[3.0, 229.0, 0.5], [5.0, 104.0, 0.5], [0.0, 0.0, 0.5]]);
    assert_eq!(found.prompt_tokens, 8);
    let sent = upstream.recorded().remove(0);
    assert_eq!(sent.path, "/v1/embeddings");
    assert_eq!(sent.body, json!({"model": "vectors", "input": ["好", "hello", ""]}));
    assert_eq!(sent.header("authorization"), Some(&*format!("Bearer {KEY}")));
    assert!(provider.capabilities().chat);
}

#[tokio::test]
async fn many_texts_go_in_several_requests() {
    let (upstream, provider) = start(Plan::default(), &json!({"embedding_model": "vectors"})).await;
    let texts: Vec<String> = (0..150).map(|number| "a".repeat(number + 1)).collect();
    let found = provider.embedder().unwrap().embed(texts).await.unwrap();
    let lengths = found.vectors.iter().map(|vector| vector[0]);
    assert!(lengths.eq((1..=150_u8).map(f32::from)));
    assert_eq!((upstream.recorded().len(), found.prompt_tokens), (3, 150 * 151 / 2));
    assert_eq!(embed(&provider, &[]).await.unwrap(), Embeddings::default());
    assert_eq!(upstream.recorded().len(), 3);
}

#[tokio::test]
async fn a_failure_means_what_it_means_for_answers() {
    for (status, is_expected) in [
        (401, (|error| matches!(error, ProviderError::Unauthorized)) as fn(&ProviderError) -> bool),
        (429, |error| matches!(error, ProviderError::RateLimited { .. })),
        (400, |error| {
            matches!(
                error,
                ProviderError::Protocol(_)
                    | ProviderError::Unsupported { .. }
                    | ProviderError::InvalidRequest { .. }
            )
        }),
        (503, |error| matches!(error, ProviderError::Unavailable(_))),
    ] {
        let fault = Fault::Status { status, after: None, code: None };
        let (_upstream, provider) =
            start(Plan::failing(fault), &json!({"embedding_model": "vectors"})).await;
        let error = embed(&provider, &["好"]).await.unwrap_err();
        assert!(is_expected(&error), "{status}: {error:?}");
    }
}

#[tokio::test]
async fn a_provider_may_make_vectors_alone_or_not_at_all() {
    let (upstream, provider) = start(Plan::default(), &json!({})).await;
    assert!(provider.embedder().is_none());
    let settings = json!({"base_url": upstream.url("/v1"), "embedding_model": "vectors"});
    let provider = Kind::OpenAi.with(settings).unwrap();
    assert!(embed(&provider, &["好"]).await.is_ok());
    let refused = provider.generate(question("one")).await.err();
    assert!(matches!(refused, Some(ProviderError::Unsupported { .. })), "{refused:?}");
    let azure = json!({"base_url": upstream.url(""), "api_key_env": "KEY", "embedding_model": "vectors",
        "azure": {"deployment": "talks", "api_version": "2024-10-21"}});
    let provider = Kind::OpenAi.with(azure).unwrap();
    embed(&provider, &["好"]).await.unwrap();
    let sent = upstream.recorded().pop().unwrap();
    assert_eq!(sent.path, "/openai/deployments/vectors/embeddings?api-version=2024-10-21");
    assert_eq!(sent.header("api-key"), Some(KEY));
}
