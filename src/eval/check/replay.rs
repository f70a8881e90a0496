//! Verdicts of a judge that were recorded, so that asking it can be tried without it.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    metrics::{Confusion, Scored, auroc},
    rows::DataError,
};

/// One recorded verdict; a line of the file.
#[derive(Debug, Clone, Deserialize)]
struct Recorded {
    /// The row.
    id: String,
    /// How unsupported the judge finds it: 0 to 1.
    score: f64,
}

/// Recorded verdicts by row.
#[derive(Debug, Default)]
pub(super) struct Recording(BTreeMap<String, f64>);

/// What asking the judge about a share of the answers comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cascade {
    /// The share of answers that the judge is asked about: those it is least clear about.
    pub share: f64,
    /// Area under the curve.
    pub auroc: Option<f64>,
    /// F1 at the frozen threshold; the judge's own is one half.
    pub f1: f64,
    /// Balanced accuracy there.
    pub balanced_accuracy: f64,
}

impl Recording {
    /// Reads a file of recorded verdicts.
    pub(super) fn read(file: &Path) -> Result<Self, DataError> {
        let text = fs::read_to_string(file)
            .map_err(|source| DataError::Unreadable { path: file.to_owned(), source })?;
        let mut verdicts = BTreeMap::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let malformed =
                |source| DataError::Malformed { path: file.to_owned(), line: at + 1, source };
            let recorded: Recorded = serde_json::from_str(line).map_err(malformed)?;
            verdicts.insert(recorded.id, recorded.score);
        }
        Ok(Self(verdicts))
    }

    /// Asks the judge about the rows nearest to the threshold, and takes its word for them.
    pub(super) fn cascades(&self, rows: &[(String, Scored)]) -> Vec<Cascade> {
        let known: Vec<_> =
            rows.iter().filter_map(|(id, row)| Some((row, *self.0.get(id)?))).collect();
        if known.is_empty() {
            return Vec::new();
        }
        let mut order: Vec<usize> = (0..known.len()).collect();
        let doubt = |at: &usize| (known[*at].0.score - known[*at].0.threshold).abs();
        order.sort_by(|one, other| doubt(one).total_cmp(&doubt(other)));
        [0.0, 0.1, 0.2, 0.3, 0.5, 1.0].map(|share| cascade(&known, &order, share)).to_vec()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of rows")]
fn cascade(known: &[(&Scored, f64)], order: &[usize], share: f64) -> Cascade {
    let asked = (known.len() as f64 * share).round() as usize;
    let mut rows: Vec<Scored> = known
        .iter()
        .map(|(row, _)| Scored {
            score: against(row.score, row.threshold),
            threshold: 0.5,
            ..(*row).clone()
        })
        .collect();
    for at in &order[..asked] {
        rows[*at].score = known[*at].1;
    }
    let pairs: Vec<_> = rows.iter().map(|row| (row.score, row.label)).collect();
    let counts = Confusion::of(&rows);
    Cascade {
        share,
        auroc: auroc(&pairs),
        f1: counts.f1(),
        balanced_accuracy: counts.balanced_accuracy(),
    }
}

/// A score on the judge's scale, where one half decides.
fn against(score: f64, threshold: f64) -> f64 {
    if score >= threshold {
        0.5 + 0.5 * (score - threshold) / (1.0 - threshold).max(1e-9)
    } else {
        0.5 * score / threshold.max(1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_judge_decides_what_is_least_clear() {
        let row = |id: &str, score, label| {
            (id.to_owned(), Scored { score, threshold: 0.5, label, group: id.to_owned() })
        };
        // The lexical check is wrong about b and c, which it is not sure of.
        let rows = [
            row("a", 0.9, true),
            row("b", 0.45, true),
            row("c", 0.55, false),
            row("d", 0.1, false),
        ];
        let recording = Recording(
            [("a", 1.0), ("b", 1.0), ("c", 0.0), ("d", 0.0)]
                .map(|(id, s)| (id.to_owned(), s))
                .into(),
        );
        let cascades = recording.cascades(&rows);
        assert!((cascades[0].f1 - 0.5).abs() < 1e-12, "without the judge");
        let half = cascades.iter().find(|cascade| cascade.share > 0.4).unwrap();
        assert!((half.f1 - 1.0).abs() < 1e-12, "with the judge for half");
        assert!(Recording::default().cascades(&rows).is_empty());
    }
}
