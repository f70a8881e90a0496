//! The providers that need no model: words given back, and answers from a playbook.

use std::time::{Duration, Instant};

use anima_provider::{
    DirectReply, FinishReason, Input, LaneId, Line, Message, Playbook, PlaybookProvider, Provider,
    ProviderError, ProviderEvent, Request, Role, Sampling, TextPart, contract,
};
use futures::{FutureExt, StreamExt};

fn request(input: Input) -> Request {
    Request::new(input, Sampling::default(), LaneId("lane".to_owned()))
}

fn asking(words: &str) -> Request {
    let messages = vec![
        Message::new(Role::User, "before"),
        Message::new(Role::Assistant, "answered"),
        Message::new(Role::User, words),
    ];
    request(Input::Chat { system: Some("be brief".to_owned()), messages })
}

fn prompt(parts: &[TextPart]) -> Request {
    request(Input::Text { parts: parts.to_vec() })
}

fn playbook(lines: Vec<Line>) -> PlaybookProvider {
    PlaybookProvider::new("book", Playbook { answers: lines })
}

fn saying(asks: &[&str], says: &str) -> Line {
    let asks = asks.iter().map(|text| (*text).to_owned()).collect();
    Line { asks, says: says.to_owned(), ..Line::default() }
}

#[tokio::test]
async fn a_direct_reply_is_what_was_said_last() {
    let direct = DirectReply::new("direct");
    let template = |text: &str| TextPart::Template(text.to_owned());
    let said = |text: &str| TextPart::Said(text.to_owned());
    for (request, wanted) in [
        (asking("说这个。"), "说这个。"),
        (
            prompt(&[
                template("User: "),
                said("old"),
                template(" Q: "),
                said("new"),
                template(" A:"),
            ]),
            "new",
        ),
        (prompt(&[template("as "), template("written")]), "as written"),
    ] {
        let answer = contract::answer(&direct, request).await.unwrap();
        assert_eq!((answer.text.as_str(), answer.reason), (wanted, FinishReason::Stop));
    }
}

#[tokio::test]
async fn the_first_answer_that_fits_is_given() {
    let book = playbook(vec![
        saying(&["压力", "Stress"], "[calm]先深呼吸。"),
        saying(&["你好"], "你说了{said}"),
        saying(&[], "不知道。"),
    ]);
    for (words, wanted) in [
        ("如何应对压力", "[calm]先深呼吸。"),
        ("about STRESS", "[calm]先深呼吸。"),
        ("你好！", "你说了你好！"),
        ("别的", "不知道。"),
    ] {
        let answer = contract::answer(&book, asking(words)).await.unwrap();
        assert_eq!(answer.text, wanted);
    }
    let narrow = playbook(vec![saying(&["压力"], "先深呼吸。")]);
    let refused = narrow.generate(asking("别的")).await.err();
    assert!(matches!(refused, Some(ProviderError::Unsupported { .. })));
}

#[tokio::test]
async fn an_answer_takes_the_time_that_is_written() {
    let line = Line { characters: 2, first_ms: 30, every_ms: 10, ..saying(&[], "一二三四五") };
    let began = Instant::now();
    let mut events = playbook(vec![line]).generate(asking("?")).await.unwrap();
    let mut pieces = Vec::new();
    while let Some(event) = events.next().await {
        if let ProviderEvent::Text(text) = event.unwrap() {
            pieces.push((text, began.elapsed()));
        }
    }
    let texts: Vec<_> = pieces.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(texts, ["一二", "三四", "五"]);
    for ((_, came), written) in pieces.iter().zip([30, 40, 50]) {
        assert!(*came >= Duration::from_millis(written), "{came:?} before {written} ms");
    }
}

#[tokio::test]
async fn an_answer_can_tell_what_the_model_was_shown() {
    let book = playbook(vec![saying(&[], "{shown} | {said} | {other} {")]);
    let template = |text: &str| TextPart::Template(text.to_owned());
    let said = |text: &str| TextPart::Said(text.to_owned());
    let earlier = Message::new(Role::User, "and {said}?");
    let only = request(Input::Chat { system: None, messages: vec![earlier] });
    for (request, wanted) in [
        (asking("now"), "user: before\nassistant: answered | now | {other} {"),
        // What fills a place is not filled again.
        (only, " | and {said}? | {other} {"),
        (
            prompt(&[
                template("Q: "),
                said("{shown}"),
                template(" Q: "),
                said("new"),
                template(" A:"),
            ]),
            "Q: {shown} Q:  | new | {other} {",
        ),
        (prompt(&[template("as "), template("written")]), " | as written | {other} {"),
    ] {
        assert_eq!(contract::answer(&book, request).await.unwrap().text, wanted);
    }
}

#[tokio::test]
async fn every_ending_can_be_written() {
    let written: Playbook = serde_json::from_value(serde_json::json!({ "answers": [
        { "asks": ["length"], "says": "a", "thinks": "hm", "ends": "length" },
        { "asks": ["filtered"], "says": "a", "ends": "filtered" },
        { "asks": ["unavailable"], "says": "a", "ends": "unavailable" },
        { "asks": ["limit"], "ends": "rate_limited" },
        { "asks": ["key"], "ends": "unauthorized" },
        { "asks": ["declined"], "ends": "refused" },
        { "asks": ["garbled"], "ends": "protocol" },
        { "asks": ["silent"], "says": "a", "ends": "hang" },
    ]}))
    .unwrap();
    let book = PlaybookProvider::new("book", written);
    for (words, reason) in [("length", FinishReason::Length), ("filtered", FinishReason::Filtered)]
    {
        assert_eq!(contract::answer(&book, asking(words)).await.unwrap().reason, reason);
    }
    for (words, message) in [
        ("unavailable", "unavailable"),
        ("limit", "limit"),
        ("key", "key"),
        ("declined", "refused to answer"),
        ("garbled", "could not be understood"),
    ] {
        let error = contract::answer(&book, asking(words)).await.unwrap_err();
        assert!(error.contains(message), "{words}: {error}");
    }
    let silent = book.generate(asking("silent")).await.unwrap();
    let mut after_its_text = silent.skip(2);
    assert!(after_its_text.next().now_or_never().is_none(), "it hangs");
}
