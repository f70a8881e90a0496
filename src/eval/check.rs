//! `anima eval check`: measures the hallucination check on sets of answers with labels.

mod fingerprint;
mod harm;
mod items;
mod keywords;
pub mod metrics;
pub mod replay;
pub mod report;
pub mod rows;
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

use anima_check::{Evidence, Form, Lexical, Passage, Sentence, Weights, sentences};
use anyhow::Context;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::{signal::ctrl_c, task::spawn_blocking};

use self::{
    fingerprint::{fingerprints, has_seen},
    harm::Harm,
    items::{Item, form_of, items, statement},
    keywords::keywords,
    replay::Recording,
    report::{Cost, Report, Scorer, SetReport, measure_sentences, measure_set, measures},
    rows::Row,
    training::{TRAINING_SETS, by_form, cross_validate, train},
};

/// Sentences that are timed with 8 KiB of evidence, for each set.
const TIMED: usize = 300;
const EIGHT_KIB: usize = 8 * 1024;
/// Fewer items than this are not trained on.
const MIN_REFIT: usize = 100;

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

/// What sets are scored with.
struct Scoring {
    lexical: Lexical,
    with_triage: bool,
    training: BTreeMap<String, Vec<Item>>,
    recording: Option<Recording>,
}

impl Scoring {
    fn report(&self, name: &str, set: Set) -> SetReport {
        if set.items.is_empty() {
            return SetReport { n: set.rows.len(), ..measure_set(name, Scorer::NotScored, &[]) };
        }
        let by = match has_seen(self.lexical.seen(), &set.rows) {
            true if self.training.contains_key(name) => Scorer::CrossValidated,
            true => Scorer::Trained,
            false => Scorer::AsTheyAre,
        };
        let scored = match by {
            Scorer::CrossValidated => self.unseen(name),
            _ => self.as_they_are(&set.items),
        };
        let mut report = measure_set(name, by, &scored);
        if by == Scorer::AsTheyAre {
            report.refitted = refitted(&set.items, self.with_triage);
            let sentences = self.sentences(&set.items);
            report.sentences = measure_sentences(&sentences);
        }
        if let Some(recording) = &self.recording {
            let ids = scored.iter().map(|(_, _, item)| item.id.clone());
            let rows: Vec<_> = ids.zip(report::rows(&scored)).collect();
            report.cascade = recording.cascades(&rows);
        }
        report.harm = Harm::of(&self.lexical, form_of(&set.rows), &set.rows);
        report.cost_8k_us = Cost::of(times_with_8k(&self.lexical, &set.rows));
        report.cost_us = Cost::of(set.costs);
        report
    }

    fn as_they_are<'a>(&self, items: &'a [Item]) -> Vec<(f64, f64, &'a Item)> {
        let score = |item: &Item| {
            item.score(self.with_triage, |features| self.lexical.score(item.form, features))
        };
        items.iter().map(|item| (score(item), self.lexical.threshold(item.form), item)).collect()
    }

    /// The items of a training set, each scored by weights that have not seen its group.
    fn unseen(&self, name: &str) -> Vec<(f64, f64, &Item)> {
        let items = self.training.get(name).map_or(&[][..], Vec::as_slice);
        forms(items)
            .into_iter()
            .flat_map(|form| {
                let these: Vec<&Item> = items.iter().filter(|item| item.form == form).collect();
                cross_validate(&by_form(&self.training, form), &these, self.with_triage)
            })
            .map(|(score, item)| (score, self.lexical.threshold(item.form), item))
            .collect()
    }

    /// Sentences with their labels; those that state nothing are passed, as a service passes them.
    fn sentences(&self, items: &[Item]) -> Vec<(f64, bool, bool)> {
        let of = |item: &Item| -> Vec<(f64, bool, bool)> {
            let score = |part: &items::Part| {
                if part.idle { 0.0 } else { self.lexical.score(item.form, &part.features) }
            };
            item.parts.iter().map(|part| (score(part), part.bad, part.conflict)).collect()
        };
        let answers = items.iter().filter(|item| item.form != Form::Keyword);
        answers.flat_map(of).collect()
    }
}

fn forms(items: &[Item]) -> Vec<Form> {
    let mut forms: Vec<Form> = items.iter().map(|item| item.form).collect();
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// What weights of the set's own could reach.
fn refitted(items: &[Item], with_triage: bool) -> Option<report::Measures> {
    if items.len() < MIN_REFIT {
        return None;
    }
    let mut scored = Vec::new();
    for form in forms(items) {
        let of_form: Vec<&Item> = items.iter().filter(|item| item.form == form).collect();
        let unseen = cross_validate(std::slice::from_ref(&of_form), &of_form, with_triage);
        scored.extend(unseen.into_iter().map(|(score, item)| (score, 0.5, item)));
    }
    Some(measures(&scored))
}

/// Times sentences with the evidence of several rows at once.
fn times_with_8k(lexical: &Lexical, rows: &[Row]) -> Vec<Duration> {
    let mut times = Vec::new();
    for from in (0..rows.len()).step_by(rows.len() / 20 + 1) {
        let mut passages = Vec::new();
        let mut size = 0;
        for row in rows.iter().cycle().skip(from).take(rows.len()) {
            if size + row.evidence.len() <= EIGHT_KIB {
                size += row.evidence.len();
                passages.push(Passage { source_id: row.id.clone(), text: row.evidence.clone() });
            }
        }
        let evidence = Evidence::index(passages);
        for row in rows.iter().skip(from).take(TIMED / 20) {
            for range in sentences(&row.answer) {
                let sentence = Sentence::spoken(&row.answer[range], &row.question);
                times.push(items::time(lexical, &sentence, &evidence));
            }
        }
    }
    times
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
