//! Every fault of a server, and the error that it becomes: once asked, and in time.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use anima_provider::{Provider, ProviderError, ProviderEvent};
use anima_upstream::{Fault, Plan};
use futures::{StreamExt, future::join_all};
use serde_json::json;
use tokio::{
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};

use crate::support::{KINDS, Kind, PATIENCE, TEXT, eventually, hear, next, question, texts};

/// What becomes of a fault before the first piece of text.
const EARLY: [(&str, &str); 26] = [
    ("status-400", "unsupported"),
    ("status-401", "unauthorized"),
    ("status-403", "unauthorized"),
    ("status-404", "protocol"),
    ("status-408", "unavailable"),
    ("status-429", "limited"),
    ("status-429-after-3", "limited 3000"),
    ("status-429-after-9999", "limited 120000"),
    ("status-500", "unavailable"),
    ("status-502", "unavailable"),
    ("status-503", "unavailable"),
    ("status-503-after-2", "limited 2000"),
    ("echo", "unauthorized"),
    ("html", "protocol"),
    ("redirect", "protocol"),
    ("wrong-type", "protocol"),
    ("broken-0", "protocol"),
    ("reset-0", "unavailable"),
    ("fin-0", "unavailable"),
    ("cut-0", "protocol"),
    ("error-0", "unavailable"),
    ("empty", "protocol"),
    ("blocked", "refused"),
    ("huge-line", "protocol"),
    ("no-text", "stop"),
    ("filtered-0", "filtered"),
];

/// What becomes of one after the second piece.
const LATE: [(&str, &str); 6] = [
    ("broken-2", "protocol"),
    ("reset-2", "unavailable"),
    ("fin-2", "unavailable"),
    ("cut-2", "protocol"),
    ("error-2", "unavailable"),
    ("filtered-2", "filtered"),
];

#[tokio::test]
async fn a_fault_before_the_first_word_becomes_its_error() {
    for kind in KINDS {
        for (fault, expected) in EARLY {
            let expected = match (kind, fault) {
                // Its server tells no codes, and it swallows short answers: what ends in order with
                // nothing in it is asked for again without a stream.
                (Kind::ChatGlm3, "blocked") => "unsupported",
                (Kind::ChatGlm3, "cut-0" | "empty") => "stop",
                _ => expected,
            };
            let (upstream, provider) = kind.start(Plan::failing(fault.parse().unwrap())).await;
            let heard = hear(&provider).await;
            assert_eq!(heard.end(), expected, "{kind:?} {fault}");
            let again = kind == Kind::ChatGlm3 && matches!(fault, "cut-0" | "empty");
            assert_eq!(heard.text, if again { TEXT } else { "" }, "{kind:?} {fault}");
            assert_eq!(upstream.stats().requests, 1 + u64::from(again), "{kind:?} {fault}");
        }
    }
}

#[tokio::test]
async fn a_fault_after_some_words_becomes_its_error_and_nothing_is_asked_again() {
    for kind in KINDS {
        for (fault, expected) in LATE {
            let (upstream, provider) = kind.start(Plan::failing(fault.parse().unwrap())).await;
            let heard = hear(&provider).await;
            assert_eq!(
                (heard.text.as_str(), heard.end().as_str()),
                ("慢慢呼吸几次，", expected),
                "{kind:?} {fault}"
            );
            assert_eq!(upstream.stats().requests, 1, "{kind:?} {fault}");
        }
    }
}

#[tokio::test]
async fn zhipus_codes_count_more_than_the_status() {
    for (fault, expected) in [
        ("status-429-code-1113", "unauthorized"),
        ("status-429-code-1302", "limited"),
        ("status-429-code-1304", "limited 120000"),
        ("status-400-code-1301", "refused"),
        ("status-500-code-1210", "unsupported"),
    ] {
        let (_upstream, provider) =
            Kind::ChatGlm.start(Plan::failing(fault.parse().unwrap())).await;
        assert_eq!(hear(&provider).await.end(), expected, "{fault}");
    }
}

#[tokio::test]
async fn a_model_that_declines_has_refused() {
    for kind in [Kind::OpenAi, Kind::Responses] {
        let (_upstream, provider) = kind.start(Plan::failing(Fault::Refusal)).await;
        let heard = hear(&provider).await;
        let Err(ProviderError::Refused(text)) = heard.end else { panic!("{heard:?}") };
        assert_eq!(text, "I'm sorry, I can't help with that.", "{kind:?}");
    }
}

#[tokio::test]
async fn an_answer_without_an_end_is_cut_off() {
    for kind in KINDS {
        let (upstream, provider) = kind.start(Plan::failing(Fault::Endless)).await;
        let heard = hear(&provider).await;
        assert_eq!(heard.end(), "protocol", "{kind:?}");
        assert!((100_000..8 << 20).contains(&heard.text.len()), "{}", heard.text.len());
        eventually("the connection is closed", || upstream.stats().open == 0).await;
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_told_after_admission() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for kind in KINDS {
        let provider = kind.at(&format!("http://{nobody}{}", kind.path()), &json!({})).unwrap();
        let mut events = provider.generate(question("one")).await.unwrap();
        let first = next(&mut events).await.unwrap().unwrap();
        assert!(matches!(first, ProviderEvent::Admitted { .. }));
        let error = next(&mut events).await.unwrap().unwrap_err();
        assert!(matches!(error, ProviderError::Unavailable(_)), "{kind:?} {error:?}");
        assert!(next(&mut events).await.is_none());
    }
}

#[tokio::test]
async fn a_server_that_comes_back_is_reached_again() {
    join_all(KINDS.map(|kind| async move {
        let (upstream, provider) = kind.start(Plan::default()).await;
        assert_eq!(hear(&provider).await.end(), "stop");
        upstream.refuse(Duration::from_secs(1));
        eventually("its connections are closed", || upstream.stats().open == 0).await;
        assert_eq!(hear(&provider).await.end(), "unavailable", "{kind:?}");
        let begun = Instant::now();
        while hear(&provider).await.end() != "stop" {
            assert!(begun.elapsed() < PATIENCE, "{kind:?} is not reached again");
            sleep(Duration::from_millis(50)).await;
        }
    }))
    .await;
}

#[tokio::test]
async fn a_server_that_does_not_take_connections_has_a_deadline() {
    // A listener whose queue is full lets no further connection be made.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut filling = Vec::new();
    while let Ok(Ok(stream)) =
        timeout(Duration::from_millis(200), TcpStream::connect(address)).await
    {
        filling.push(stream);
    }
    for kind in KINDS {
        let base = format!("http://{address}{}", kind.path());
        let provider = kind.at(&base, &json!({ "connect_ms": 100 })).unwrap();
        let begun = Instant::now();
        assert_eq!(hear(&provider).await.end(), "unavailable", "{kind:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{kind:?}");
    }
}

#[tokio::test]
async fn silence_is_for_the_caller_to_end() {
    for kind in KINDS {
        for (fault, before) in [("silence", 0), ("stall-0", 0), ("stall-2", 2)] {
            let (upstream, provider) = kind.start(Plan::failing(fault.parse().unwrap())).await;
            let mut events = provider.generate(question("one")).await.unwrap();
            next(&mut events).await.unwrap().unwrap();
            texts(&mut events, before).await;
            let more = timeout(Duration::from_millis(100), events.next());
            assert!(more.await.is_err(), "{kind:?} {fault}");
            drop(events);
            eventually("the connection is closed", || upstream.stats().open == 0).await;
        }
    }
}
