//! The measures, and how sure they are.

use std::collections::BTreeMap;

use crate::eval::random::Random;

/// One scored answer (or keyword).
#[derive(Debug, Clone)]
pub struct Scored {
    /// How unsupported it is: 0 to 1.
    pub score: f64,
    /// From this score on it is taken to be.
    pub threshold: f64,
    /// Whether it is.
    pub label: bool,
    /// The document that it is about.
    pub group: String,
}

/// Counts at a threshold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Confusion {
    /// Unsupported, and found.
    pub hits: usize,
    /// Supported, and blamed.
    pub false_alarms: usize,
    /// Unsupported, and missed.
    pub misses: usize,
    /// Supported, and passed.
    pub passes: usize,
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
fn ratio(part: usize, all: usize) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}

impl Confusion {
    /// Counts what is at or above its own threshold as found.
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a Scored>) -> Self {
        Self::count(rows.into_iter().map(|row| (row.label, row.score >= row.threshold)))
    }

    /// Counts what is at or above one threshold as found.
    pub fn at<'a>(rows: impl IntoIterator<Item = &'a Scored>, threshold: f64) -> Self {
        Self::count(rows.into_iter().map(|row| (row.label, row.score >= threshold)))
    }

    fn count(rows: impl Iterator<Item = (bool, bool)>) -> Self {
        let mut counts = Self::default();
        for row in rows {
            let slot = match row {
                (true, true) => &mut counts.hits,
                (false, true) => &mut counts.false_alarms,
                (true, false) => &mut counts.misses,
                (false, false) => &mut counts.passes,
            };
            *slot += 1;
        }
        counts
    }

    /// Share of what was found that is unsupported.
    pub fn precision(self) -> f64 {
        ratio(self.hits, self.hits + self.false_alarms)
    }

    /// Share of what is unsupported that was found.
    pub fn recall(self) -> f64 {
        ratio(self.hits, self.hits + self.misses)
    }

    /// The harmonic mean of both.
    pub fn f1(self) -> f64 {
        ratio(2 * self.hits, 2 * self.hits + self.false_alarms + self.misses)
    }

    /// The mean of the recalls of both labels.
    pub fn balanced_accuracy(self) -> f64 {
        f64::midpoint(self.recall(), ratio(self.passes, self.passes + self.false_alarms))
    }

    /// Share that was judged right.
    pub fn accuracy(self) -> f64 {
        let right = self.hits + self.passes;
        ratio(right, right + self.misses + self.false_alarms)
    }
}

/// The probability that an unsupported row is scored above a supported one; ties count half.
/// `None` when there is only one label.
#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
pub fn auroc(rows: &[(f64, bool)]) -> Option<f64> {
    let mut sorted = rows.to_vec();
    sorted.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (mut ranks, mut before) = (0.0, 0_usize);
    for tied in sorted.chunk_by(|one, other| one.0.total_cmp(&other.0).is_eq()) {
        let rank = before as f64 + f64::midpoint(tied.len() as f64, 1.0);
        ranks += rank * tied.iter().filter(|(_, label)| *label).count() as f64;
        before += tied.len();
    }
    let positive = rows.iter().filter(|(_, label)| *label).count();
    let negative = rows.len() - positive;
    let p = positive as f64;
    (positive > 0 && negative > 0).then(|| (ranks - p * (p + 1.0) / 2.0) / (p * negative as f64))
}

/// The area under the curve of precision over recall, by steps.
#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
pub fn average_precision(rows: &[(f64, bool)]) -> f64 {
    let mut sorted = rows.to_vec();
    sorted.sort_by(|one, other| other.0.total_cmp(&one.0));
    let positive = rows.iter().filter(|(_, label)| *label).count();
    let (mut seen, mut hits, mut area) = (0, 0, 0.0);
    for tied in sorted.chunk_by(|one, other| one.0.total_cmp(&other.0).is_eq()) {
        let here = tied.iter().filter(|(_, label)| *label).count();
        (seen, hits) = (seen + tied.len(), hits + here);
        area += ratio(here, positive) * hits as f64 / seen as f64;
    }
    area
}

/// The expected distance of scores from the truth, in ten bins of equal width.
#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "scores are 0 to 1")]
pub fn calibration_error(rows: &[(f64, bool)]) -> f64 {
    let mut bins = [(0.0, 0_usize, 0_usize); 10];
    for (score, label) in rows {
        let bin = &mut bins[((score * 10.0) as usize).min(9)];
        *bin = (bin.0 + score, bin.1 + usize::from(*label), bin.2 + 1);
    }
    let off: f64 = bins.iter().map(|(sum, hits, _)| (sum - *hits as f64).abs()).sum();
    off / rows.len().max(1) as f64
}

/// Share of the unsupported rows among the `share` that is scored highest.
#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of rows")]
pub fn caught_among_top(rows: &[(f64, bool)], share: f64) -> f64 {
    let mut sorted = rows.to_vec();
    sorted.sort_by(|one, other| other.0.total_cmp(&one.0));
    let top = (rows.len() as f64 * share).round() as usize;
    let hits = |rows: &[(f64, bool)]| rows.iter().filter(|(_, label)| *label).count();
    ratio(hits(&sorted[..top.min(sorted.len())]), hits(&sorted))
}

/// The threshold at which both kinds of mistakes weigh least (the best balanced accuracy).
pub fn best_threshold(rows: &[Scored]) -> f64 {
    let mut scores: Vec<f64> = rows.iter().map(|row| row.score).collect();
    scores.sort_by(f64::total_cmp);
    scores.dedup();
    let positive = rows.iter().filter(|row| row.label).count();
    let negative = rows.len() - positive;
    let mut sorted: Vec<&Scored> = rows.iter().collect();
    sorted.sort_by(|one, other| other.score.total_cmp(&one.score));
    let (mut hits, mut alarms, mut best) = (0, 0, (f64::MIN, 0.5));
    for tied in sorted.chunk_by(|one, other| one.score.total_cmp(&other.score).is_eq()) {
        let here = tied.iter().filter(|row| row.label).count();
        (hits, alarms) = (hits + here, alarms + tied.len() - here);
        let gain = ratio(hits, positive) - ratio(alarms, negative);
        if gain > best.0 {
            best = (gain, tied[0].score);
        }
    }
    best.1
}

/// How often groups are drawn anew.
const DRAWS: usize = 400;

/// The interval that holds 95 % of a measure when *groups* are drawn with replacement: rows about
/// one document stand or fall together.
pub fn interval(
    rows: &[Scored],
    measure: impl Fn(&[&Scored]) -> Option<f64>,
) -> Option<(f64, f64)> {
    let mut groups: BTreeMap<&str, Vec<&Scored>> = BTreeMap::new();
    for row in rows {
        groups.entry(&row.group).or_default().push(row);
    }
    let groups: Vec<_> = groups.into_values().collect();
    let mut random = Random(0x5eed);
    let mut values: Vec<f64> = (0..DRAWS)
        .filter_map(|_| {
            let drawn: Vec<&Scored> = (0..groups.len())
                .flat_map(|_| groups[random.below(groups.len())].iter().copied())
                .collect();
            measure(&drawn)
        })
        .collect();
    values.sort_by(f64::total_cmp);
    let at = |per_mille: usize| values.get(values.len() * per_mille / 1000).copied();
    Some((at(25)?, at(975)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(score: f64, label: bool, group: &str) -> Scored {
        Scored { score, threshold: 0.5, label, group: group.to_owned() }
    }

    #[test]
    fn auroc_counts_pairs_and_ties_half() {
        // Pairs: (.8 > .1) (.8 > .4) (.4 > .1) (.4 = .4): 3.5 of 4.
        let rows = [(0.1, false), (0.4, false), (0.4, true), (0.8, true)];
        assert!((auroc(&rows).unwrap() - 0.875).abs() < 1e-12);
        assert!((auroc(&[(0.5, true), (0.5, false)]).unwrap() - 0.5).abs() < 1e-12);
        assert!(auroc(&[(0.5, true)]).is_none());
    }

    #[test]
    fn average_precision_is_the_sum_of_steps() {
        // Known from the textbook: (1/1 + 2/3) / 2.
        let rows = [(0.9, true), (0.8, false), (0.7, true), (0.1, false)];
        assert!((average_precision(&rows) - f64::midpoint(1.0, 2.0 / 3.0)).abs() < 1e-12);
    }

    #[test]
    fn counts_at_a_threshold_give_the_known_measures() {
        let rows: Vec<_> = [(0.9, true), (0.8, false), (0.7, true), (0.2, true), (0.1, false)]
            .iter()
            .map(|(score, label)| scored(*score, *label, "g"))
            .collect();
        let counts = Confusion::at(&rows, 0.7);
        assert_eq!(counts, Confusion { hits: 2, false_alarms: 1, misses: 1, passes: 1 });
        assert!((counts.f1() - 2.0 / 3.0).abs() < 1e-12);
        assert!((counts.balanced_accuracy() - f64::midpoint(2.0 / 3.0, 0.5)).abs() < 1e-12);
        assert!((counts.accuracy() - 0.6).abs() < 1e-12);
        assert_eq!(Confusion::of(&rows), Confusion::at(&rows, 0.5));
        assert!(
            (best_threshold(&rows) - 0.2).abs() < f64::EPSILON,
            "all hits for one of two false alarms"
        );
    }

    #[test]
    fn calibration_is_perfect_when_scores_are_frequencies() {
        let rows = [(0.25, true), (0.25, false), (0.25, false), (0.25, false)];
        assert!(calibration_error(&rows) < 1e-12);
        assert!((calibration_error(&[(0.95, false)]) - 0.95).abs() < 1e-12);
    }

    #[test]
    fn the_escalation_curve_counts_what_is_caught() {
        let rows = [(0.9, true), (0.8, false), (0.7, true), (0.1, false)];
        assert!((caught_among_top(&rows, 0.25) - 0.5).abs() < 1e-12);
        assert!((caught_among_top(&rows, 0.75) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn an_interval_is_as_wide_as_groups_differ() {
        let mean = |rows: &[&Scored]| {
            let sum: f64 = rows.iter().map(|row| row.score).sum();
            Some(sum / f64::from(u32::try_from(rows.len()).ok()?))
        };
        let one = vec![scored(0.2, true, "a"), scored(0.8, true, "a")];
        let (low, high) = interval(&one, mean).unwrap();
        assert!((low - 0.5).abs() < 1e-12 && (high - 0.5).abs() < 1e-12, "one group never varies");
        let two = vec![scored(0.2, true, "a"), scored(0.8, true, "b")];
        let (low, high) = interval(&two, mean).unwrap();
        assert!((low - 0.2).abs() < 1e-12 && (high - 0.8).abs() < 1e-12);
    }
}
