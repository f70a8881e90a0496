//! The table of faults of the check: everything that somebody who helps to check does wrong, under every
//! policy, and what a listener gets all the same.
//!
//! One turn of each with every `cargo test`; three hundred, and the table, with `make test-faults`.

use std::{
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use anima_provider::{FinishReason, Provider, ProviderError, Script, Step};
use anima_upstream::Upstream;
use futures::future::join_all;
use serde_json::Value;

use crate::{
    checks::{
        ANSWER, DEADLINE, KNOWLEDGE, Opinion, Personas, SENTENCES, each, helper, right, said, turn,
        verdicts,
    },
    helpers::{PATIENCE, TestApp, once_each},
    providers::{answering, unavailable},
    remote::{plan, remote},
    row::is_full,
};

/// What a judge does wrong.
const FAULTS: [&str; 15] = [
    "silence",
    "slow",
    "bad-json",
    "no-json",
    "other-claims",
    "invented-quote",
    "obeys-evidence",
    "wrong-support",
    "empty",
    "refusal",
    "unavailable",
    "broken-off",
    "no-end",
    "status-500",
    "reset-1",
];

/// What is done about verdicts.
const POLICIES: [&str; 5] = ["annotate", "hedge", "rewrite", "withhold", "correct"];

/// How late a listener may be told, beyond the deadline.
const SOON: Duration = Duration::from_millis(400);

/// 15 faults under 5 policies, four times: 300 turns.
fn runs() -> usize {
    if is_full() { 4 } else { 1 }
}

/// A judge with a fault.
fn judge(fault: &'static str) -> Arc<dyn Provider> {
    helper("judge", move |data| {
        let all = |of: &dyn Fn(&str) -> Opinion| Ok(Script::saying([verdicts(data, of)]));
        match fault {
            "silence" => Ok(Script::admitted().then(Step::Hang)),
            "slow" => {
                let wait = Step::Wait(2 * DEADLINE);
                Ok(Script::admitted()
                    .then(wait)
                    .text(verdicts(data, &right))
                    .done(FinishReason::Stop))
            }
            "bad-json" => Ok(Script::saying(["{\"verdicts\":[{\"id\":1,\"verdict\":\"sup"])),
            "no-json" => Ok(Script::saying(["我觉得都对。"])),
            "other-claims" => {
                let all = verdicts(data, &|_| ("supported", "共有12个展厅", None));
                Ok(Script::saying([all.replace("\"id\":", "\"id\":9")]))
            }
            "invented-quote" => all(&|_| ("supported", "门票每人80元，1997年开馆", None)),
            "obeys-evidence" => all(&|_| ("supported", KNOWLEDGE[1], Some("请相信我。"))),
            "wrong-support" => all(&|_| ("supported", "门票每人40元", None)),
            "empty" => Ok(Script::admitted().done(FinishReason::Stop)),
            "refusal" => {
                let refused = ProviderError::Refused("no".to_owned());
                Ok(Script::admitted().then(Step::Fail(refused)))
            }
            "unavailable" => Err(unavailable()),
            "broken-off" => {
                Ok(Script::admitted().text("{\"verdicts\":[").then(Step::Fail(unavailable())))
            }
            "no-end" => Ok(Script::admitted().text(verdicts(data, &right))),
            other => panic!("{other}"),
        }
    })
}

/// What held of the turns of one fault.
#[derive(Default)]
struct Counted {
    turns: usize,
    sentences: usize,
    lost: usize,
    late: usize,
    falsely_supported: usize,
    unsaid: usize,
    slowest: Duration,
}

impl Counted {
    fn add(&mut self, told: &Value, policy: &str, took: Duration) {
        self.turns += 1;
        self.slowest = self.slowest.max(took);
        let limit = DEADLINE + if is_full() { SOON } else { PATIENCE };
        self.late += usize::from(took > limit);
        let (texts, statuses) = (said(told), each(told, "status"));
        self.sentences += texts.len();
        // What was said first is true; the others are not, whatever the judge says.
        let expected = if policy == "correct" || policy == "rewrite" { 3..=5 } else { 3..=3 };
        self.lost += usize::from(!expected.contains(&texts.len()) || texts[0] != SENTENCES[0]);
        self.lost += usize::from(told["text"] != texts.concat());
        for (number, false_one) in SENTENCES.iter().enumerate().skip(1) {
            self.falsely_supported += usize::from(statuses[number] == "supported");
            let verbatim = policy == "annotate" || policy == "correct";
            self.lost += usize::from(verbatim && texts[number] != *false_one);
            if policy == "withhold" {
                self.lost +=
                    usize::from(texts[number].contains("80") || texts[number].contains("1997"));
            }
            let reasons = each(told, "reasons")[number].to_string();
            self.unsaid += usize::from(!reasons.contains("judge_"));
        }
    }
}

async fn take(fault: &'static str, policy: &'static str, counted: &mut Counted) {
    let upstream = match fault {
        "status-500" | "reset-1" => Some(Upstream::start(plan(fault)).await.unwrap()),
        _ => None,
    };
    let (judge, name) = match &upstream {
        Some(upstream) => (remote("openai", &upstream.url("/v1")), "openai"),
        None => (judge(fault), "judge"),
    };
    let personas = Personas::new();
    let app = TestApp::start_with(vec![answering("demo", ANSWER), judge], |settings| {
        once_each(settings);
        personas.choose(settings, policy, Some(name));
    })
    .await;
    let turns = (0..runs()).map(|_| async {
        let began = Instant::now();
        (turn(&app).await, began.elapsed())
    });
    for (told, took) in join_all(turns).await {
        counted.add(&told, policy, took);
    }
}

/// Writes a line of the table, in the full size.
fn report(line: &str) {
    if is_full() {
        std::io::stdout().write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

#[tokio::test]
async fn whatever_the_judge_does_no_sentence_is_lost_and_none_is_falsely_supported() {
    report(
        "\nfault of the judge | turns | sentences | lost | late | falsely supported | unsaid | slowest",
    );
    let mut turns = 0;
    for fault in FAULTS {
        let mut counted = Counted::default();
        for policy in POLICIES {
            take(fault, policy, &mut counted).await;
        }
        let Counted { lost, late, falsely_supported, unsaid, slowest, sentences, .. } = counted;
        report(&format!(
            "{fault} | {} | {sentences} | {lost} | {late} | {falsely_supported} | {unsaid} | {} ms",
            counted.turns,
            slowest.as_millis()
        ));
        assert_eq!((lost, late, falsely_supported, unsaid), (0, 0, 0, 0), "{fault}");
        turns += counted.turns;
    }
    report(&format!("all | {turns}"));
}
