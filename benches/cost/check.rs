//! What the check adds to the first sentence while nobody else is asked: the evidence of a turn is
//! indexed, and the sentence compared with it.

use std::{hint::black_box, sync::Arc, time::Instant};

use anima::turn::{
    check::{Check, Grounds, Help, Patience, Rule},
    knowledge::Passage,
    sentence::Draft,
};
use anyhow::{Context, ensure};

use crate::{
    Plan,
    report::{Row, Samples, microseconds},
};

/// What the check may add.
const BAR: &str = "p95 ≤ 5 ms";

/// Bytes of evidence.
const EVIDENCE: [usize; 3] = [512, 8 * 1024, 32 * 1024];

/// Sentences that the evidence is made of, each with a number of its own.
const KNOWLEDGE: [&str; 2] = [
    "第{}号展厅于1987年开放，陈列着来自12个地区的茶具，门票每人40元。",
    "Room {} opened in 1987 and shows tea sets of 12 regions; a ticket costs 40 yuan. ",
];

/// What is said.
const SENTENCES: [&str; 2] = ["第7号展厅于1997年开放，", "Room 7 opened in 1997, "];

pub(crate) fn measure(plan: &Plan) -> anyhow::Result<Vec<Row>> {
    let turns = plan.times(3_000, 50);
    EVIDENCE.into_iter().map(|bytes| row(bytes, turns)).collect()
}

fn row(bytes: usize, turns: usize) -> anyhow::Result<Row> {
    let passages: Vec<Vec<Passage>> = KNOWLEDGE.map(|line| passages(line, bytes)).to_vec();
    let mut samples = Samples::default();
    for turn in 0..turns {
        let language = turn % 2;
        let passages = passages[language].clone();
        let draft = Draft { text: SENTENCES[language].to_owned(), ..Draft::default() };
        let began = Instant::now();
        let rule = Rule::of("annotate").context("a rule")?;
        let grounds = Arc::new(Grounds::new(rule, "它是什么时候开放的？", passages, true));
        let mut check = Check::new(Some(grounds), Help::default(), Patience::default());
        let said = check.push(draft, began);
        samples.push(microseconds(began.elapsed()));
        ensure!(black_box(said).len() == 3, "a sentence was not said at once");
    }
    let figure = format!(
        "p50 {:.0} µs, p95 {:.0} µs, p99 {:.0} µs",
        samples.median(),
        samples.percentile(95),
        samples.percentile(99)
    );
    let how = format!("{turns} turns, Chinese and English in turn; index and first comparison");
    #[expect(clippy::cast_precision_loss, reason = "a small number of bytes")]
    let size = bytes as f64 / 1024.0;
    let what = format!("the check, up to the first sentence, {size} KiB of evidence");
    Ok(Row::new(what, figure, BAR, how))
}

/// About so many bytes of knowledge, in passages of some sentences.
fn passages(line: &str, bytes: usize) -> Vec<Passage> {
    let lines = (bytes / line.len()).max(1);
    let lines: Vec<String> = (1..=lines).map(|n| line.replace("{}", &n.to_string())).collect();
    let passage = |(number, lines): (usize, &[String])| Passage {
        source: format!("museum.md#{number}"),
        text: lines.concat(),
    };
    lines.chunks(8).enumerate().map(passage).collect()
}
