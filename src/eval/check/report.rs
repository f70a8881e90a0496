//! What is said of a set.

mod table;

use std::time::Duration;

use serde::Serialize;

use super::{
    harm::Harm,
    items::Item,
    metrics::{
        Confusion, Scored, auroc, average_precision, best_threshold, calibration_error,
        caught_among_top, interval,
    },
    replay::Cascade,
};

/// Everything that was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The sets, in the order of their names.
    pub sets: Vec<SetReport>,
    /// It was stopped before all sets were done.
    pub interrupted: bool,
}

/// Which weights scored a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scorer {
    /// The set is one that the weights were trained on: weights of the other nine tenths scored it.
    CrossValidated,
    /// The weights as they are; they have not seen the set.
    AsTheyAre,
    /// The weights as they are, which have seen the set under another name: better than they are.
    Trained,
    /// Nothing: there is no evidence that it could be held against.
    NotScored,
}

/// The measures of one set.
#[derive(Debug, Clone, Serialize)]
pub struct SetReport {
    /// The name of its file.
    pub name: String,
    /// Rows, or keywords.
    pub n: usize,
    /// Those that are unsupported.
    pub unsupported: usize,
    /// By what it was scored.
    pub scored_by: Scorer,
    /// Area under the curve.
    pub auroc: Option<f64>,
    /// Its interval of 95 %, by groups.
    pub auroc_interval: Option<(f64, f64)>,
    /// Area under precision over recall.
    pub average_precision: f64,
    /// F1 at the frozen threshold.
    pub f1: f64,
    /// Its interval of 95 %, by groups.
    pub f1_interval: Option<(f64, f64)>,
    /// Precision there.
    pub precision: f64,
    /// Recall there.
    pub recall: f64,
    /// Balanced accuracy there.
    pub balanced_accuracy: f64,
    /// Accuracy there.
    pub accuracy: f64,
    /// Expected calibration error.
    pub calibration_error: f64,
    /// What is caught when the highest 10, 20, 30 and 40 % go to a judge.
    pub escalation: Vec<Escalation>,
    /// Sentences, where the set says which of them are hallucinated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentences: Option<SentenceReport>,
    /// What the bounds that ship would do to sentences of faithful answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub harm: Option<Harm>,
    /// What a set tells apart by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartReport>,
    /// The same features, trained on this very set and cross-validated by group: what other weights
    /// could reach. Not for sets that are cross-validated anyway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refitted: Option<Measures>,
    /// What needs no model.
    pub baselines: Baselines,
    /// What a judge adds, from recorded verdicts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cascade: Vec<Cascade>,
    /// Microseconds for a sentence.
    pub cost_us: Option<Cost>,
    /// The same with 8 KiB of evidence.
    pub cost_8k_us: Option<Cost>,
}

/// A point of the escalation curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Escalation {
    /// The share that goes to a judge.
    pub share: f64,
    /// The share of what is unsupported among it.
    pub caught: f64,
}

/// Measures of sentences.
#[derive(Debug, Clone, Serialize)]
pub struct SentenceReport {
    /// Sentences.
    pub n: usize,
    /// Area under the curve.
    pub auroc: Option<f64>,
    /// What is caught when the highest 30 % go to a judge.
    pub caught_at_30: f64,
    /// Sentences that the evidence plainly contradicts.
    pub conflicts: usize,
    /// The share of them found where a tenth of the good sentences is blamed.
    pub conflicts_found: f64,
}

/// The two measures that sets are compared by.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measures {
    /// Area under the curve.
    pub auroc: Option<f64>,
    /// Balanced accuracy at the threshold.
    pub balanced_accuracy: f64,
}

/// A part of a set: rows of one kind that are unsupported, and all that are supported.
#[derive(Debug, Clone, Serialize)]
pub struct PartReport {
    /// The kind.
    pub kind: String,
    /// Rows.
    pub n: usize,
    /// Its measures.
    #[serde(flatten)]
    pub measures: Measures,
}

/// What needs no model.
#[derive(Debug, Clone, Serialize)]
pub struct Baselines {
    /// The longer, the less supported.
    pub length: Measures,
    /// What does not stand in the evidence word for word is unsupported.
    pub verbatim: Measures,
}

/// Percentiles in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// Half take no longer.
    pub p50: f64,
    /// 95 % take no longer.
    pub p95: f64,
    /// 99 % take no longer.
    pub p99: f64,
}

impl Cost {
    /// The percentiles of some times; `None` without any.
    pub(super) fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort();
        let at = |percent: usize| {
            let time = times.get((times.len() * percent / 100).min(times.len().checked_sub(1)?))?;
            Some((time.as_secs_f64() * 1e7).round() / 10.0)
        };
        Some(Self { p50: at(50)?, p95: at(95)?, p99: at(99)? })
    }
}

/// Items with their scores and thresholds.
pub(super) type ScoredItems<'a> = [(f64, f64, &'a Item)];

pub(super) fn rows(items: &ScoredItems<'_>) -> Vec<Scored> {
    let row = |(score, threshold, item): &(f64, f64, &Item)| Scored {
        score: *score,
        threshold: *threshold,
        label: item.label,
        group: item.group.clone(),
    };
    items.iter().map(row).collect()
}

fn pairs(rows: &[Scored]) -> Vec<(f64, bool)> {
    rows.iter().map(|row| (row.score, row.label)).collect()
}

/// Measures of items.
pub(super) fn measures(items: &ScoredItems<'_>) -> Measures {
    let rows = rows(items);
    let balanced_accuracy = Confusion::of(&rows).balanced_accuracy();
    Measures { auroc: auroc(&pairs(&rows)), balanced_accuracy }
}

/// Measures a set. What cannot be seen from the scores is for the caller to fill in.
pub(super) fn measure_set(name: &str, scored_by: Scorer, items: &ScoredItems<'_>) -> SetReport {
    let rows = rows(items);
    let pairs = pairs(&rows);
    let counts = Confusion::of(&rows);
    let by_auroc = |drawn: &[&Scored]| {
        auroc(&drawn.iter().map(|row| (row.score, row.label)).collect::<Vec<_>>())
    };
    let by_f1 = |drawn: &[&Scored]| Some(Confusion::of(drawn.iter().copied()).f1());
    SetReport {
        name: name.to_owned(),
        n: rows.len(),
        unsupported: rows.iter().filter(|row| row.label).count(),
        scored_by,
        auroc: auroc(&pairs),
        auroc_interval: interval(&rows, by_auroc),
        average_precision: average_precision(&pairs),
        f1: counts.f1(),
        f1_interval: interval(&rows, by_f1),
        precision: counts.precision(),
        recall: counts.recall(),
        balanced_accuracy: counts.balanced_accuracy(),
        accuracy: counts.accuracy(),
        calibration_error: calibration_error(&pairs),
        escalation: [0.1, 0.2, 0.3, 0.4]
            .map(|share| Escalation { share, caught: caught_among_top(&pairs, share) })
            .to_vec(),
        sentences: None,
        harm: None,
        parts: parts(items),
        refitted: None,
        baselines: baselines(items),
        cascade: Vec::new(),
        cost_us: None,
        cost_8k_us: None,
    }
}

fn parts(items: &ScoredItems<'_>) -> Vec<PartReport> {
    let mut kinds: Vec<&str> = items
        .iter()
        .filter(|(_, _, item)| item.label)
        .filter_map(|(_, _, item)| item.kind.as_deref())
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
        .into_iter()
        .map(|kind| {
            let of_kind = |(_, _, item): &&(f64, f64, &Item)| {
                !item.label || item.kind.as_deref() == Some(kind)
            };
            let these: Vec<_> = items.iter().filter(of_kind).copied().collect();
            PartReport { kind: kind.to_owned(), n: these.len(), measures: measures(&these) }
        })
        .collect()
}

fn baselines(items: &ScoredItems<'_>) -> Baselines {
    let by = |threshold: f64, score: &dyn Fn(&Item) -> f64| -> Vec<(f64, f64, &Item)> {
        items.iter().map(|(_, _, item)| (score(item), threshold, *item)).collect()
    };
    let length = |item: &Item| item.length;
    // The best that a limit on the length could do.
    let limit = best_threshold(&rows(&by(0.0, &length)));
    let verbatim = by(0.5, &|item| f64::from(u8::from(item.not_verbatim)));
    Baselines { length: measures(&by(limit, &length)), verbatim: measures(&verbatim) }
}

/// Measures sentences; `None` where the set says nothing of them.
pub(super) fn measure_sentences(scored: &[(f64, bool, bool)]) -> Option<SentenceReport> {
    let bad = scored.iter().filter(|(_, bad, _)| *bad).count();
    if bad == 0 || bad == scored.len() {
        return None;
    }
    let pairs: Vec<_> = scored.iter().map(|(score, bad, _)| (*score, *bad)).collect();
    let mut good: Vec<f64> =
        pairs.iter().filter(|(_, bad)| !bad).map(|(score, _)| *score).collect();
    good.sort_by(f64::total_cmp);
    let limit = good.get(good.len() * 9 / 10).copied().unwrap_or(f64::INFINITY);
    let conflicts: Vec<f64> =
        scored.iter().filter(|(_, _, conflict)| *conflict).map(|(score, _, _)| *score).collect();
    let found = conflicts.iter().filter(|score| **score > limit).count();
    #[expect(clippy::cast_precision_loss, reason = "counts of sentences")]
    let conflicts_found = found as f64 / conflicts.len().max(1) as f64;
    Some(SentenceReport {
        n: pairs.len(),
        auroc: auroc(&pairs),
        caught_at_30: caught_among_top(&pairs, 0.3),
        conflicts: conflicts.len(),
        conflicts_found,
    })
}
