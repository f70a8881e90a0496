//! Several models in one process: each answers as if it were alone, at the same time.

use std::path::Path;

use anima_local::{LocalProvider, LocalSettings};
use anima_provider::{Embedder, FinishReason, LaneId, Provider, Request};
use futures::future::join_all;

use crate::{
    fixture::{Shape, embedding, llama, qwen3},
    support::{ask, greedy, in_lane, load, load_with, until_admitted},
};

/// The bundled model with at most so many tokens of answer.
async fn demo(name: &str, max_tokens: u32) -> LocalProvider {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/demo");
    let mut settings = LocalSettings::new(path);
    settings.sampling = greedy(max_tokens);
    LocalProvider::load(name, settings).await.unwrap()
}

/// A question whose sampling is left to the provider.
fn plain(text: &str, lane: &str) -> Request {
    let request = in_lane(text, lane, 1);
    Request::new(request.input, anima_provider::Sampling::default(), LaneId(lane.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn models_side_by_side_answer_at_once_and_never_mix() {
    let (short, long) = tokio::join!(demo("short", 4), demo("long", 48));
    let set = |settings: &mut LocalSettings| settings.sampling = greedy(24);
    let (qwen, llama) = tokio::join!(
        load_with(qwen3(Shape::default()), set),
        load_with(llama(Shape::default()), set)
    );
    let folder = embedding(Shape::default());
    let mut settings = LocalSettings::new(folder.path());
    settings.queue = 64;
    let embedder = anima_local::LocalEmbedder::load("vectors", settings).await.unwrap();
    let questions = ["如何应对压力", "你是谁", "今天天气怎么样", "讲个笑话"];

    let models = [&short, &long, &qwen.provider, &llama.provider];
    let mut alone = Vec::new();
    for model in models {
        for question in questions {
            alone.push(ask(model, plain(question, question)).await);
        }
    }
    assert!(alone[..4].iter().all(|heard| heard.reason == FinishReason::Length));
    assert!(alone[4].text.starts_with(&alone[0].text) && alone[4].text.len() > alone[0].text.len());
    let vector = embedder.embed(vec!["你好".to_owned()]).await.unwrap();

    for _ in 0..3 {
        let answers = models
            .into_iter()
            .flat_map(|model| questions.map(|question| ask(model, plain(question, question))));
        let vectors = join_all((0..8).map(|_| embedder.embed(vec!["你好".to_owned()])));
        let (together, vectors) = tokio::join!(join_all(answers), vectors);
        for (heard, expected) in together.iter().zip(&alone) {
            assert_eq!((&heard.text, heard.usage), (&expected.text, expected.usage));
        }
        assert!(vectors.into_iter().all(|other| other.unwrap() == vector));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_model_answers_while_another_is_busy_or_dies() {
    let (busy, free) = tokio::join!(load(qwen3(Shape::default())), load(llama(Shape::default())));
    let expected = ask(&free.provider, in_lane("你好", "a", 24)).await;
    let mut long = busy.provider.generate(in_lane("你好", "a", 900)).await.unwrap();
    until_admitted(&mut long).await;
    assert_eq!(ask(&free.provider, in_lane("你好", "a", 24)).await, expected);
    drop(long);
    busy.provider.crash();
    assert_eq!(ask(&free.provider, in_lane("你好", "a", 24)).await, expected);
    assert_eq!(free.provider.rebuilds(), 0);
}
