//! Barge-ins, and an engine that dies.

use std::time::Duration;

use anima_provider::{Provider, ProviderError};
use futures::StreamExt;

use crate::{
    fixture::{Shape, llama, qwen3},
    support::{ask, in_lane, load, question, until_admitted},
};

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_barge_ins_harm_nobody() {
    let tiny = load(qwen3(Shape::default())).await;
    let expected = ask(&tiny.provider, question("你好")).await.text;
    for round in 0..500_u32 {
        let mut events = tiny
            .provider
            .generate(in_lane("说一个长长的故事", &round.to_string(), 200))
            .await
            .unwrap();
        match round % 5 {
            0 => {}
            1 => until_admitted(&mut events).await,
            2 => tokio::time::sleep(Duration::from_micros(u64::from(round))).await,
            _ => {
                for _ in 0..round % 13 {
                    events.next().await.unwrap().unwrap();
                }
            }
        }
        drop(events);
        if round % 50 == 0 {
            assert_eq!(
                ask(&tiny.provider, question("你好")).await.text,
                expected,
                "after round {round}"
            );
        }
    }
    assert_eq!(ask(&tiny.provider, question("你好")).await.text, expected);
    assert_eq!((tiny.provider.rebuilds(), tiny.provider.queue_length()), (0, 0));
    assert!(tiny.provider.healthy());
}

#[tokio::test]
async fn a_dropped_answer_frees_the_engine_at_once() {
    let tiny = load(llama(Shape::default())).await;
    let mut events = tiny.provider.generate(in_lane("你好", "a", 900)).await.unwrap();
    until_admitted(&mut events).await;
    let whole = std::time::Instant::now();
    drop(events);
    let heard = ask(&tiny.provider, in_lane("你好", "b", 1)).await;
    assert_eq!(heard.usage.completion_tokens, 1);
    assert!(whole.elapsed() < Duration::from_secs(2), "took {:?}", whole.elapsed());
}

#[tokio::test]
async fn a_dead_engine_fails_its_turn_and_is_rebuilt() {
    let tiny = load(qwen3(Shape::default())).await;
    let expected = ask(&tiny.provider, question("你好")).await.text;
    tiny.provider.crash();
    while tiny.provider.healthy() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Whether the death is found out by the worker or by a request is a matter of microseconds.
    let turns = [
        tiny.provider.generate(question("你好")).await,
        tiny.provider.generate(in_lane("你好", "b", 4)).await,
    ];
    for turn in turns {
        let failed = match turn {
            Ok(events) => events.collect::<Vec<_>>().await.pop().unwrap().err(),
            Err(error) => Some(error),
        };
        assert!(matches!(failed, Some(ProviderError::Unavailable(_))), "{failed:?}");
    }
    while !tiny.provider.healthy() {
        if let Err(error) = tiny.provider.generate(question("你好")).await {
            assert!(matches!(error, ProviderError::Unavailable(_)));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(ask(&tiny.provider, question("你好")).await.text, expected);
    assert_eq!(tiny.provider.rebuilds(), 1);
}

#[tokio::test]
async fn a_dropped_provider_lets_its_answers_finish() {
    let tiny = load(qwen3(Shape::default())).await;
    let first = tiny.provider.generate(in_lane("你好", "a", 30)).await.unwrap();
    let second = tiny.provider.generate(in_lane("你好", "b", 30)).await.unwrap();
    drop(tiny);
    let (first, second) =
        (crate::support::listen(first).await, crate::support::listen(second).await);
    assert_eq!(first.text, second.text);
}
