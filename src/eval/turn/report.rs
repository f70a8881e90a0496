//! What was measured of turns: a table for people, JSON for programs, a page to show around.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde::Serialize;

use super::super::{
    page::Page,
    plot::{Bar, bars, histogram},
    statistics::{Latency, figure, interval, mean, share},
};
use crate::turn::{Sentence, Timing, Verdict};

/// A turn, and what is to be said of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TurnRecord {
    /// The dialogue.
    pub dialogue: String,
    /// Which of its turns, from 1.
    pub turn: usize,
    /// What was said.
    pub says: String,
    /// What was answered.
    pub answer: String,
    /// The same by sentences, with their emotions.
    pub sentences: Vec<Sentence>,
    /// What the check says.
    pub verdicts: Vec<Verdict>,
    /// How long it took.
    pub timing: Option<Timing>,
    /// How long the answer is, in Chinese characters and words.
    pub units: u32,
    /// It has to have fewer than this.
    pub fewer_than: Option<u32>,
    /// It does not.
    pub too_long: bool,
    /// Facts that were expected.
    pub expected: usize,
    /// How many of them are in the answer.
    pub found: usize,
    /// Something is in it that must not be.
    pub forbidden: bool,
    /// Why there is no answer.
    pub error: Option<String>,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The provider.
    pub provider: String,
    /// Its kind.
    pub kind: String,
    /// How many turns there were to be.
    pub planned: usize,
    /// Whether it ended before its end.
    pub interrupted: bool,
    /// The figures.
    pub summary: Summary,
    /// The turns.
    pub turns: Vec<TurnRecord>,
}

/// The figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Turns without an answer.
    pub failed: usize,
    /// The share of expected facts that were said, of turns that expect any.
    pub facts: Option<f64>,
    /// Its 95 % interval, over the turns.
    pub facts_interval: Option<(f64, f64)>,
    /// Answers that hold what they must not.
    pub forbidden: usize,
    /// Answers that have a limit.
    pub limited: usize,
    /// How many of them are too long.
    pub too_long: usize,
    /// The mean length of an answer, in Chinese characters and words.
    pub units: Option<f64>,
    /// How often each verdict was given.
    pub verdicts: BTreeMap<String, usize>,
    /// Until the first text came from the provider.
    pub first_token: Option<Latency>,
    /// Until the first sentence was released.
    pub first_sentence: Option<Latency>,
    /// Until the end.
    pub total: Option<Latency>,
}

impl Summary {
    fn of(turns: &[TurnRecord]) -> Self {
        let facts: Vec<f64> = turns
            .iter()
            .filter(|turn| turn.expected > 0)
            .map(|turn| share(figure(turn.found), figure(turn.expected)))
            .collect();
        let answered = || turns.iter().filter(|turn| turn.error.is_none());
        let units: Vec<f64> = answered().map(|turn| f64::from(turn.units)).collect();
        let mut verdicts: BTreeMap<String, usize> = BTreeMap::new();
        for verdict in turns.iter().flat_map(|turn| &turn.verdicts) {
            *verdicts.entry(verdict.status.name().to_owned()).or_default() += 1;
        }
        let count =
            |holds: fn(&TurnRecord) -> bool| turns.iter().filter(|turn| holds(turn)).count();
        Self {
            failed: count(|turn| turn.error.is_some()),
            facts: mean(&facts),
            facts_interval: interval(&facts),
            forbidden: count(|turn| turn.forbidden),
            limited: answered().filter(|turn| turn.fewer_than.is_some()).count(),
            too_long: count(|turn| turn.too_long),
            units: mean(&units),
            verdicts,
            first_token: Latency::of(&times(turns, |timing| timing.first_token_ms)),
            first_sentence: Latency::of(&times(turns, |timing| timing.first_sentence_ms)),
            total: Latency::of(&times(turns, |timing| Some(timing.total_ms))),
        }
    }
}

impl Report {
    /// Adds the turns up.
    pub(super) fn new(
        provider: String,
        kind: String,
        planned: usize,
        interrupted: bool,
        turns: Vec<TurnRecord>,
    ) -> Self {
        Self { provider, kind, planned, interrupted, summary: Summary::of(&turns), turns }
    }

    /// Writes the table.
    ///
    /// # Errors
    /// When nobody reads it.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}\n", self.subject())?;
        for (name, value) in self.figures() {
            writeln!(out, "{name:<26}{value}")?;
        }
        for turn in self.turns.iter().filter(|turn| turn.is_amiss()) {
            writeln!(out, "{} turn {}: {}", turn.dialogue, turn.turn, turn.amiss())?;
        }
        if self.interrupted {
            writeln!(out, "Stopped before the end: interrupted.")?;
        }
        Ok(())
    }

    /// The page.
    pub fn page(&self) -> String {
        let mut page = Page::new(&format!("Turns of {}", self.provider));
        page.paragraph(&self.subject());
        if self.interrupted {
            page.paragraph("Stopped before the end: interrupted.");
        }
        page.table(
            &["", "#"],
            self.figures().into_iter().map(|(name, value)| vec![name.to_owned(), value]),
        );
        page.heading("Expected facts");
        let bar =
            |label: &str, share: f64, interval| Bar { label: label.to_owned(), share, interval };
        let summary = &self.summary;
        let mut shares = Vec::new();
        shares.extend(summary.facts.map(|share| bar("facts said", share, summary.facts_interval)));
        if summary.limited > 0 {
            let within = 1.0 - share(figure(summary.too_long), figure(summary.limited));
            shares.push(bar("within the limit", within, None));
        }
        page.plot(&bars("Shares", &shares));
        page.heading("Time to the first sentence");
        page.plot(&histogram(
            "Time to the first sentence",
            &times(&self.turns, |timing| timing.first_sentence_ms),
        ));
        page.heading("Time to the end");
        page.plot(&histogram(
            "Time to the end",
            &times(&self.turns, |timing| Some(timing.total_ms)),
        ));
        page.heading("Turns");
        let head = [
            "dialogue", "#turn", "said", "answered", "emotions", "verdicts", "#length", "#facts",
            "#ms", "amiss",
        ];
        page.table(&head, self.turns.iter().map(TurnRecord::cells));
        page.finish()
    }

    fn subject(&self) -> String {
        format!(
            "Provider {} of kind {}: {} of {} turns",
            self.provider,
            self.kind,
            self.turns.len(),
            self.planned
        )
    }

    fn figures(&self) -> Vec<(&'static str, String)> {
        let summary = &self.summary;
        let none = || "–".to_owned();
        let times = |latency: &Option<Latency>| {
            latency.as_ref().map_or_else(none, |Latency { p50_ms, p90_ms, p99_ms, .. }| {
                format!("p50 {p50_ms:.0} ms, p90 {p90_ms:.0} ms, p99 {p99_ms:.0} ms")
            })
        };
        let interval = summary.facts_interval.map_or_else(String::new, |(low, high)| {
            format!(" (95 %: {:.1}–{:.1})", low * 100.0, high * 100.0)
        });
        let verdicts: Vec<_> =
            summary.verdicts.iter().map(|(name, count)| format!("{name} {count}")).collect();
        vec![
            ("turns that failed", summary.failed.to_string()),
            (
                "expected facts said",
                summary
                    .facts
                    .map_or_else(none, |share| format!("{:.1} %{interval}", share * 100.0)),
            ),
            ("forbidden things said", summary.forbidden.to_string()),
            ("answers over their limit", format!("{} of {}", summary.too_long, summary.limited)),
            (
                "mean length of an answer",
                summary.units.map_or_else(none, |units| format!("{units:.1}")),
            ),
            ("verdicts", if verdicts.is_empty() { none() } else { verdicts.join(", ") }),
            ("first token", times(&summary.first_token)),
            ("first sentence", times(&summary.first_sentence)),
            ("whole turn", times(&summary.total)),
        ]
    }
}

impl TurnRecord {
    fn is_amiss(&self) -> bool {
        self.error.is_some() || self.too_long || self.forbidden || self.found < self.expected
    }

    /// What is wrong with it, in words.
    fn amiss(&self) -> String {
        let mut amiss = Vec::new();
        amiss.extend(self.error.as_ref().map(|error| format!("failed: {error}")));
        if self.too_long {
            amiss.push(format!("{} long, over its limit", self.units));
        }
        if self.forbidden {
            amiss.push("says what it must not".to_owned());
        }
        if self.error.is_none() && self.found < self.expected {
            amiss.push(format!("{} of {} facts", self.found, self.expected));
        }
        amiss.join("; ")
    }

    fn cells(&self) -> Vec<String> {
        let emotions: Vec<_> = self
            .sentences
            .iter()
            .map(|sentence| format!("{:?}", sentence.emotion).to_lowercase())
            .collect();
        let verdicts: Vec<_> = self.verdicts.iter().map(|verdict| verdict.status.name()).collect();
        let limit = self.fewer_than.map_or_else(String::new, |limit| format!(" < {limit}"));
        vec![
            self.dialogue.clone(),
            self.turn.to_string(),
            self.says.clone(),
            self.answer.clone(),
            emotions.join(", "),
            verdicts.join(", "),
            format!("{}{limit}", self.units),
            if self.expected == 0 {
                "–".to_owned()
            } else {
                format!("{} of {}", self.found, self.expected)
            },
            self.timing.map_or_else(|| "–".to_owned(), |timing| timing.total_ms.to_string()),
            self.amiss(),
        ]
    }
}

/// Times of turns as figures.
fn times(turns: &[TurnRecord], of: fn(&Timing) -> Option<u64>) -> Vec<f64> {
    let times = turns.iter().filter_map(|turn| turn.timing.as_ref()).filter_map(of);
    times.map(|time| f64::from(u32::try_from(time).unwrap_or(u32::MAX))).collect()
}

#[cfg(test)]
mod tests;
