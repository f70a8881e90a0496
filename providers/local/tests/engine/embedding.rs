//! Texts as vectors, on a tiny model with random weights.

use std::time::Duration;

use anima_local::{LocalEmbedder, LocalSettings, Task, load};
use anima_provider::{Embedder, Provider, ProviderError};
use futures::future::join_all;
use serde_json::json;

use crate::{
    fixture::{Folder, Shape, embedding, gemma_embedding, pooling, qwen3, write},
    support::question,
};

async fn embedder(folder: &Folder) -> LocalEmbedder {
    LocalEmbedder::load("tiny", LocalSettings::new(folder.path())).await.unwrap()
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}

fn cosine(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

/// Why the folder is not loaded, without its path.
async fn refusal(folder: &Folder, change: impl FnOnce(&mut LocalSettings)) -> String {
    let mut settings = LocalSettings::new(folder.path());
    change(&mut settings);
    let line = load("tiny", settings).await.err().expect("it must be refused").to_string();
    assert!(!line.contains('\n'), "{line}");
    line.replace(&format!("{}/", folder.path().canonicalize().unwrap().display()), "")
}

#[tokio::test]
async fn each_text_has_its_vector_of_length_one_whoever_comes_with_it() {
    let folder = embedding(Shape::default());
    let tiny = embedder(&folder).await;
    let all = texts(&["你好", "如何应对压力", "hello", "你好", "<|end|>"]);
    let together = tiny.embed(all.clone()).await.unwrap();
    // Each byte is a token, also those of special tokens that somebody typed, and one ends it.
    let bytes: usize = all.iter().map(String::len).sum();
    assert_eq!(together.prompt_tokens as usize, bytes + all.len());
    for (text, vector) in all.iter().zip(&together.vectors) {
        assert_eq!(vector.len(), Shape::default().hidden);
        assert!((cosine(vector, vector) - 1.0).abs() < 1e-5);
        let alone = tiny.embed(vec![text.clone()]).await.unwrap().vectors;
        assert_eq!(&alone[0], vector, "{text}");
    }
    let vectors = &together.vectors;
    assert_eq!(vectors[0], vectors[3]);
    for (one, other) in [(0, 1), (0, 2), (1, 2), (0, 4)] {
        assert!(cosine(&vectors[one], &vectors[other]) < 0.999, "{one} and {other}");
    }
}

#[tokio::test]
async fn many_calls_at_once_get_what_they_get_alone() {
    let folder = embedding(Shape::default());
    let tiny = embedder(&folder).await;
    let calls: Vec<_> = (0..12).map(|number| texts(&["同长", &format!("{number}号")])).collect();
    let mut alone = Vec::new();
    for call in &calls {
        alone.push(tiny.embed(call.clone()).await.unwrap());
    }
    let together = join_all(calls.iter().map(|call| tiny.embed(call.clone()))).await;
    let together: Vec<_> = together.into_iter().map(Result::unwrap).collect();
    assert_eq!(together, alone);
}

#[tokio::test]
async fn abandoned_calls_harm_nobody() {
    let folder = embedding(Shape::default());
    let tiny = embedder(&folder).await;
    let expected = tiny.embed(texts(&["你好"])).await.unwrap();
    let long = vec!["压".repeat(300); 8];
    for number in 0..20 {
        let call = tiny.embed(long.clone());
        let pause = Duration::from_millis(number);
        let outcome = tokio::time::timeout(pause, call).await;
        assert!(number > 0 || outcome.is_err(), "the first call was given no time");
    }
    assert_eq!(tiny.embed(texts(&["你好"])).await.unwrap(), expected);
}

#[tokio::test]
async fn what_is_too_long_or_too_much_is_refused() {
    let folder = embedding(Shape::default());
    let mut settings = LocalSettings::new(folder.path());
    (settings.context_length, settings.queue) = (Some(32), 1);
    let tiny = LocalEmbedder::load("tiny", settings).await.unwrap();
    assert!(tiny.embed(texts(&[&"a".repeat(31)])).await.is_ok());
    let refused = tiny.embed(texts(&["a", &"a".repeat(32)])).await.err();
    assert!(matches!(
        refused,
        Some(ProviderError::ContextOverflow { prompt_tokens: 33, context_length: 32 })
    ));
    let calls = join_all((0..16).map(|_| tiny.embed(texts(&["a"])))).await;
    let full = |outcome: &Result<_, _>| {
        matches!(outcome, Err(ProviderError::RateLimited { retry_after: Some(_) }))
    };
    assert!(calls.iter().any(Result::is_ok) && calls.iter().any(full));
    assert!(calls.iter().all(|outcome| outcome.is_ok() || full(outcome)));
    let empty = tiny.embed(texts(&["a", ""])).await.err();
    assert!(matches!(empty, Some(ProviderError::InvalidRequest { .. })), "{empty:?}");
    assert_eq!(tiny.embed(Vec::new()).await.unwrap().vectors, Vec::<Vec<f32>>::new());
}

#[tokio::test]
async fn the_folder_says_what_the_model_is_for_and_settings_may_say_it_too() {
    let folder = embedding(Shape::default());
    let provider = load("tiny", LocalSettings::new(folder.path())).await.unwrap();
    assert!(provider.embedder().is_some());
    let refused = provider.generate(question("你好")).await.err();
    assert!(matches!(refused, Some(ProviderError::Unsupported { .. })), "{refused:?}");
    let chat = qwen3(Shape::default());
    let provider = load("tiny", LocalSettings::new(chat.path())).await.unwrap();
    assert!(provider.embedder().is_none());
    assert_eq!(
        refusal(&chat, |settings| settings.task = Some(Task::Embed)).await,
        "modules.json is missing: an embedding model has it, as sentence-transformers writes it"
    );
    assert_eq!(
        refusal(&folder, |settings| settings.text_only = true).await,
        "text_only must be left out for an embedding model"
    );
}

#[tokio::test]
async fn what_the_engine_cannot_pool_is_refused_before_it_panics() {
    let shape = Shape::default();
    let folder = embedding(shape);
    let way_out = "use a Qwen3-Embedding or EmbeddingGemma model, or a compatible server: kind = \"openai\" with embedding_model";
    write(
        folder.path(),
        "1_Pooling/config.json",
        pooling(shape, "pooling_mode_cls_token").to_string(),
    );
    assert_eq!(
        refusal(&folder, |_| {}).await,
        format!(
            "1_Pooling/config.json: the local engine cannot run pooling by pooling_mode_cls_token: {way_out}"
        )
    );
    write(folder.path(), "1_Pooling/config.json", "{}");
    assert_eq!(
        refusal(&folder, |_| {}).await,
        "1_Pooling/config.json: pooling_mode_cls_token must be true or false"
    );
    write(folder.path(), "config.json", json!({"architectures": ["BertModel"]}).to_string());
    assert_eq!(
        refusal(&folder, |_| {}).await,
        format!(
            "config.json: the local engine cannot run BertModel as an embedding model: {way_out}"
        )
    );
    let folder = embedding(shape);
    write(folder.path(), "modules.json", r#"[{"path": "", "type": "Transformer"}]"#);
    assert_eq!(
        refusal(&folder, |_| {}).await,
        "modules.json: one of the modules must pool, and only one"
    );
    write(
        folder.path(),
        "modules.json",
        r#"[{"path": "", "type": "Transformer"}, {"path": "", "type": "x.Dropout"}]"#,
    );
    assert_eq!(
        refusal(&folder, |_| {}).await,
        "modules.json: the engine has no module of type x.Dropout"
    );
}

#[tokio::test]
async fn an_average_of_all_tokens_and_a_quantized_model_work_too() {
    let shape = Shape::default();
    let folder = embedding(shape);
    let last = embedder(&folder).await.embed(texts(&["你好"])).await.unwrap().vectors;
    let mut settings = LocalSettings::new(folder.path());
    settings.isq = Some(anima_local::Quantization::Q8_0);
    let quantized = LocalEmbedder::load("tiny", settings).await.unwrap();
    let quantized = quantized.embed(texts(&["你好"])).await.unwrap().vectors;
    let alike = cosine(&last[0], &quantized[0]);
    assert!(alike > 0.99 && alike < 1.0, "{alike}");
    write(
        folder.path(),
        "1_Pooling/config.json",
        pooling(shape, "pooling_mode_mean_tokens").to_string(),
    );
    let mean = embedder(&folder).await.embed(texts(&["你好"])).await.unwrap().vectors;
    assert!(cosine(&last[0], &mean[0]) < 0.99);
}

#[tokio::test]
async fn a_model_that_sees_both_ways_takes_no_text_that_the_engine_sees_differently() {
    let folder = gemma_embedding();
    let tiny = embedder(&folder).await;
    // Half of the window of 64, and the token itself.
    assert_eq!(tiny.capabilities().context_length, Some(33));
    let vectors = tiny.embed(texts(&["你好", &"a".repeat(32)])).await.unwrap().vectors;
    assert!((cosine(&vectors[0], &vectors[0]) - 1.0).abs() < 1e-5);
    let refused = tiny.embed(texts(&[&"a".repeat(33)])).await.err();
    assert!(matches!(refused, Some(ProviderError::ContextOverflow { .. })), "{refused:?}");
}
