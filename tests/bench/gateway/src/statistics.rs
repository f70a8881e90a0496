//! Figures out of many values.

/// Values of one kind.
#[derive(Debug, Default, Clone)]
pub(crate) struct Samples(Vec<f64>);

/// A figure and what it may as well have been.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) middle: f64,
    pub(crate) high: f64,
}

/// How often rounds are drawn for an interval.
const DRAWS: usize = 4000;

impl Samples {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn extend(&mut self, others: &Self) {
        self.0.extend_from_slice(&others.0);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value in the middle, or between the two there; not a number when there are none.
    pub(crate) fn median(&self) -> f64 {
        let ordered = self.ordered();
        match ordered.len() {
            0 => f64::NAN,
            count => f64::midpoint(ordered[(count - 1) / 2], ordered[count / 2]),
        }
    }

    /// The smallest value that so many of a thousand values do not exceed; not a number when there
    /// are none.
    pub(crate) fn permille(&self, share: usize) -> f64 {
        let ordered = self.ordered();
        let rank = (ordered.len() * share).div_ceil(1000).max(1);
        ordered.get(rank - 1).copied().unwrap_or(f64::NAN)
    }

    fn ordered(&self) -> Vec<f64> {
        let mut ordered = self.0.clone();
        ordered.sort_unstable_by(f64::total_cmp);
        ordered
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// The ratio of the medians of rounds, `above` over `below`, and the 95 % that remain of it when
/// rounds are drawn again with replacement. A round of both belongs together and is drawn together.
pub(crate) fn ratio(above: &[f64], below: &[f64]) -> Interval {
    let count = above.len().min(below.len());
    let of = |rounds: &[usize]| {
        let middle = |values: &[f64]| {
            rounds.iter().map(|round| values[*round]).collect::<Samples>().median()
        };
        middle(above) / middle(below)
    };
    let middle = of(&(0..count).collect::<Vec<_>>());
    if count == 0 {
        return Interval { low: f64::NAN, middle, high: f64::NAN };
    }
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let ratios: Samples = (0..DRAWS)
        .map(|_| of(&(0..count).map(|_| dice.below(count)).collect::<Vec<_>>()))
        .collect();
    Interval { low: ratios.permille(25), middle, high: ratios.permille(975) }
}

/// A count as a number to calculate with.
pub(crate) fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Xorshift: the same draws in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % sides
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred_and_medians_lie_in_the_middle() {
        let samples: Samples = (1..=1000).rev().map(f64::from).collect();
        assert_eq!(samples.permille(500).to_bits(), 500f64.to_bits());
        assert_eq!(samples.permille(990).to_bits(), 990f64.to_bits());
        assert_eq!(samples.permille(999).to_bits(), 999f64.to_bits());
        assert_eq!(samples.permille(1000).to_bits(), 1000f64.to_bits());
        assert_eq!(samples.median().to_bits(), 500.5f64.to_bits());
        assert_eq!(Samples::from_iter([3.0, 1.0, 2.0]).median().to_bits(), 2f64.to_bits());
        assert!(Samples::default().median().is_nan());
        assert!(Samples::default().permille(500).is_nan());
    }

    #[test]
    fn a_ratio_that_is_the_same_in_every_round_is_certain() {
        let below: Vec<_> = (1..=9).map(f64::from).collect();
        let above: Vec<_> = below.iter().map(|value| value * 60.0).collect();
        let Interval { low, middle, high } = ratio(&above, &below);
        for value in [low, middle, high] {
            assert!((value - 60.0).abs() < 1e-9);
        }
    }

    #[test]
    fn an_interval_holds_the_ratio_and_widens_with_the_noise() {
        let noise = |size: f64| -> Vec<f64> {
            [0.3, -1.0, 0.8, -0.2, 1.0, -0.7, 0.1, -0.4, 0.6, -0.9]
                .iter()
                .map(|dice| 100.0 + dice * size)
                .collect()
        };
        let width = |size| {
            let Interval { low, middle, high } = ratio(&noise(size), &[10.0; 10]);
            assert!(low <= middle && middle <= high);
            assert!((middle - 10.0).abs() < size / 10.0);
            high - low
        };
        assert!(width(1.0) < width(20.0));
    }

    #[test]
    fn of_no_rounds_there_is_no_ratio() {
        assert!(ratio(&[], &[1.0]).middle.is_nan());
    }
}
