//! Means, spreads, and how sure they are.

use std::collections::BTreeSet;

use serde::Serialize;

use super::random::Random;

/// How often a sample is drawn anew for an interval.
const RESAMPLES: usize = 2000;

/// A count as a figure to calculate with.
pub(super) fn figure(count: usize) -> f64 {
    // Nobody evaluates four billion answers.
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The mean; `None` of nothing.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / figure(values.len()))
}

/// The standard deviation of a sample; `None` of fewer than two values.
pub(super) fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / figure(values.len() - 1)).sqrt())
}

/// The value below which `share` (0 to 1) of the values lie, by the nearest rank; `None` of nothing.
pub(super) fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let rank = (0..=last).find(|rank| figure(rank + 1) >= share * figure(sorted.len()));
    sorted.get(rank.unwrap_or(last)).copied()
}

/// The 95 % interval of the mean, by drawing samples of the same size anew. The same values give the
/// same interval. `None` of fewer than two values.
pub(super) fn interval(values: &[f64]) -> Option<(f64, f64)> {
    if values.len() < 2 {
        return None;
    }
    let mut random = Random(0x5eed);
    let resampled =
        |_| (0..values.len()).map(|_| values[place(&mut random, values.len())]).sum::<f64>();
    let means: Vec<f64> =
        (0..RESAMPLES).map(resampled).map(|sum| sum / figure(values.len())).collect();
    Some((percentile(&means, 0.025)?, percentile(&means, 0.975)?))
}

/// A place below `bound`: the high half of a number, scaled, which is as good as even for samples of
/// this size.
fn place(random: &mut Random, bound: usize) -> usize {
    let bound = u64::try_from(bound).unwrap_or(u64::MAX);
    usize::try_from(((random.draw() >> 32).wrapping_mul(bound)) >> 32).unwrap_or(0)
}

/// How well one of several choices is met, each choice counting alike.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Choices {
    /// Questions.
    pub questions: usize,
    /// The share that is right.
    pub accuracy: f64,
    /// The mean over the choices of: how often a choice that was made is right.
    pub precision: f64,
    /// The mean over the choices of: how often a choice that is right was made.
    pub recall: f64,
    /// The mean over the choices of their F1.
    pub f1: f64,
}

/// Counts pairs of the right choice and the one that was made, which is `None` where nothing that
/// was said is a choice. `None` of nothing.
pub(super) fn choices(pairs: &[(&str, Option<&str>)]) -> Option<Choices> {
    let made = pairs.iter().filter_map(|(_, made)| *made);
    let labels: BTreeSet<&str> = pairs.iter().map(|(right, _)| *right).chain(made).collect();
    let count = |holds: &dyn Fn(&str, Option<&str>) -> bool| {
        figure(pairs.iter().filter(|(right, made)| holds(right, *made)).count())
    };
    let (mut precision, mut recall, mut f1) = (Vec::new(), Vec::new(), Vec::new());
    for label in labels {
        let hits = count(&|right, made| right == label && made == Some(label));
        let of_made = share(hits, count(&|_, made| made == Some(label)));
        let of_right = share(hits, count(&|right, _| right == label));
        precision.push(of_made);
        recall.push(of_right);
        f1.push(harmonic(of_made, of_right));
    }
    Some(Choices {
        questions: pairs.len(),
        accuracy: share(count(&|right, made| made == Some(right)), figure(pairs.len())),
        precision: mean(&precision)?,
        recall: mean(&recall)?,
        f1: mean(&f1)?,
    })
}

/// F1 of a precision and a recall.
pub(super) fn harmonic(precision: f64, recall: f64) -> f64 {
    share(2.0 * precision * recall, precision + recall)
}

/// A part of a whole; of nothing it is 0.
pub(super) fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// How long something took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// How many were timed.
    pub count: usize,
    /// The mean.
    pub mean_ms: f64,
    /// The median.
    pub p50_ms: f64,
    /// The 90th percentile.
    pub p90_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
}

impl Latency {
    /// Of these times; `None` of nothing.
    pub(super) fn of(times: &[f64]) -> Option<Self> {
        Some(Self {
            count: times.len(),
            mean_ms: mean(times)?,
            p50_ms: percentile(times, 0.5)?,
            p90_ms: percentile(times, 0.9)?,
            p99_ms: percentile(times, 0.99)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-9
    }

    #[test]
    fn means_and_spreads_are_those_calculated_by_hand() {
        let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        assert!(near(mean(&values).unwrap(), 5.0));
        // The squares add up to 32, over seven.
        assert!(near(deviation(&values).unwrap(), (32.0_f64 / 7.0).sqrt()));
        assert_eq!((mean(&[]), deviation(&[1.0]), percentile(&[], 0.5)), (None, None, None));
        let ten: Vec<f64> = (1..=10).map(f64::from).collect();
        for (share, value) in [(0.0, 1.0), (0.5, 5.0), (0.9, 9.0), (0.91, 10.0), (1.0, 10.0)] {
            assert_eq!(percentile(&ten, share), Some(value), "{share}");
        }
    }

    #[test]
    fn an_interval_holds_the_mean_and_narrows_with_more_values() {
        let half = |count: usize| -> Vec<f64> { (0..count).map(|n| figure(n % 2)).collect() };
        let width = |count: usize| {
            let (low, high) = interval(&half(count)).unwrap();
            assert!(low <= 0.5 && 0.5 <= high, "{low} {high}");
            high - low
        };
        // Twice 1.96 standard errors of a coin: 0.5 / √count.
        assert!((width(400) - 0.098).abs() < 0.02, "{}", width(400));
        assert!(width(400) < width(40));
        assert_eq!(interval(&[1.0, 1.0]), Some((1.0, 1.0)));
        assert_eq!(interval(&[1.0]), None);
    }

    #[test]
    fn choices_count_alike_however_often_they_are_right() {
        let pairs = [
            ("A", Some("A")),
            ("A", Some("A")),
            ("A", Some("B")),
            ("B", Some("B")),
            ("C", Some("A")),
            ("C", None),
        ];
        let choices = choices(&pairs).unwrap();
        // A: 2 of 3 made, 2 of 3 right. B: 1 of 2, 1 of 1. C: 0 of 0, 0 of 2.
        assert!(near(choices.accuracy, 0.5), "{choices:?}");
        assert!(near(choices.precision, (2.0 / 3.0 + 0.5 + 0.0) / 3.0), "{choices:?}");
        assert!(near(choices.recall, (2.0 / 3.0 + 1.0 + 0.0) / 3.0), "{choices:?}");
        assert!(near(choices.f1, (2.0 / 3.0 + 2.0 / 3.0 + 0.0) / 3.0), "{choices:?}");
        assert_eq!(super::choices(&[]), None);
    }
}
