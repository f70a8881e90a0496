//! What was measured, as tables for people and as JSON for programs.

mod sections;

use std::{fmt::Write, time::Duration};

use serde_json::{Map, Value, json};

use crate::{
    arm::{Name, Roll},
    lane::{Faults, latency::Latency, load::Load},
    machine::{self, Pinning},
    plan::RULES,
    redis::Redis,
    statistics::Samples,
};

/// What was measured of all lanes.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) latency: Option<Latency>,
    /// Arm by arm, with more and more streams.
    pub(crate) paced: Vec<(Name, Load)>,
    pub(crate) goodput: Vec<(Name, Load)>,
    pub(crate) ladder: Vec<(Name, Load)>,
    /// From breaking off to the closed connection, in microseconds.
    pub(crate) cancel: Vec<(Name, Samples)>,
    /// What went wrong under load and in breaking off.
    pub(crate) faults: Faults,
}

/// What a run was made with.
#[derive(Debug)]
pub(crate) struct Setting<'run> {
    pub(crate) roll: &'run Roll,
    pub(crate) pinning: Pinning,
    /// The machine before anything was started.
    pub(crate) before: Value,
    pub(crate) smoke: bool,
    pub(crate) took: Duration,
}

/// A part of the report.
struct Section {
    title: &'static str,
    /// The name of its rows in the JSON.
    key: &'static str,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    notes: Vec<String>,
}

/// A cell of a table, and what stands for it in the JSON.
struct Cell {
    shown: String,
    value: Value,
}

impl Cell {
    fn text(text: impl Into<String>) -> Self {
        let shown = text.into();
        Self { value: Value::from(shown.clone()), shown }
    }

    /// A number with so many decimals; a dash where there is none.
    fn number(value: f64, decimals: usize) -> Self {
        if value.is_finite() {
            Self { shown: format!("{value:.decimals$}"), value: json!(value) }
        } else {
            Self { shown: "–".to_owned(), value: Value::Null }
        }
    }
}

impl Figures {
    /// Everything that fails the run.
    pub(crate) fn grave(&self) -> impl Iterator<Item = &String> {
        let latency = self.latency.iter().flat_map(|latency| &latency.faults.grave);
        latency.chain(&self.faults.grave)
    }

    /// The report for people, and for programs.
    pub(crate) fn report(&self, setting: &Setting<'_>) -> (String, Value) {
        let sections: Vec<_> =
            self.sections().into_iter().filter(|section| !section.rows.is_empty()).collect();
        let heading = setting.heading();
        let mut text = String::new();
        for line in &heading {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{line}");
        }
        for section in &sections {
            let _ = writeln!(text, "\n{}\n\n{}", section.title, section.table());
            for note in &section.notes {
                let _ = writeln!(text, "{note}");
            }
        }
        let faults: Vec<_> = self.grave().take(10).cloned().collect();
        let _ = match self.grave().count() {
            0 => writeln!(text, "\nEvery text was exact, every token once and in order."),
            count => writeln!(text, "\nFAILED, {count} times, such as:\n{}", faults.join("\n")),
        };
        let mut json = setting.json();
        json.insert("exact".to_owned(), json!(faults.is_empty()));
        json.insert("faults".to_owned(), json!(faults));
        for section in &sections {
            json.insert(section.key.to_owned(), section.json());
        }
        (text, Value::Object(json))
    }
}

impl Setting<'_> {
    fn heading(&self) -> Vec<String> {
        let machine = &self.before;
        let after = machine::describe();
        let mut lines = vec![
            format!(
                "{} processors of {}, Linux {}; load {} before and {} after {} s",
                machine["processors"],
                machine["processor"].as_str().unwrap_or_default(),
                machine["kernel"].as_str().unwrap_or_default(),
                machine["load"].as_str().unwrap_or_default(),
                after["load"].as_str().unwrap_or_default(),
                self.took.as_secs(),
            ),
            format!("{}.", self.pinning.describe()),
        ];
        if self.smoke {
            lines.push("A trial run: few repetitions, figures without meaning.".to_owned());
        }
        lines.push(format!("Redis {}", Redis::version().unwrap_or_else(|| "missing".to_owned())));
        lines.extend(self.roll.arms.iter().map(|arm| format!("{}: {}", arm.name, arm.made_of)));
        lines.extend(self.roll.absent.iter().map(|absent| format!("left out: {absent}")));
        lines.push("Rules:".to_owned());
        lines.extend(RULES.iter().map(|rule| format!("- {rule}")));
        lines
    }

    fn json(&self) -> Map<String, Value> {
        let arms = self.roll.arms.iter().map(|arm| (arm.name.to_string(), json!(arm.made_of)));
        let mut json = Map::new();
        json.insert("machine_before".to_owned(), self.before.clone());
        json.insert("machine_after".to_owned(), machine::describe());
        json.insert("pinning".to_owned(), json!(self.pinning.describe()));
        json.insert("smoke".to_owned(), json!(self.smoke));
        json.insert("redis".to_owned(), json!(Redis::version()));
        json.insert("seconds".to_owned(), json!(self.took.as_secs()));
        json.insert("arms".to_owned(), Value::Object(arms.collect()));
        json.insert("left_out".to_owned(), json!(self.roll.absent));
        json.insert("rules".to_owned(), json!(RULES));
        json
    }
}

impl Section {
    /// The rows as a Markdown table.
    fn table(&self) -> String {
        let head = self.columns.iter().map(|column| (*column).to_owned()).collect::<Vec<_>>();
        let shown = |row: &Vec<Cell>| row.iter().map(|cell| cell.shown.clone()).collect();
        let lines: Vec<Vec<String>> =
            std::iter::once(head).chain(self.rows.iter().map(shown)).collect();
        let width = |column: usize| {
            lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max()
        };
        let mut text = String::new();
        for (number, line) in lines.iter().enumerate() {
            for (column, cell) in line.iter().enumerate() {
                let width = width(column).unwrap_or_default();
                let _ = write!(text, "| {cell:width$} ");
            }
            text.push_str("|\n");
            if number == 0 {
                let rules: Vec<_> = (0..line.len())
                    .map(|column| "-".repeat(width(column).unwrap_or_default() + 2))
                    .collect();
                let _ = writeln!(text, "|{}|", rules.join("|"));
            }
        }
        text
    }

    fn json(&self) -> Value {
        let row = |row: &Vec<Cell>| {
            let fields = self.columns.iter().zip(row);
            fields.map(|(column, cell)| ((*column).to_owned(), cell.value.clone())).collect()
        };
        let rows: Vec<Map<String, Value>> = self.rows.iter().map(row).collect();
        json!({ "rows": rows, "notes": self.notes })
    }
}
