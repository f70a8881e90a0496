//! The table of faults: everything that a server does wrong, many times over, and what came out at
//! our end of it.
//!
//! A few runs of each with every `cargo test`; fifty, and the table, with `make test-faults`.

use std::{
    io::Write,
    net::TcpListener,
    time::{Duration, Instant},
};

use anima_upstream::Upstream;
use futures::{StreamExt, future::join_all};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    helpers::{PATIENCE, TestApp, once_each},
    providers::{ANSWER, SENTENCES, answering},
    remote::{PIECES, plan, remote},
    row::{Row, is_full},
};

/// What a server does before it has said a sentence.
const BEFORE: [&str; 27] = [
    "status-400",
    "status-401",
    "status-403",
    "status-404",
    "status-429",
    "status-500",
    "status-502",
    "status-503",
    "echo",
    "html",
    "redirect",
    "wrong-type",
    "silence",
    "stall-0",
    "stall-1",
    "broken-0",
    "broken-1",
    "reset-0",
    "reset-1",
    "fin-0",
    "fin-1",
    "cut-0",
    "cut-1",
    "error-0",
    "error-1",
    "empty",
    "huge-line",
];

/// What a server does after it has said two sentences.
const AFTER: [&str; 6] = ["reset-4", "fin-4", "cut-4", "broken-4", "error-4", "stall-4"];

/// What is heard of a server that fails after two sentences.
const HEARD: &str = "我是远方的模型，正在回答你。";

/// How long a server may be silent.
const SILENCE: Duration = Duration::from_millis(800);

/// How soon a listener is told of a failure, beyond that.
const SOON: Duration = Duration::from_millis(500);

/// Turns at a time.
const AT_ONCE: usize = 5;

fn runs() -> usize {
    if is_full() { 50 } else { 2 }
}

/// A turn as it came over server-sent events.
#[derive(Default)]
struct Heard {
    /// The types and data of the events, and when they came.
    events: Vec<(String, Value, Instant)>,
    body: String,
}

impl Heard {
    /// Takes a turn in a session of its own.
    async fn turn(app: &TestApp) -> Self {
        let session = app.session().await;
        let path = format!("/v1/sessions/{session}/turns");
        let response = app.post(&path, &json!({ "text": "你好", "stream": true })).await;
        assert_eq!(response.status(), StatusCode::OK);
        let (mut heard, mut bytes) = (Self::default(), response.bytes_stream());
        let mut unread = Vec::new();
        while let Some(piece) = bytes.next().await {
            unread.extend_from_slice(&piece.unwrap());
            while let Some(end) = unread.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<_> = unread.drain(..end + 2).collect();
                heard.take(&String::from_utf8(event).unwrap());
            }
        }
        heard
    }

    fn take(&mut self, event: &str) {
        let field = |name| event.lines().find_map(|line| line.strip_prefix(name));
        if let (Some(kind), Some(data)) = (field("event: "), field("data: ")) {
            let data = serde_json::from_str(data).unwrap();
            self.events.push((kind.to_owned(), data, Instant::now()));
        }
        self.body.push_str(event);
    }

    fn all(&self, kind: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event.0 == kind).map(|event| &event.1).collect()
    }

    fn said(&self) -> String {
        self.all("sentence").iter().map(|event| event["text"].as_str().unwrap()).collect()
    }

    /// What holds for every turn: one provider began it, and it ended once, with its last event.
    fn check(&self, fault: &str, provider: &str, end: &str) {
        let started = self.all("started");
        assert_eq!(started.len(), 1, "{fault}: {}", self.body);
        assert_eq!(started[0]["provider"], provider, "{fault}");
        let ends = self.all("finished").len() + self.all("failed").len() + self.all("error").len();
        assert_eq!((ends, self.events.last().unwrap().0.as_str()), (1, end), "{fault}");
        assert!(!self.body.contains("[DONE]"), "{fault}: {}", self.body);
    }

    /// From the last sentence to the end.
    fn silence(&self) -> Duration {
        let last = self.events.iter().rev().find(|event| event.0 == "sentence").unwrap().2;
        self.events.last().unwrap().2 - last
    }
}

/// Takes as many turns as the size of the run asks for, several at a time.
async fn turns(app: &TestApp) -> Vec<Heard> {
    let mut heard = Vec::new();
    while heard.len() < runs() {
        let now = AT_ONCE.min(runs() - heard.len());
        heard.extend(join_all((0..now).map(|_| Heard::turn(app))).await);
    }
    heard
}

/// Writes a line of the table, in the full size.
fn report(line: &str) {
    if is_full() {
        std::io::stdout().write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

#[tokio::test]
async fn every_fault_before_the_first_sentence_is_answered_by_one_other_provider() {
    let row = Row::of(7, "servers that fail before the first sentence");
    report("\nfault before the first sentence | turns | answered whole by the other | asked each");
    for fault in BEFORE {
        let upstream = Upstream::start(plan(fault)).await.unwrap();
        let good = answering("good", ANSWER);
        let far = remote("openai", &upstream.url("/v1"));
        let app = TestApp::start_patiently_with(vec![far, good.clone()], SILENCE, once_each).await;
        let heard = turns(&app).await;
        for turn in &heard {
            turn.check(fault, "good", "finished");
            assert_eq!(turn.said(), SENTENCES.concat(), "{fault}");
            assert_eq!(turn.all("finished")[0]["text"], SENTENCES.concat(), "{fault}");
            let foreign = PIECES.iter().find(|piece| turn.body.contains(*piece));
            assert_eq!(foreign, None, "{fault}: two models were spliced");
        }
        assert_eq!(good.requests().len(), runs(), "{fault}");
        assert_eq!(upstream.stats().requests, runs() as u64, "{fault}: asked once each");
        report(&format!("{fault} | {0} | {0} | once", heard.len()));
    }
    nobody_at_the_address().await;
    let (kinds, turns) = (BEFORE.len() + 1, (BEFORE.len() + 1) * runs());
    row.turns(turns, 0).tell(
        format!("{kinds} faults, {turns} turns"),
        format!("{turns} answered whole by one other provider"),
        true,
    );
}

async fn nobody_at_the_address() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let good = answering("good", ANSWER);
    let far = remote("openai", &format!("http://{nobody}/v1"));
    let app = TestApp::start_patiently_with(vec![far, good], SILENCE, once_each).await;
    let heard = turns(&app).await;
    for turn in &heard {
        turn.check("refused", "good", "finished");
        assert_eq!(turn.said(), SENTENCES.concat());
    }
    report(&format!("refused | {0} | {0} | once", heard.len()));
}

#[tokio::test]
async fn every_fault_after_the_first_sentence_is_told_soon_and_nobody_else_goes_on() {
    let row = Row::of(8, "servers that fail after the first sentence");
    let mut slowest_of_all = Duration::ZERO;
    report("\nfault after the first sentence | turns | failed unspliced | slowest notice");
    for fault in AFTER {
        let upstream = Upstream::start(plan(fault)).await.unwrap();
        let good = answering("good", ANSWER);
        let far = remote("openai", &upstream.url("/v1"));
        let app = TestApp::start_patiently_with(vec![far, good.clone()], SILENCE, once_each).await;
        let heard = turns(&app).await;
        let mut slowest = Duration::ZERO;
        for turn in &heard {
            turn.check(fault, "openai", "failed");
            assert_eq!(turn.said(), HEARD, "{fault}");
            slowest = slowest.max(turn.silence());
        }
        assert!(good.requests().is_empty(), "{fault}: two models were spliced");
        slowest_of_all =
            slowest_of_all.max(if fault == "stall-4" { Duration::ZERO } else { slowest });
        let patience = if fault == "stall-4" { SILENCE } else { Duration::ZERO };
        // A machine that builds something else at the same time is no measure.
        let limit = if is_full() { SOON } else { PATIENCE };
        assert!(slowest <= patience + limit, "{fault}: told after {slowest:?}");
        report(&format!("{fault} | {0} | {0} | {1} ms", heard.len(), slowest.as_millis()));
    }
    let turns = AFTER.len() * runs();
    row.turns(turns, 0).tell(
        format!("{} faults, {turns} turns", AFTER.len()),
        format!("0 spliced, told within {} ms, stalls aside", slowest_of_all.as_millis()),
        true,
    );
}

/// With the breaker as it is shipped a server that fails again and again costs listeners nothing.
#[tokio::test]
async fn a_server_that_always_fails_is_soon_not_asked_any_more() {
    let upstream = Upstream::start(plan("silence")).await.unwrap();
    let good = answering("good", ANSWER);
    let far = remote("openai", &upstream.url("/v1"));
    let app =
        TestApp::start_patiently_with(vec![far, good], Duration::from_millis(100), |settings| {
            // No turn tries it again while the test runs.
            (settings.turn.breaker.open_ms, settings.turn.breaker.max_open_ms) = (600_000, 600_000);
        })
        .await;
    for _ in 0..6 {
        let heard = turns(&app).await;
        assert!(heard.iter().all(|turn| turn.said() == SENTENCES.concat()));
    }
    let asked = upstream.stats().requests;
    assert!((5..=5 + AT_ONCE as u64).contains(&asked), "{asked}");
}
