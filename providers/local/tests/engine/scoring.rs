//! How likely texts are: as the engine's own logits say, without harm to anything else.

use std::time::Duration;

use anima_local::{
    LocalProvider, LocalSettings,
    mistralrs::{
        DType, ModelDType, NormalRequest, Request, RequestMessage, Response, SamplingParams,
        TextModelBuilder, TokenSource,
    },
};
use anima_provider::{Provider, ProviderError};
use futures::{FutureExt, future::join_all};
use serde_json::json;
use tokio::{sync::mpsc, time};

use crate::{
    fixture::{Folder, SPECIAL, Shape, llama, qwen3, tokenizer, write},
    support::{ask, load, question},
};

/// What the engine's own matrix of logits says of a prompt, by another way into it: the
/// likelihoods of all tokens but the first.
async fn reference(folder: &Folder, tokens: &[u32]) -> Vec<f64> {
    let model = TextModelBuilder::new(folder.path().display())
        .with_force_cpu()
        .with_dtype(ModelDType::F32)
        .with_token_source(TokenSource::None)
        .with_prefix_cache_n(None)
        .with_max_num_seqs(1)
        .build()
        .await
        .unwrap();
    let (sender, mut receiver) = mpsc::channel(16);
    let parameters = SamplingParams { max_len: Some(0), ..SamplingParams::deterministic() };
    let message = RequestMessage::CompletionTokens(tokens.to_vec());
    let mut request = NormalRequest::new_simple(message, parameters, sender, 0, None, None);
    request.return_raw_logits = true;
    let requests = model.inner().get_sender(None).unwrap();
    requests.send(Request::Normal(Box::new(request))).await.ok().unwrap();
    let Some(Response::Raw { logits_chunks, .. }) = receiver.recv().await else {
        panic!("no logits")
    };
    let logits = logits_chunks[0].to_dtype(DType::F32).unwrap().to_vec2::<f32>().unwrap();
    let following = logits.iter().zip(&tokens[1..]);
    following
        .map(|(row, token)| {
            let sum: f64 = row.iter().map(|logit| f64::from(*logit).exp()).sum();
            f64::from(row[*token as usize]) - sum.ln()
        })
        .collect()
}

fn same(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-4, "{found} is not {expected}");
    }
}

async fn score(provider: &LocalProvider, text: &str) -> Result<Vec<f64>, ProviderError> {
    provider.scorer().unwrap().score(text).await
}

/// The tokens of a text: its bytes.
fn bytes(text: &str) -> Vec<u32> {
    text.bytes().map(u32::from).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn likelihoods_are_those_of_the_engines_own_logits() {
    for folder in [qwen3(Shape::default()), llama(Shape::default())] {
        let text = "如何应对压力？Breathe. <|end|>";
        let expected = reference(&folder, &bytes(text)).await;
        let loaded = load(folder).await;
        let found = score(&loaded.provider, text).await.unwrap();
        same(&found, &expected);
        // The first token comes after nothing, so it has no likelihood.
        assert!(score(&loaded.provider, "a").await.unwrap().is_empty());
        assert!(score(&loaded.provider, "").await.unwrap().is_empty());
        assert_eq!(score(&loaded.provider, "ab").await.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_token_counts_where_the_model_has_one_for_the_beginning() {
    let folder = llama(Shape::default());
    let mut tokenizer = tokenizer();
    let begin = json!({"SpecialToken": {"id": SPECIAL[0], "type_id": 0}});
    let text = |id: &str| json!({"Sequence": {"id": id, "type_id": 0}});
    tokenizer["post_processor"] = json!({"type": "TemplateProcessing", "single": [begin, text("A")],
        "pair": [text("A"), text("B")],
        "special_tokens": {SPECIAL[0]: {"id": SPECIAL[0], "ids": [256], "tokens": [SPECIAL[0]]}}});
    write(folder.path(), "tokenizer.json", tokenizer.to_string());
    let expected = reference(&folder, &[&[256], bytes("hello").as_slice()].concat()).await;
    let loaded = load(folder).await;
    same(&score(&loaded.provider, "hello").await.unwrap(), &expected);
    assert_eq!(score(&loaded.provider, "h").await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_scored_between_answers_and_neither_sees_the_other() {
    let loaded = load(qwen3(Shape::default())).await;
    let provider = &loaded.provider;
    let alone =
        (score(provider, "一二三 one").await.unwrap(), ask(provider, question("你好")).await);
    let scores = join_all((0..4).map(|_| score(provider, "一二三 one")));
    let answers = join_all((0..4).map(|_| ask(provider, question("你好"))));
    let (scores, answers) = tokio::join!(scores, answers);
    for (likelihoods, answer) in scores.into_iter().zip(answers) {
        assert_eq!(likelihoods.unwrap(), alone.0);
        assert_eq!((answer.text, answer.usage), (alone.1.text.clone(), alone.1.usage));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_does_not_fit_is_refused_and_one_given_up_frees_the_engine() {
    let folder = qwen3(Shape { context: 512, ..Shape::default() });
    let settings = LocalSettings::new(folder.path());
    let provider = LocalProvider::load("tiny", settings).await.unwrap();
    assert_eq!(score(&provider, &"x".repeat(511)).await.unwrap().len(), 510);
    let refused = score(&provider, &"x".repeat(512)).await.unwrap_err();
    assert!(matches!(refused, ProviderError::ContextOverflow { .. }), "{refused}");
    for _ in 0..20 {
        let long = "x".repeat(500);
        let mut given_up = Box::pin(score(&provider, &long));
        assert!((&mut given_up).now_or_never().is_none());
        time::sleep(Duration::from_millis(3)).await;
        drop(given_up);
    }
    assert_eq!(score(&provider, "xyz").await.unwrap().len(), 2);
    assert_eq!(provider.rebuilds(), 0);
}
