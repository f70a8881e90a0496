//! `anima eval check`: measures the hallucination check on sets of answers with labels.

mod fingerprint;
mod harm;
mod items;
mod keywords;
pub mod metrics;
pub mod replay;
pub mod report;
pub mod rows;
mod scoring;
mod training;

use std::{
    collections::BTreeMap,
    fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anima_check::{Lexical, Weights};
use anyhow::Context;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::{signal::ctrl_c, task::spawn_blocking};

use self::{
    fingerprint::fingerprints,
    items::{Item, form_of, items, statement},
    keywords::keywords,
    replay::Recording,
    report::Report,
    rows::Row,
    scoring::Scoring,
    training::{TRAINING_SETS, train},
};

/// A layer of the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Layer {
    /// Triage: what states nothing is passed.
    L0,
    /// The comparison of words.
    L1,
}

/// Arguments of `anima eval check`.
#[derive(Debug, Args, Clone)]
pub struct Check {
    /// Folder of sets: `NAME.jsonl`, one row a line.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The layers to measure; without `l0`, sentences that state nothing are scored like others.
    #[arg(long, value_delimiter = ',', default_value = "l1")]
    layers: Vec<Layer>,
    /// Verdicts of a judge, one `{"id", "score"}` a line: what asking it would add.
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// Train the weights on `begin_wow`, `cmrc_zh` and `halueval_qa`, and write them to --weights first.
    #[arg(long)]
    train: bool,
    /// A file of weights in place of those that ship.
    #[arg(long, value_name = "FILE", required_if_eq("train", "true"))]
    weights: Option<PathBuf>,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Measures, and writes the report. Ctrl-C keeps what is done; a second one ends at once.
    ///
    /// # Errors
    /// When data or weights cannot be read, or nobody reads the report.
    pub async fn run(self) -> anyhow::Result<()> {
        let options = self;
        let stop = Arc::new(AtomicBool::new(false));
        let mut work = {
            let (options, stop) = (options.clone(), Arc::clone(&stop));
            spawn_blocking(move || check(&options, &stop))
        };
        let report = loop {
            tokio::select! {
                report = &mut work => break report??,
                _ = ctrl_c() => {
                    // The thread that measures cannot be ended; leaving `main` ends it.
                    if stop.swap(true, Ordering::Relaxed) {
                        let _ = writeln!(io::stderr(), "anima: stopped at once");
                        std::process::exit(130);
                    }
                }
            }
        };
        let mut out = io::stdout().lock();
        if options.json {
            serde_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
        } else {
            report.write(&mut out)?;
        }
        Ok(())
    }
}

/// A set, read and measured.
struct Set {
    rows: Vec<Row>,
    items: Vec<Item>,
    costs: Vec<Duration>,
}

/// Measures all sets of a folder, until `stop`.
///
/// # Errors
/// When data or weights cannot be read.
pub fn check(options: &Check, stop: &AtomicBool) -> anyhow::Result<Report> {
    let files = rows::files(&options.data)?;
    let recording = options.replay.as_deref().map(Recording::read).transpose()?;
    // Weights of an older version do not fit features that have changed since.
    let shipped = if options.train { Lexical::untrained() } else { Lexical::shipped()? };
    let (mut sets, mut interrupted) = (BTreeMap::new(), false);
    for file in &files {
        let name = rows::name(file);
        if let Some(set) = measured(file, &name, &shipped, stop)? {
            sets.insert(name, set)
        } else {
            interrupted = true;
            break;
        };
    }
    let training: BTreeMap<String, Vec<Item>> = TRAINING_SETS
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), sets.get(name)?.items.clone())))
        .collect();
    if options.train && !interrupted {
        let file = options.weights.as_deref().context("--train needs --weights FILE")?;
        write_weights(file, &sets, &training)?;
    }
    let lexical = match options.weights.as_deref() {
        Some(file) => read_weights(file)?,
        None => shipped,
    };
    let scoring =
        Scoring { lexical, with_triage: options.layers.contains(&Layer::L0), training, recording };
    let bar = progress("scoring", sets.len());
    let mut reports = Vec::new();
    for (name, set) in sets {
        bar.set_message(format!("scoring {name}"));
        reports.push(scoring.report(&name, set));
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(Report { sets: reports, interrupted })
}

fn read_weights(file: &Path) -> anyhow::Result<Lexical> {
    let json =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let weights = Weights::parse(&json).and_then(|weights| Lexical::with(&weights));
    weights.with_context(|| format!("cannot use the weights in {}", file.display()))
}

fn write_weights(
    file: &Path,
    sets: &BTreeMap<String, Set>,
    training: &BTreeMap<String, Vec<Item>>,
) -> anyhow::Result<()> {
    if let Some(missing) = TRAINING_SETS.into_iter().find(|name| !training.contains_key(*name)) {
        anyhow::bail!("cannot train: the data has no {missing}.jsonl");
    }
    let rows_of = |name: &str| sets.get(name).map_or(&[][..], |set| set.rows.as_slice());
    let statements: Vec<Item> =
        TRAINING_SETS.into_iter().flat_map(|name| rows_of(name).iter().map(statement)).collect();
    let mut weights = train(training, &statements, &keywords(rows_of("cmrc_zh")));
    let rows = TRAINING_SETS.into_iter().flat_map(rows_of);
    weights.seen = fingerprints(rows).into_iter().collect();
    let json = serde_json::to_string_pretty(&weights)? + "\n";
    fs::write(file, json).with_context(|| format!("cannot write {}", file.display()))
}

/// Reads and measures a set; `None` when it was stopped.
fn measured(
    file: &Path,
    name: &str,
    lexical: &Lexical,
    stop: &AtomicBool,
) -> anyhow::Result<Option<Set>> {
    let rows = rows::read(file)?;
    let bar = progress(name, rows.len());
    let form = form_of(&rows);
    let mut set = Set { items: Vec::new(), costs: Vec::new(), rows };
    for row in set.rows.iter().filter(|row| !row.evidence.is_empty()) {
        if stop.load(Ordering::Relaxed) {
            bar.finish_and_clear();
            return Ok(None);
        }
        set.items.extend(items(form, row, lexical, &mut set.costs));
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(Some(set))
}

fn progress(what: &str, all: usize) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(all as u64), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &str = "\
{\"id\":\"a\",\"question\":\"When did it open?\",\"evidence\":\"The museum opened in 1987.\",\"answer\":\"It opened in 1987.\",\"label\":0,\"group\":\"g\"}
{\"id\":\"b\",\"question\":\"When did it open?\",\"evidence\":\"The museum opened in 1987.\",\"answer\":\"Astronauts built it with gold in 1731.\",\"label\":1,\"group\":\"h\"}
";

    fn options(data: &Path) -> Check {
        Check {
            data: data.to_owned(),
            layers: vec![Layer::L1],
            replay: None,
            train: false,
            weights: None,
            json: true,
        }
    }

    #[test]
    fn a_set_is_named_after_its_file_and_measured_beside_its_baselines() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("museum.jsonl"), SET).unwrap();
        let no_evidence = "{\"id\":\"c\",\"answer\":\"x\",\"label\":1}\n";
        fs::write(folder.path().join("none.jsonl"), no_evidence).unwrap();
        let report = check(&options(folder.path()), &AtomicBool::new(false)).unwrap();
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["sets"][0]["name"], "museum");
        assert_eq!(json["sets"][0]["n"], 2);
        assert_eq!(json["sets"][0]["auroc"], 1.0);
        assert_eq!(json["sets"][0]["scored_by"], "as_they_are");
        for key in ["f1", "balanced_accuracy", "baselines", "cost_us", "escalation"] {
            assert!(!json["sets"][0][key].is_null(), "{key}");
        }
        assert_eq!(json["sets"][1]["scored_by"], "not_scored");
        assert_eq!(json["interrupted"], false);
    }

    #[test]
    fn a_stopped_measurement_says_so_and_keeps_whole_sets_only() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("museum.jsonl"), SET).unwrap();
        let report = check(&options(folder.path()), &AtomicBool::new(true)).unwrap();
        assert!(report.interrupted && report.sets.is_empty());
    }

    #[test]
    fn training_without_its_sets_names_the_missing_one() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("begin_wow.jsonl"), SET).unwrap();
        let weights = folder.path().join("weights.json");
        let options = Check { train: true, weights: Some(weights), ..options(folder.path()) };
        let error = check(&options, &AtomicBool::new(false)).unwrap_err();
        assert_eq!(error.to_string(), "cannot train: the data has no cmrc_zh.jsonl");
    }
}
