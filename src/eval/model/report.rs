//! What was measured: a table for people, JSON for programs, a page to show around.

use std::io::{self, Write};

use serde::Serialize;

use super::{
    super::{
        page::Page,
        plot::{Bar, bars, histogram},
        statistics::Latency,
    },
    perplexity::TextPerplexity,
    record::Record,
    summary::{Group, Latencies},
};

/// Most wrong answers that the page shows.
const SHOWN: usize = 400;

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The provider.
    pub provider: String,
    /// Its kind.
    pub kind: String,
    /// The models that answered.
    pub models: Vec<String>,
    /// How often every question was to be asked.
    pub runs: u32,
    /// How often a question was to be asked, in all.
    pub planned: usize,
    /// Why it ended before its end, if it did.
    pub stopped: Option<String>,
    /// What else there is to know.
    pub notes: Vec<String>,
    /// The figures.
    pub groups: Vec<Group>,
    /// How long answers took.
    pub latencies: Latencies,
    /// How likely texts are to the model.
    pub perplexity: Vec<TextPerplexity>,
    /// Every answer.
    pub records: Vec<Record>,
}

impl Report {
    /// Writes the table.
    ///
    /// # Errors
    /// When nobody reads it.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}", self.subject())?;
        if !self.groups.is_empty() {
            writeln!(
                out,
                "\n{:<14}{:>6}{:>7}  {:<16}{:>7}{:>8}  {:>7} {:>20}",
                "",
                "asked",
                "right",
                "95 % interval",
                "score",
                "± runs",
                "word F1",
                "choices P / R / F1"
            )?;
        }
        for group in &self.groups {
            let [asked, right, interval, score, deviation, overlap, choices] = cells(group);
            writeln!(
                out,
                "{:<14}{asked:>6}{right:>7}  {interval:<16}{score:>7}{deviation:>8}  {overlap:>7} {choices:>20}",
                group.name
            )?;
        }
        for (name, latency) in self.timed() {
            let Latency { p50_ms, p90_ms, p99_ms, .. } = latency;
            writeln!(out, "{name}: p50 {p50_ms:.0} ms, p90 {p90_ms:.0} ms, p99 {p99_ms:.0} ms")?;
        }
        for text in &self.perplexity {
            writeln!(out, "{text}")?;
        }
        for note in self.remarks() {
            writeln!(out, "{note}")?;
        }
        Ok(())
    }

    /// The page.
    pub fn page(&self) -> String {
        let mut page = Page::new(&format!("Evaluation of {}", self.provider));
        page.paragraph(&self.subject());
        for note in self.remarks() {
            page.paragraph(&note);
        }
        if !self.groups.is_empty() {
            page.heading("Right answers");
            let plotted = |group: &Group| Bar {
                label: group.name.clone(),
                share: group.accuracy,
                interval: group.interval,
            };
            let plotted: Vec<_> = self.groups.iter().map(plotted).collect();
            page.plot(&bars("Right answers with their 95 % intervals", &plotted));
            let head = [
                "",
                "#asked",
                "#right",
                "#95 % interval",
                "#score",
                "#± runs",
                "#word F1",
                "#choices P / R / F1",
            ];
            page.table(
                &head,
                self.groups
                    .iter()
                    .map(|group| std::iter::once(group.name.clone()).chain(cells(group)).collect()),
            );
        }
        self.put_times(&mut page);
        if !self.perplexity.is_empty() {
            page.heading("Perplexity");
            for text in &self.perplexity {
                page.paragraph(&text.to_string());
            }
        }
        self.put_wrong(&mut page);
        page.finish()
    }

    fn put_times(&self, page: &mut Page) {
        let answered = || self.records.iter().filter(|record| record.error.is_none());
        let first: Vec<f64> = answered().filter_map(|record| record.first_token_ms).collect();
        let total: Vec<f64> = answered().map(|record| record.total_ms).collect();
        for (name, latency) in self.timed() {
            page.heading(&format!("Time to {name}"));
            let Latency { p50_ms, p90_ms, p99_ms, mean_ms, .. } = latency;
            page.paragraph(&format!(
                "mean {mean_ms:.0} ms, p50 {p50_ms:.0} ms, p90 {p90_ms:.0} ms, p99 {p99_ms:.0} ms"
            ));
            page.plot(&histogram(name, if name == TOTAL { &total } else { &first }));
        }
    }

    fn put_wrong(&self, page: &mut Page) {
        let wrong: Vec<_> =
            self.records.iter().filter(|record| !record.judgement.correct).collect();
        if wrong.is_empty() {
            return;
        }
        page.heading("Answers that are not right");
        if wrong.len() > SHOWN {
            page.paragraph(&format!("The first {SHOWN} of {}.", wrong.len()));
        }
        let row = |record: &&Record| {
            let said = record.error.as_ref().map(|error| format!("(failed: {error})"));
            vec![
                record.id.clone(),
                record.run.to_string(),
                record.prompt.clone(),
                said.unwrap_or_else(|| record.answer.clone()),
                format!("{:.2}", record.judgement.score),
            ]
        };
        let head = ["question", "#run", "asked", "answered", "#score"];
        page.table(&head, wrong.iter().take(SHOWN).map(row));
    }

    fn subject(&self) -> String {
        let models = self.models.join(", ");
        let models = if models.is_empty() { String::new() } else { format!(", model {models}") };
        format!(
            "Provider {} of kind {}{models}: {} of {} answers",
            self.provider,
            self.kind,
            self.records.len(),
            self.planned
        )
    }

    fn remarks(&self) -> Vec<String> {
        let stopped = self.stopped.iter().map(|why| format!("Stopped before the end: {why}."));
        stopped.chain(self.notes.iter().cloned()).collect()
    }

    fn timed(&self) -> Vec<(&'static str, Latency)> {
        let Latencies { first_token, total } = &self.latencies;
        [(FIRST, *first_token), (TOTAL, *total)]
            .into_iter()
            .filter_map(|(name, latency)| Some((name, latency?)))
            .collect()
    }
}

const FIRST: &str = "first text";
const TOTAL: &str = "whole answer";

/// The figures of a group, as they are shown.
fn cells(group: &Group) -> [String; 7] {
    let percent = |share: f64| format!("{:.1}", share * 100.0);
    let none = || "–".to_owned();
    [
        group.questions.to_string(),
        percent(group.accuracy),
        group
            .interval
            .map_or_else(none, |(low, high)| format!("{}–{}", percent(low), percent(high))),
        format!("{:.3}", group.score),
        group.deviation.map_or_else(none, percent),
        group.overlap.map_or_else(none, |overlap| format!("{:.3}", overlap.f1)),
        group.choices.map_or_else(none, |choices| {
            format!("{:.3} / {:.3} / {:.3}", choices.precision, choices.recall, choices.f1)
        }),
    ]
}
