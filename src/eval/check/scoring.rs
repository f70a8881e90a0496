//! Scores sets: by weights that have not seen them, and what that costs.

use std::{collections::BTreeMap, time::Duration};

use anima_check::{Evidence, Form, Lexical, Passage, Sentence, sentences};

use super::{
    Set,
    fingerprint::has_seen,
    harm::Harm,
    items::{self, Item, form_of},
    replay::Recording,
    report::{self, Cost, Scorer, SetReport, measure_sentences, measure_set, measures},
    rows::Row,
    training::{by_form, cross_validate},
};

/// Sentences that are timed with 8 KiB of evidence, for each set.
const TIMED: usize = 300;
const EIGHT_KIB: usize = 8 * 1024;
/// Fewer items than this are not trained on.
const MIN_REFIT: usize = 100;

/// What sets are scored with.
pub(super) struct Scoring {
    pub(super) lexical: Lexical,
    pub(super) with_triage: bool,
    pub(super) training: BTreeMap<String, Vec<Item>>,
    pub(super) recording: Option<Recording>,
}

impl Scoring {
    /// What is told of a set.
    pub(super) fn report(&self, name: &str, set: Set) -> SetReport {
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
