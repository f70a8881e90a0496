//! Answers that are bound to a form: they fit it, or end at the token limit.

use std::path::Path;

use anima_local::{LocalProvider, LocalSettings};
use anima_provider::{
    FinishReason, Output, OutputKinds, Provider, ProviderError, Request, Sampling, Schema, contract,
};
use serde_json::{Value, json};

use crate::{
    fixture::{Shape, llama, qwen3, tokenizer, write},
    support::{Loaded, ask, in_lane, load, until_admitted},
};

fn schema(schema: Value) -> Output {
    Output::JsonSchema(Schema {
        name: "answer".to_owned(),
        description: None,
        schema,
        strict: true,
    })
}

fn bound(output: Output, max_tokens: u32, temperature: f64) -> Request {
    let request = in_lane("你好", "forms", max_tokens);
    let sampling =
        Sampling { temperature: Some(temperature), top_p: Some(1.0), ..request.sampling };
    Request { output, sampling, ..request }
}

/// Whether a value is what a schema asks for.
type Check = fn(&Value) -> bool;

/// Schemas whose answers are short, and what their answers are, said in another way.
fn cases() -> Vec<(Value, Check)> {
    let person = json!({"type": "object", "additionalProperties": false, "required": ["name", "age"],
        "properties": {"name": {"type": "string", "maxLength": 6}, "age": {"type": "integer", "minimum": 0, "maximum": 130}}});
    let list = json!({"type": "array", "minItems": 2, "maxItems": 3, "items": {"enum": ["红", "绿", "blue"]}});
    let nested = json!({"$defs": {"point": {"type": "object", "additionalProperties": false, "required": ["x"],
        "properties": {"x": {"type": "boolean"}}}}, "type": "object", "additionalProperties": false,
        "required": ["points"], "properties": {"points": {"type": "array", "minItems": 1, "maxItems": 2,
        "items": {"$ref": "#/$defs/point"}}}});
    let either = json!({"anyOf": [{"const": null}, {"type": "string", "pattern": "^[a-c]{2}$"}]});
    let number = json!({"type": "integer", "minimum": 10, "maximum": 99});
    vec![
        (person, |value| {
            let name = value["name"].as_str().unwrap();
            let age = value["age"].as_i64().unwrap();
            name.chars().count() <= 6
                && (0..=130).contains(&age)
                && value.as_object().unwrap().len() == 2
        }),
        (list, |value| {
            let items = value.as_array().unwrap();
            let known = |item: &Value| ["红", "绿", "blue"].iter().any(|name| item == name);
            (2..=3).contains(&items.len()) && items.iter().all(known)
        }),
        (nested, |value| {
            let points = value["points"].as_array().unwrap();
            (1..=2).contains(&points.len())
                && points
                    .iter()
                    .all(|point| point["x"].is_boolean() && point.as_object().unwrap().len() == 1)
        }),
        (either, |value| {
            value.is_null()
                || value.as_str().is_some_and(|text| {
                    text.len() == 2 && text.bytes().all(|byte| (b'a'..=b'c').contains(&byte))
                })
        }),
        (number, |value| (10..=99).contains(&value.as_i64().unwrap())),
    ]
}

/// Asks for every schema, greedily and at random; each answer must end by itself and fit.
async fn check_all(provider: &LocalProvider) {
    for (wanted, fits) in cases() {
        for temperature in [0.0, 1.0, 1.0, 2.0] {
            let request = bound(schema(wanted.clone()), 200, temperature);
            let heard = ask(provider, request).await;
            assert_eq!(heard.reason, FinishReason::Stop, "{wanted}: {}", heard.text);
            let value: Value = serde_json::from_str(&heard.text)
                .unwrap_or_else(|error| panic!("{wanted}: {:?}: {error}", heard.text));
            assert!(fits(&value), "{wanted}: {}", heard.text);
            assert!(!heard.text.contains('\n'), "{:?}", heard.text);
            assert!(heard.usage.completion_tokens < 200 && !heard.usage.estimated);
        }
    }
}

/// The model that comes with Anima.
async fn demo() -> LocalProvider {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/demo");
    LocalProvider::load("demo", LocalSettings::new(path)).await.unwrap()
}

#[tokio::test]
async fn answers_fit_their_schema_whatever_the_model() {
    for folder in [qwen3(Shape::default()), llama(Shape::default())] {
        let Loaded { provider, _folder } = load(folder).await;
        check_all(&provider).await;
    }
    check_all(&demo().await).await;
}

#[tokio::test]
async fn an_answer_that_is_cut_says_so() {
    let tiny = load(qwen3(Shape::default())).await;
    let (person, _) = cases().remove(0);
    let heard = ask(&tiny.provider, bound(schema(person), 5, 0.0)).await;
    assert_eq!((heard.reason, heard.usage.completion_tokens), (FinishReason::Length, 5));
    assert!(r#"{"name":"#.starts_with(&heard.text.replace(' ', "")), "{:?}", heard.text);
}

#[tokio::test]
async fn any_object_and_regular_expressions_are_forms_too() {
    let demo = demo().await;
    let heard = ask(&demo, bound(Output::JsonObject, 300, 0.0)).await;
    match heard.reason {
        FinishReason::Stop => {
            assert!(serde_json::from_str::<Value>(&heard.text).unwrap().is_object());
        }
        _ => assert!(heard.text.starts_with('{') && heard.usage.completion_tokens == 300),
    }
    for temperature in [0.0, 1.5] {
        let output = Output::Regex("(是|否)[。！]{1,2}".to_owned());
        let heard = ask(&demo, bound(output, 20, temperature)).await;
        let rest = heard.text.strip_prefix(['是', '否']).unwrap_or_else(|| panic!("{heard:?}"));
        assert!((1..=2).contains(&rest.chars().count()), "{heard:?}");
        assert!(rest.chars().all(|mark| "。！".contains(mark)), "{heard:?}");
        assert_eq!(heard.reason, FinishReason::Stop);
    }
}

#[tokio::test]
async fn a_form_that_is_none_is_an_invalid_request() {
    let tiny = load(qwen3(Shape::default())).await;
    for output in [
        schema(json!({"type": "nonsense"})),
        schema(json!("text")),
        schema(json!({"$ref": "https://example.com/schema.json"})),
        schema(json!({"type": "string", "pattern": "("})),
        schema(json!({"type": "integer", "minimum": 3, "maximum": 2})),
        Output::Regex("(".to_owned()),
    ] {
        let refused = tiny.provider.generate(bound(output.clone(), 16, 0.0)).await.err();
        let Some(ProviderError::InvalidRequest { message }) = refused else {
            panic!("{output:?}: {refused:?}");
        };
        assert!(message.contains("cannot be used: ") && !message.contains('\n'), "{message}");
    }
    assert!(
        !contract::answer(&tiny.provider, in_lane("好", "a", 8)).await.unwrap().text.is_empty()
    );
}

#[tokio::test]
async fn stop_texts_and_interruptions_work_as_ever() {
    let tiny = load(qwen3(Shape::default())).await;
    let output = || Output::Regex("ab{30}c".to_owned());
    assert_eq!(
        ask(&tiny.provider, bound(output(), 60, 0.0)).await.text,
        format!("a{}c", "b".repeat(30))
    );
    let mut stopped = bound(output(), 60, 0.0);
    stopped.sampling.stop = vec!["bbb".to_owned()];
    let heard = ask(&tiny.provider, stopped).await;
    assert_eq!((heard.text.as_str(), heard.reason), ("a", FinishReason::Stop));
    // A dropped answer in the middle of its form leaves an engine that answers the next.
    for _ in 0..20 {
        let request = bound(Output::Regex("a{500}".to_owned()), 500, 0.0);
        let mut events = tiny.provider.generate(request).await.unwrap();
        until_admitted(&mut events).await;
        drop(events);
        assert_eq!(ask(&tiny.provider, bound(output(), 60, 1.0)).await.text.len(), 32);
    }
    assert_eq!(tiny.provider.rebuilds(), 0);
}

#[tokio::test]
async fn a_form_costs_an_answer_without_one_nothing() {
    let tiny = load(qwen3(Shape::default())).await;
    let before = ask(&tiny.provider, in_lane("你好", "a", 24)).await;
    ask(&tiny.provider, bound(Output::JsonObject, 24, 0.0)).await;
    assert_eq!(ask(&tiny.provider, in_lane("你好", "a", 24)).await, before);
}

#[tokio::test]
async fn a_model_whose_tokens_cannot_be_told_answers_in_plain_text() {
    let folder = qwen3(Shape::default());
    let mut tokenizer = tokenizer();
    tokenizer["decoder"] = json!({"type": "Sequence", "decoders": [tokenizer["decoder"]]});
    write(folder.path(), "tokenizer.json", tokenizer.to_string());
    let tiny = load(folder).await;
    assert_eq!(tiny.provider.capabilities().outputs, OutputKinds::default());
    assert!(
        !contract::answer(&tiny.provider, in_lane("好", "a", 8)).await.unwrap().text.is_empty()
    );
    let refused = tiny.provider.generate(bound(Output::JsonObject, 16, 0.0)).await.err();
    assert!(matches!(refused, Some(ProviderError::Unsupported { .. })), "{refused:?}");
}
