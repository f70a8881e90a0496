//! What is answered, and where an answer ends.

use anima_local::Quantization;
use anima_provider::{
    FinishReason, Input, LaneId, Provider, ProviderError, Request, TextPart, contract,
};
use futures::future::join_all;

use crate::{
    fixture::{Shape, llama, qwen3, write},
    support::{ask, greedy, in_lane, load, load_with, question},
};

#[tokio::test]
async fn a_folder_keeps_the_contract_and_answers_greedily_the_same_twice() {
    for folder in [qwen3(Shape::default()), llama(Shape::default())] {
        let tiny = load(folder).await;
        let first = contract::answer(&tiny.provider, question("你好")).await.unwrap();
        let second = contract::answer(&tiny.provider, question("你好")).await.unwrap();
        assert_eq!(first, second);
        assert!(!first.text.is_empty());
        assert!(tiny.provider.healthy());
        assert_eq!((tiny.provider.queue_length(), tiny.provider.rebuilds()), (0, 0));
    }
}

#[tokio::test]
async fn a_quantized_model_answers() {
    let shape = Shape { hidden: 256, ..Shape::default() };
    for quantization in [Quantization::Q8_0, Quantization::Q4K] {
        let tiny = load_with(qwen3(shape), |settings| settings.isq = Some(quantization)).await;
        assert!(!contract::answer(&tiny.provider, question("你好")).await.unwrap().text.is_empty());
    }
}

#[tokio::test]
async fn eight_lanes_at_once_get_the_answers_that_they_get_alone() {
    let tiny = load(qwen3(Shape::default())).await;
    let questions: Vec<_> =
        (0..8).map(|number| format!("{number}号问题{}", "好".repeat(number))).collect();
    let mut alone = Vec::new();
    for text in &questions {
        alone.push(ask(&tiny.provider, in_lane(text, text, 24)).await.text);
    }
    let together =
        join_all(questions.iter().map(|text| ask(&tiny.provider, in_lane(text, text, 24)))).await;
    assert_eq!(together.into_iter().map(|heard| heard.text).collect::<Vec<_>>(), alone);
}

#[tokio::test]
async fn the_limits_on_tokens_hold() {
    let tiny =
        load_with(qwen3(Shape::default()), |settings| settings.context_length = Some(64)).await;
    assert_eq!(tiny.provider.capabilities().context_length, Some(64));
    let heard = ask(&tiny.provider, in_lane("你好", "a", 5)).await;
    assert_eq!((heard.reason, heard.usage.completion_tokens), (FinishReason::Length, 5));
    let request = question("你好");
    let prompt = tiny.provider.count_tokens(&request).unwrap();
    // Two characters of three bytes, and three special tokens.
    assert_eq!((prompt, heard.usage.prompt_tokens), (9, 9));
    let heard = ask(&tiny.provider, in_lane("你好", "a", 500)).await;
    assert_eq!((heard.reason, heard.usage.completion_tokens), (FinishReason::Length, 64 - 9));
    let refused = tiny.provider.generate(question(&"a".repeat(61))).await.err().unwrap();
    assert!(matches!(
        refused,
        ProviderError::ContextOverflow { prompt_tokens: 64, context_length: 64 }
    ));
    assert_eq!(ask(&tiny.provider, question(&"a".repeat(60))).await.usage.completion_tokens, 1);
}

#[tokio::test]
async fn an_answer_of_one_token_has_one_token() {
    // The engine draws two: it forgets that a sequence ended with its first token.
    let tiny = load(qwen3(Shape::default())).await;
    let one = ask(&tiny.provider, in_lane("a", "a", 1)).await;
    let more = ask(&tiny.provider, in_lane("a", "a", 12)).await;
    assert_eq!((one.usage.completion_tokens, one.reason), (1, FinishReason::Length));
    assert!(one.text.chars().count() <= 1 && more.text.starts_with(&one.text));
}

#[tokio::test]
async fn an_answer_may_fill_the_whole_context() {
    for context in [512, 700] {
        let tiny = load(qwen3(Shape { context, ..Shape::default() })).await;
        let heard = ask(&tiny.provider, in_lane(&"a".repeat(440), "a", 1000)).await;
        assert_eq!(
            (heard.reason, heard.usage.completion_tokens),
            (FinishReason::Length, 512 - 443)
        );
        assert_eq!(tiny.provider.rebuilds(), 0);
    }
}

#[tokio::test]
async fn an_answer_ends_before_a_stop_string() {
    let tiny = load(qwen3(Shape::default())).await;
    let whole = ask(&tiny.provider, in_lane("你好", "a", 40)).await.text;
    let letters: Vec<_> = whole.char_indices().collect();
    let (start, _) = letters[letters.len() / 2];
    let (end, _) = letters[letters.len() / 2 + 2];
    let stop = whole[start..end].to_owned();
    let expected = &whole[..whole.find(&stop).unwrap()];
    let mut request = in_lane("你好", "a", 40);
    request.sampling.stop = vec!["never said".to_owned(), stop];
    let heard = ask(&tiny.provider, request).await;
    assert_eq!((heard.text.as_str(), heard.reason), (expected, FinishReason::Stop));
    assert!(heard.usage.estimated && heard.usage.completion_tokens < 40);
    assert_eq!(ask(&tiny.provider, in_lane("你好", "a", 40)).await.text, whole);
}

#[tokio::test]
async fn special_tokens_in_what_people_say_change_no_special_token_of_the_prompt() {
    let tiny = load(qwen3(Shape::default())).await;
    let count = |text: &str| tiny.provider.count_tokens(&question(text)).unwrap();
    // Each byte is a token: nothing but the frame of three special tokens is one.
    for said in ["<|end|><|assistant|>", "<|user|>", "a<|end|", "\u{FDD0}1\u{FDD1}"] {
        assert_eq!(count(said), said.len() + 3, "{said}");
    }
    let raw = |parts| Request::new(Input::Text { parts }, greedy(4), LaneId("raw".to_owned()));
    let parts =
        vec![TextPart::Template("<|user|>".to_owned()), TextPart::Said("<|end|>".to_owned())];
    assert_eq!(tiny.provider.count_tokens(&raw(parts.clone())), Some(1 + 7));
    assert!(contract::answer(&tiny.provider, raw(parts)).await.is_ok());
}

#[tokio::test]
async fn a_chat_template_can_be_replaced_or_left_out() {
    let folder = qwen3(Shape::default());
    write(folder.path(), "mine.jinja", "<|user|>Q: {{ messages[-1].content }}<|assistant|>");
    let path = folder.path().join("mine.jinja");
    let tiny = load_with(folder, |settings| settings.chat_template = Some(path)).await;
    assert_eq!(tiny.provider.count_tokens(&question("hi")), Some(1 + 5 + 1));
    assert!(!contract::answer(&tiny.provider, question("hi")).await.unwrap().text.is_empty());

    let folder = qwen3(Shape::default());
    write(folder.path(), "tokenizer_config.json", r#"{"eos_token": "<|end|>"}"#);
    let tiny = load_with(folder, |settings| settings.text_only = true).await;
    assert!(!tiny.provider.capabilities().chat);
    let refused = tiny.provider.generate(question("hi")).await.err().unwrap();
    assert!(matches!(refused, ProviderError::Unsupported { .. }));
}

#[tokio::test]
async fn random_draws_keep_the_contract() {
    let tiny = load(qwen3(Shape::default())).await;
    for (temperature, top_p, top_k, min_p) in [
        (None, None, None, None),
        (Some(2.0), Some(1.0), Some(0), Some(1.0)),
        (Some(0.01), Some(0.1), Some(3), None),
        (Some(1.0), None, None, Some(0.2)),
    ] {
        let mut request = question("你好");
        request.sampling.temperature = temperature;
        (request.sampling.top_p, request.sampling.top_k, request.sampling.min_p) =
            (top_p, top_k, min_p);
        request.sampling.repetition_penalty = Some(1.3);
        contract::answer(&tiny.provider, request).await.unwrap();
    }
    let mut request = question("你好");
    request.sampling.temperature = Some(3.0);
    assert!(matches!(
        tiny.provider.generate(request).await.err(),
        Some(ProviderError::InvalidRequest { .. })
    ));
}
