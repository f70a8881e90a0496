//! Answers that arrive, in all the ways in which they do.

use std::time::Duration;

use anima_provider::{FinishReason, Provider, ProviderEvent, contract};
use anima_upstream::{Fault, Plan};
use futures::{StreamExt, future::join_all};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{KINDS, Kind, TEXT, hear, question};

#[tokio::test]
async fn every_kind_keeps_the_contract() {
    for kind in KINDS {
        let (_upstream, provider) = kind.start(Plan::default()).await;
        let answer = contract::answer(&provider, question("one")).await.unwrap();
        assert_eq!((answer.text.as_str(), answer.reason), (TEXT, FinishReason::Stop), "{kind:?}");
        assert_eq!((provider.name(), provider.model()), ("it", "stand-in"));
    }
}

#[tokio::test]
async fn an_answer_is_the_same_however_it_comes() {
    for kind in KINDS {
        for fault in
            ["split", "crlf", "comments", "not-streamed", "no-done", "done-only", "thinking"]
        {
            if matches!(kind, Kind::Gemini | Kind::Responses) && fault == "done-only" {
                // They have no mark of the end but the end itself.
                continue;
            }
            let (upstream, provider) = kind.start(Plan::failing(fault.parse().unwrap())).await;
            let heard = hear(&provider).await;
            assert_eq!(
                (heard.text.as_str(), heard.end().as_str()),
                (TEXT, "stop"),
                "{kind:?} {fault}"
            );
            let reasoning = if fault == "thinking" { "让我想想" } else { "" };
            assert_eq!(heard.reasoning, reasoning, "{kind:?} {fault}");
            assert_eq!(upstream.stats().requests, 1, "{kind:?} {fault}");
        }
    }
}

#[tokio::test]
async fn the_tokens_are_told_where_the_server_tells_them() {
    for kind in KINDS {
        let told = kind != Kind::ChatGlm3;
        let (_upstream, provider) = kind.start(Plan::default()).await;
        let events: Vec<_> = provider.generate(question("one")).await.unwrap().collect().await;
        let Some(Ok(ProviderEvent::Done { usage, .. })) = events.last() else { panic!() };
        assert_eq!(usage.map(|usage| usage.completion_tokens), told.then_some(6), "{kind:?}");
    }
    // Some servers refuse to be asked.
    let quiet = json!({ "usage": false });
    let (upstream, provider) = Kind::OpenAi.start_with(Plan::default(), &quiet).await;
    assert_eq!(hear(&provider).await.end(), "stop");
    assert!(upstream.recorded()[0].body.get("stream_options").is_none());
}

#[tokio::test]
async fn a_short_answer_that_chatglm3_swallows_is_asked_for_once_more() {
    let (upstream, provider) = Kind::ChatGlm3.start(Plan::saying(["你好", "呀。"])).await;
    let heard = hear(&provider).await;
    assert_eq!((heard.text.as_str(), heard.end().as_str()), ("你好呀。", "stop"));
    let streamed: Vec<_> =
        upstream.recorded().iter().map(|request| request.body["stream"].clone()).collect();
    assert_eq!(streamed, [true, false]);
}

#[tokio::test]
async fn calls_and_logprobs_come_over_the_wire() {
    let call = |call: Value| json!({ "index": 0, "delta": { "tool_calls": [call] } });
    let choices = [
        call(json!({ "index": 0, "id": "a", "function": { "name": "f", "arguments": "{" } })),
        call(json!({ "index": 0, "function": { "arguments": "}" } })),
        json!({ "index": 0, "delta": {}, "finish_reason": "tool_calls" }),
    ];
    for kind in [Kind::OpenAi, Kind::ChatGlm] {
        let (_upstream, provider) = kind.start(Plan::choosing(choices.clone())).await;
        let answer = contract::answer(&provider, question("one")).await.unwrap();
        assert_eq!((answer.text.as_str(), answer.reason), ("", FinishReason::ToolCalls));
    }
    let token = json!({ "token": "好", "logprob": -0.25, "bytes": null, "top_logprobs": [] });
    let choices = [
        json!({ "index": 0, "delta": { "content": "好" }, "logprobs": { "content": [token] } }),
        json!({ "index": 0, "delta": {}, "finish_reason": "stop" }),
    ];
    let (_upstream, provider) = Kind::OpenAi.start(Plan::choosing(choices)).await;
    let events: Vec<_> = provider.generate(question("one")).await.unwrap().collect().await;
    let Some(Ok(ProviderEvent::Logprobs(tokens))) = events.get(1) else { panic!("{events:?}") };
    assert_eq!((tokens[0].token.token.as_str(), tokens.len()), ("好", 1));
}

#[tokio::test]
async fn a_connection_is_used_again() {
    for kind in KINDS {
        let (upstream, provider) = kind.start(Plan::default()).await;
        for _ in 0..5 {
            assert_eq!(hear(&provider).await.text, TEXT);
            // The end of the body comes right behind the answer.
            sleep(Duration::from_millis(20)).await;
        }
        let stats = upstream.stats();
        assert_eq!((stats.requests, stats.connections), (5, 1), "{kind:?}");
    }
}

#[tokio::test]
async fn many_answers_at_once_are_not_mixed_up() {
    let plan = Plan { stamps: 200, ..Plan::default() };
    for kind in KINDS {
        let (_upstream, provider) = kind.start(plan.clone()).await;
        let answers = join_all((0..20).map(|_| hear(&provider))).await;
        let mut streams: Vec<_> = answers
            .iter()
            .map(|heard| {
                let stream = heard.text.split('.').next().unwrap().to_owned();
                let whole: Vec<_> = (0..200).map(|token| format!("{stream}.{token}")).collect();
                assert_eq!(heard.text.trim_end(), whole.join(" "));
                stream
            })
            .collect();
        streams.sort();
        streams.dedup();
        assert_eq!(streams.len(), 20, "{kind:?}");
    }
}

#[tokio::test]
async fn a_filter_ends_an_answer_with_what_was_said() {
    for kind in KINDS {
        let (_upstream, provider) = kind.start(Plan::failing(Fault::Filtered(2))).await;
        let heard = hear(&provider).await;
        assert_eq!((heard.text.as_str(), heard.end().as_str()), ("慢慢呼吸几次，", "filtered"));
    }
}
