//! Numbers of a tensor: read, added to, and written again.

use std::{num::NonZero, thread};

use half::{bf16, f16};

use crate::tensor::Dtype;

/// Reads the numbers in `bytes`, which are whole.
pub(crate) fn decode(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
    match dtype {
        Dtype::F16 => pairs(bytes).map(|pair| f16::from_le_bytes(pair).to_f32()).collect(),
        Dtype::Bf16 => pairs(bytes).map(|pair| bf16::from_le_bytes(pair).to_f32()).collect(),
        _ => bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect(),
    }
}

/// Writes `values`, each rounded to the nearest that the format has.
pub(crate) fn encode(dtype: Dtype, values: &[f32]) -> Vec<u8> {
    let values = values.iter();
    match dtype {
        Dtype::F16 => values.flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect(),
        Dtype::Bf16 => values.flat_map(|value| bf16::from_f32(*value).to_le_bytes()).collect(),
        _ => values.flat_map(|value| value.to_le_bytes()).collect(),
    }
}

fn pairs(bytes: &[u8]) -> impl Iterator<Item = [u8; 2]> {
    bytes.as_chunks().0.iter().copied()
}

/// A matrix as a product of two thin ones.
pub(crate) struct Product {
    /// [rows, rank]
    pub(crate) left: Vec<f32>,
    /// [rank, columns]
    pub(crate) right: Vec<f32>,
    pub(crate) rank: usize,
    pub(crate) columns: usize,
    pub(crate) scale: f32,
}

impl Product {
    /// Adds the rows from `first` on to `block`, which is so many whole rows; on every core.
    pub(crate) fn add_to(&self, block: &mut [f32], first: usize) {
        if block.is_empty() {
            return;
        }
        let rows = block.len() / self.columns;
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let share = rows.div_ceil(cores).max(1);
        thread::scope(|scope| {
            for (number, part) in block.chunks_mut(share * self.columns).enumerate() {
                scope.spawn(move || self.add_rows(part, first + number * share));
            }
        });
    }

    fn add_rows(&self, block: &mut [f32], first: usize) {
        let mut sum = vec![0.0; self.columns];
        for (number, row) in block.chunks_exact_mut(self.columns).enumerate() {
            sum.fill(0.0);
            let start = (first + number) * self.rank;
            let factors = &self.left[start..start + self.rank];
            for (factor, line) in factors.iter().zip(self.right.chunks_exact(self.columns)) {
                for (sum, value) in sum.iter_mut().zip(line) {
                    *sum += factor * value;
                }
            }
            for (value, sum) in row.iter_mut().zip(&sum) {
                *value += self.scale * sum;
            }
        }
    }
}

/// A matrix of `rows` rows, read by its columns.
pub(crate) fn transpose(values: &[f32], rows: usize) -> Vec<f32> {
    let columns = values.len() / rows.max(1);
    let at = |index: usize| values[index % rows * columns + index / rows];
    (0..values.len()).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_and_are_rounded_to_the_nearest() {
        for (dtype, value, expected) in [
            (Dtype::F32, 1.000_000_1, 1.000_000_1),
            (Dtype::F16, 1.000_5, 1.000_976_6),
            (Dtype::F16, 1.000_4, 1.0),
            (Dtype::F16, 6e-8, 5.960_464_5e-8),
            (Dtype::F16, 1e6, f32::INFINITY),
            (Dtype::Bf16, 1.004, 1.007_812_5),
            (Dtype::Bf16, 1.003, 1.0),
        ] {
            let found = decode(dtype, &encode(dtype, &[value]));
            assert!(found == [expected], "{dtype:?} {value}: {found:?}");
        }
    }

    #[test]
    fn a_transposed_matrix_has_its_columns_as_rows() {
        assert!(transpose(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2) == [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }
}
