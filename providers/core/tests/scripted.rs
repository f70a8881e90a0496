//! The double keeps what every provider keeps, and the small rules of a request hold.

use std::time::Duration;

use anima_provider::{
    FinishReason, Input, LaneId, Message, Provider, ProviderError, ProviderEvent, Request, Role,
    Sampling, Script, ScriptedProvider, Step, contract,
};
use futures::StreamExt;

fn request() -> Request {
    let input = Input::Chat { system: None, messages: vec![Message::new(Role::User, "hello")] };
    Request::new(input, Sampling::default(), LaneId("lane".to_owned()))
}

#[tokio::test]
async fn a_script_is_played_in_order() {
    let script = Script::admitted()
        .text("你")
        .then(Step::Wait(Duration::from_millis(1)))
        .text("好")
        .done(FinishReason::Length);
    let provider = ScriptedProvider::playing("double", [script]);
    let answer = contract::answer(&provider, request()).await.unwrap();
    assert_eq!((answer.text.as_str(), answer.reason), ("你好", FinishReason::Length));
    assert_eq!(provider.requests(), [request()]);
    let used_up = provider.generate(request()).await.err();
    assert!(matches!(used_up, Some(ProviderError::Unavailable(_))));
}

#[tokio::test]
async fn dropping_the_answer_stops_it() {
    let provider =
        ScriptedProvider::playing("double", [Script::admitted().text("a").then(Step::Hang)]);
    let mut events = provider.generate(request()).await.unwrap();
    assert!(matches!(events.next().await, Some(Ok(ProviderEvent::Admitted { .. }))));
    assert_eq!(provider.running(), 1);
    drop(events);
    assert_eq!(provider.running(), 0);
}

#[tokio::test]
async fn the_contract_finds_a_provider_that_breaks_it() {
    let broken = [
        (Script::default().text("early"), "before admission"),
        (Script::admitted().text("no end"), "without an end"),
        (Script::admitted().done(FinishReason::Stop).text("late"), "after the end"),
        (Script::admitted().then(Step::Fail(ProviderError::Unauthorized)), "refused our key"),
    ];
    for (script, complaint) in broken {
        let provider = ScriptedProvider::playing("double", [script]);
        let error = contract::answer(&provider, request()).await.unwrap_err();
        assert!(error.contains(complaint), "{error} / {complaint}");
    }
}

#[test]
fn the_stronger_sampling_wins_and_stops_of_both_apply() {
    let stops = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let strong = Sampling { temperature: Some(0.0), stop: stops(&["a"]), ..Sampling::default() };
    let weak = Sampling {
        temperature: Some(0.84),
        top_k: Some(20),
        stop: stops(&["a", "b"]),
        ..Sampling::default()
    };
    let both = strong.or(&weak);
    assert_eq!(
        (both.temperature, both.top_k, both.stop),
        (Some(0.0), Some(20), stops(&["a", "b"]))
    );
}

#[test]
fn values_out_of_range_are_named() {
    let named = |sampling: Sampling| sampling.validate().err().map(|(name, _)| name);
    assert_eq!(named(Sampling { temperature: Some(2.0), ..Sampling::default() }), None);
    assert_eq!(
        named(Sampling { temperature: Some(f64::NAN), ..Sampling::default() }),
        Some("temperature")
    );
    assert_eq!(named(Sampling { top_p: Some(0.0), ..Sampling::default() }), Some("top_p"));
    assert_eq!(named(Sampling { max_tokens: Some(0), ..Sampling::default() }), Some("max_tokens"));
    let endless = Sampling { stop: vec![String::new()], ..Sampling::default() };
    assert_eq!(named(endless), Some("stop"));
}
