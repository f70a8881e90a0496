//! Which of many rows are worth comparing: those whose numbers have the signs of the question's.
//!
//! How many signs differ grows with the angle between two vectors, once they are turned in a random way
//! (Charikar, *Similarity estimation techniques from rounding algorithms*, STOC 2002), and takes an
//! eighth of the memory of a row to find out. Vectors are seen from the middle of all rows: what all
//! vectors of a model have in common tells nothing.

/// About so many rows are let through. The nearest ones are among the first few of them.
const CANDIDATES: usize = 2048;

/// The signs of the rows, a bit each.
pub(super) struct Sieve {
    /// The middle of all rows.
    middle: Vec<f32>,
    /// Words of a row.
    words: usize,
    signs: Vec<u64>,
}

impl Sieve {
    /// The signs of these rows.
    pub(super) fn of(rows: &[i8], scales: &[f32], dimension: usize) -> Self {
        let middle = middle(rows, scales, dimension);
        let mut turned = Turned::new(dimension);
        let words = turned.numbers.len() / 64;
        let mut signs = Vec::with_capacity(words * scales.len());
        for (row, scale) in rows.chunks_exact(dimension.max(1)).zip(scales) {
            let numbers = row.iter().map(|number| f32::from(*number) * scale);
            turned.push(numbers, &middle, &mut signs);
        }
        Self { middle, words, signs }
    }

    /// The rows that are worth comparing with a question, in their order.
    pub(super) fn candidates(&self, question: &[f32]) -> Vec<usize> {
        let length = question.iter().map(|number| number * number).sum::<f32>().sqrt();
        let numbers = question.iter().map(|number| number / length.max(f32::MIN_POSITIVE));
        let mut asked = Vec::with_capacity(self.words);
        Turned::new(question.len()).push(numbers, &self.middle, &mut asked);
        let rows = self.signs.chunks_exact(self.words.max(1));
        let differences: Vec<u16> = rows.map(|row| differing(row, &asked)).collect();
        let bar = bar(&differences, self.words * 64);
        let few = |(row, difference): (usize, &u16)| (*difference <= bar).then_some(row);
        // Rows that are all alike are no better than any others among them.
        differences.iter().enumerate().filter_map(few).take(4 * CANDIDATES).collect()
    }
}

/// Turns vectors, all in the same random way, so that each of their numbers tells as much as any other.
///
/// A turn is a change of signs and a Hadamard transform (Ailon and Chazelle, *The fast
/// Johnson–Lindenstrauss transform*, SIAM Journal on Computing, 2009), which keeps all angles.
struct Turned {
    flips: Vec<f32>,
    /// As many as are a power of two, and at least a word of signs.
    numbers: Vec<f32>,
}

impl Turned {
    fn new(dimension: usize) -> Self {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut flip = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            if state >> 63 == 0 { 1.0 } else { -1.0 }
        };
        let flips = (0..dimension).map(|_| flip()).collect();
        Self { flips, numbers: vec![0.0; dimension.next_power_of_two().max(64)] }
    }

    /// Adds the signs of a vector as seen from the middle.
    fn push(&mut self, vector: impl Iterator<Item = f32>, middle: &[f32], signs: &mut Vec<u64>) {
        self.numbers.fill(0.0);
        let seen = vector.zip(middle).map(|(number, middle)| number - middle);
        for ((place, number), flip) in self.numbers.iter_mut().zip(seen).zip(&self.flips) {
            *place = number * flip;
        }
        let mut half = 1;
        while half < self.numbers.len() {
            for pair in self.numbers.chunks_exact_mut(2 * half) {
                let (left, right) = pair.split_at_mut(half);
                for (one, other) in left.iter_mut().zip(right) {
                    (*one, *other) = (*one + *other, *one - *other);
                }
            }
            half *= 2;
        }
        signs.extend(self.numbers.chunks_exact(64).map(|numbers| {
            let bits = (0..).zip(numbers).map(|(bit, number)| u64::from(*number > 0.0) << bit);
            bits.fold(0, |word, bit| word | bit)
        }));
    }
}

/// How many signs are different.
#[inline]
fn differing(row: &[u64], asked: &[u64]) -> u16 {
    let different = row.iter().zip(asked).map(|(one, other)| (one ^ other).count_ones());
    u16::try_from(different.sum::<u32>()).unwrap_or(u16::MAX)
}

/// How many signs may differ at most, so that as many rows as are wanted come through.
fn bar(differences: &[u16], most: usize) -> u16 {
    let mut counts = vec![0_usize; most + 1];
    for difference in differences {
        if let Some(count) = counts.get_mut(usize::from(*difference)) {
            *count += 1;
        }
    }
    let mut through = 0;
    let enough = counts.iter().position(|count| {
        through += count;
        through >= CANDIDATES
    });
    enough.and_then(|bar| u16::try_from(bar).ok()).unwrap_or(u16::MAX)
}

fn middle(rows: &[i8], scales: &[f32], dimension: usize) -> Vec<f32> {
    let mut sums = vec![0.0_f32; dimension];
    for (row, scale) in rows.chunks_exact(dimension.max(1)).zip(scales) {
        for (sum, number) in sums.iter_mut().zip(row) {
            *sum += f32::from(*number) * scale;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a middle needs no more precision")]
    let count = scales.len().max(1) as f32;
    sums.into_iter().map(|sum| sum / count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::numbers::{row, tests::vector};

    #[test]
    fn the_near_ones_come_through_and_most_others_do_not() {
        // All vectors have much in common, as those of a model have.
        let (dimension, count) = (100, 20_000);
        let common = vector(99, dimension);
        let of = |seed: u64| -> Vec<f32> {
            common.iter().zip(vector(seed, dimension)).map(|(a, b)| a + b).collect()
        };
        let (mut rows, mut scales) = (Vec::new(), Vec::new());
        for seed in 0..count {
            let (scale, numbers) = row(&of(1000 + seed)).unwrap();
            rows.extend(numbers);
            scales.push(scale);
        }
        let sieve = Sieve::of(&rows, &scales, dimension);
        for wanted in [0_u64, 777, 19_999] {
            let noise = vector(wanted + 5_000_000, dimension);
            let question: Vec<f32> =
                of(1000 + wanted).iter().zip(noise).map(|(a, b)| 3.0 * (a + b * 0.5)).collect();
            let candidates = sieve.candidates(&question);
            assert!(candidates.contains(&usize::try_from(wanted).unwrap()), "{wanted}");
            assert!((CANDIDATES..2 * CANDIDATES).contains(&candidates.len()));
        }
    }

    #[test]
    fn rows_that_are_all_alike_are_not_all_compared() {
        let (scale, numbers) = row(&vector(1, 64)).unwrap();
        let (rows, scales) = (numbers.repeat(20_000), vec![scale; 20_000]);
        let sieve = Sieve::of(&rows, &scales, 64);
        assert_eq!(sieve.candidates(&vector(2, 64)).len(), 4 * CANDIDATES);
    }
}
