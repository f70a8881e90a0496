//! Vectors in small whole numbers, and how alike two of them are.
//!
//! A row has a byte for each number: a quarter of the memory, which is what comparing many costs. The
//! cosine that comes of it is off by less than a thousandth for vectors of some hundred numbers.

/// The largest number of a row.
const ROW: f32 = 127.0;

/// The largest number of a question: as fine as sums of products allow that fit into 32 bits.
const QUESTION: f32 = 1023.0;

/// A vector of length 1 in bytes, with what these are to be multiplied with; `None` where it has no
/// direction, or a number that is none.
pub(super) fn row(vector: &[f32]) -> Option<(f32, Vec<i8>)> {
    let (factor, scale) = fit(vector, ROW)?;
    #[expect(clippy::cast_possible_truncation, reason = "it was brought into the range")]
    let numbers = vector.iter().map(|number| (number * factor).round() as i8).collect();
    Some((scale, numbers))
}

/// A question's vector, made ready to be compared.
pub(super) struct Question {
    scale: f32,
    numbers: Vec<i16>,
}

impl Question {
    /// `None` where the vector has no direction, or a number that is none.
    pub(super) fn of(vector: &[f32]) -> Option<Self> {
        let (factor, scale) = fit(vector, QUESTION)?;
        #[expect(clippy::cast_possible_truncation, reason = "it was brought into the range")]
        let numbers = vector.iter().map(|number| (number * factor).round() as i16).collect();
        Some(Self { scale, numbers })
    }
}

/// What a vector's numbers are multiplied with, so that the largest is `largest`, and what these are
/// multiplied with, so that the vector's length is 1.
fn fit(vector: &[f32], largest: f32) -> Option<(f32, f32)> {
    let length = vector.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
    let most = vector.iter().fold(0.0_f32, |most, number| most.max(number.abs()));
    #[expect(clippy::cast_possible_truncation, reason = "a factor needs no more precision")]
    let scale = (f64::from(most) / f64::from(largest) / length) as f32;
    let factor = largest / most;
    (factor.is_normal() && scale.is_normal()).then_some((factor, scale))
}

/// The cosine between a row and a question, whose lengths are 1. Written so that it becomes what the
/// processor has for many numbers at a time.
#[inline]
pub(super) fn cosine(row: &[i8], scale: f32, question: &Question) -> f32 {
    let pairs = row.iter().zip(&question.numbers);
    let sum: i32 = pairs.map(|(one, other)| i32::from(*one) * i32::from(*other)).sum();
    #[expect(clippy::cast_precision_loss, reason = "more digits than the numbers have")]
    let sum = sum as f32;
    sum * scale * question.scale
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Vectors without a pattern, the same every time.
    pub(in super::super) fn vector(seed: u64, dimension: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut number = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            f32::from(u16::try_from(state >> 48).unwrap()) / 32_768.0 - 1.0
        };
        (0..dimension).map(|_| number()).collect()
    }

    fn exactly(one: &[f32], other: &[f32]) -> f32 {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        dot(one, other) / (dot(one, one) * dot(other, other)).sqrt()
    }

    #[test]
    fn small_numbers_tell_nearly_the_same_cosine_whatever_the_length() {
        for (dimension, far) in [(3, 0.02), (384, 0.002), (1024, 0.002), (8192, 0.002)] {
            for seed in 0..50 {
                let one = vector(seed, dimension);
                let near = vector(seed + 1000, dimension);
                let other: Vec<f32> = one.iter().zip(&near).map(|(a, b)| (a + b) * 1e-3).collect();
                let (scale, numbers) = row(&one).unwrap();
                let found = cosine(&numbers, scale, &Question::of(&other).unwrap());
                let expected = exactly(&one, &other);
                assert!((found - expected).abs() < far, "{dimension}: {found} for {expected}");
            }
        }
        let same = vector(7, 512);
        let (scale, numbers) = row(&same).unwrap();
        assert!((cosine(&numbers, scale, &Question::of(&same).unwrap()) - 1.0).abs() < 0.001);
    }

    #[test]
    fn the_largest_products_fit() {
        let ones = vec![1.0; 8192];
        let (scale, numbers) = row(&ones).unwrap();
        let alike = cosine(&numbers, scale, &Question::of(&ones).unwrap());
        assert!((alike - 1.0).abs() < 1e-4, "{alike}");
    }

    #[test]
    fn what_has_no_direction_is_no_vector() {
        for vector in [vec![], vec![0.0; 4], vec![f32::NAN, 1.0], vec![f32::INFINITY, 1.0]] {
            assert!(row(&vector).is_none() && Question::of(&vector).is_none(), "{vector:?}");
        }
    }
}
