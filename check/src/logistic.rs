//! Logistic regression with a ridge, fitted by Newton's method: deterministic, and done in a second.

use serde::{Deserialize, Serialize};

/// A fitted model: the log-odds are the bias and the weighted features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    /// The log-odds of a sentence whose features are all zero.
    pub bias: f64,
    /// The weight of each feature.
    pub weights: Vec<f64>,
}

impl Logistic {
    /// The log-odds that a sentence with these features is unsupported.
    pub fn log_odds(&self, features: &[f64]) -> f64 {
        self.bias
            + self.weights.iter().zip(features).map(|(weight, value)| weight * value).sum::<f64>()
    }
}

/// Log-odds → probability.
pub fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// A sentence for fitting.
#[derive(Debug, Clone)]
pub struct Example {
    /// Its features.
    pub features: Vec<f64>,
    /// How likely it is unsupported: 0 to 1.
    pub target: f64,
    /// How much it counts.
    pub weight: f64,
}

/// Steps of Newton's method; it has converged long before.
const STEPS: usize = 12;

/// Fits a model. Features are brought to one scale first, so that the ridge treats them alike; the
/// model that comes out takes them as they are.
pub fn fit(examples: &[Example], ridge: f64) -> Logistic {
    let width = examples.first().map_or(0, |example| example.features.len());
    let scales = Scales::of(examples, width);
    let size = width + 1;
    let mut weights = vec![0.0; size];
    let mut row = vec![1.0; size];
    for _ in 0..STEPS {
        let mut gradient = vec![0.0; size];
        let mut hessian = vec![0.0; size * size];
        for example in examples {
            scales.apply(&example.features, &mut row[1..]);
            let log_odds = row.iter().zip(&weights).map(|(x, w)| x * w).sum::<f64>();
            let p = sigmoid(log_odds);
            let slope = example.weight * (example.target - p);
            let bend = example.weight * (p * (1.0 - p)).max(1e-6);
            for (i, x) in row.iter().enumerate() {
                gradient[i] += slope * x;
                for (j, y) in row.iter().enumerate().take(i + 1) {
                    hessian[i * size + j] += bend * x * y;
                }
            }
        }
        for i in 1..size {
            gradient[i] -= ridge * weights[i];
            hessian[i * size + i] += ridge;
        }
        let step = solve(hessian, gradient, size);
        weights.iter_mut().zip(&step).for_each(|(weight, step)| *weight += step);
        if step.iter().all(|step| step.abs() < 1e-7) {
            break;
        }
    }
    scales.undo(&weights)
}

/// Mean and spread of each feature.
struct Scales {
    means: Vec<f64>,
    spreads: Vec<f64>,
}

impl Scales {
    fn of(examples: &[Example], width: usize) -> Self {
        let all: f64 = examples.iter().map(|example| example.weight).sum::<f64>().max(1e-12);
        let mean = |of: &dyn Fn(&Example) -> f64| {
            examples.iter().map(|example| example.weight * of(example)).sum::<f64>() / all
        };
        let means: Vec<f64> = (0..width).map(|i| mean(&|example| example.features[i])).collect();
        let spreads = (0..width)
            .map(|i| mean(&|example| (example.features[i] - means[i]).powi(2)).sqrt())
            // A feature that never changes says nothing.
            .map(|spread| if spread > 1e-9 { spread } else { f64::INFINITY })
            .collect();
        Self { means, spreads }
    }

    fn apply(&self, features: &[f64], row: &mut [f64]) {
        for (i, slot) in row.iter_mut().enumerate() {
            *slot = (features[i] - self.means[i]) / self.spreads[i];
        }
    }

    fn undo(&self, weights: &[f64]) -> Logistic {
        let scaled: Vec<f64> = weights[1..]
            .iter()
            .zip(&self.spreads)
            .map(|(weight, spread)| weight / spread)
            .collect();
        let shift: f64 = scaled.iter().zip(&self.means).map(|(weight, mean)| weight * mean).sum();
        Logistic { bias: weights[0] - shift, weights: scaled }
    }
}

/// Solves `matrix · x = right` for a positive definite matrix, of which the lower half is given.
fn solve(mut matrix: Vec<f64>, mut right: Vec<f64>, size: usize) -> Vec<f64> {
    for i in 0..size {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| matrix[i * size + k] * matrix[j * size + k]).sum();
            let value = matrix[i * size + j] - sum;
            matrix[i * size + j] =
                if i == j { value.max(1e-12).sqrt() } else { value / matrix[j * size + j] };
        }
    }
    for i in 0..size {
        let sum: f64 = (0..i).map(|k| matrix[i * size + k] * right[k]).sum();
        right[i] = (right[i] - sum) / matrix[i * size + i];
    }
    for i in (0..size).rev() {
        let sum: f64 = (i + 1..size).map(|k| matrix[k * size + i] * right[k]).sum();
        right[i] = (right[i] - sum) / matrix[i * size + i];
    }
    right
}

/// The sentences of one answer; the answer is unsupported when one of them is.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The features of its sentences.
    pub sentences: Vec<Vec<f64>>,
    /// Whether it is unsupported.
    pub unsupported: bool,
    /// How much it counts.
    pub weight: f64,
}

/// Rounds of guessing which sentence it was.
const ROUNDS: usize = 8;

/// Fits a model to answers of which it is only known that *some* sentence is unsupported
/// (expectation maximization over a noisy or).
pub fn fit_answers(answers: &[Answer], ridge: f64) -> Logistic {
    let examples = |model: Option<&Logistic>| -> Vec<Example> {
        answers
            .iter()
            .flat_map(|answer| {
                let scores: Vec<f64> = answer
                    .sentences
                    .iter()
                    .map(|features| model.map_or(0.5, |model| sigmoid(model.log_odds(features))))
                    .collect();
                let any = any_of(scores.iter().copied()).max(1e-9);
                answer.sentences.iter().zip(scores).map(move |(features, score)| Example {
                    features: features.clone(),
                    target: if answer.unsupported { (score / any).min(1.0) } else { 0.0 },
                    weight: answer.weight,
                })
            })
            .collect()
    };
    let mut model = fit(&examples(None), ridge);
    if answers.iter().any(|answer| answer.sentences.len() > 1) {
        for _ in 0..ROUNDS {
            model = fit(&examples(Some(&model)), ridge);
        }
    }
    model
}

/// The probability that one of several is: the noisy or.
pub fn any_of(probabilities: impl Iterator<Item = f64>) -> f64 {
    1.0 - probabilities.map(|p| 1.0 - p).product::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fit_finds_the_odds_that_the_data_has() {
        // With one yes-or-no feature the answer is known: the log-odds of each half.
        let row = |x: f64, target| Example { features: vec![x, 7.0], target, weight: 1.0 };
        let mut rows = vec![row(0.0, 1.0)];
        rows.extend((0..3).map(|_| row(0.0, 0.0)));
        rows.extend((0..3).map(|_| row(1.0, 1.0)));
        rows.push(row(1.0, 0.0));
        let model = fit(&rows, 1e-6);
        assert!((model.log_odds(&[0.0, 7.0]) - (1.0_f64 / 3.0).ln()).abs() < 1e-3);
        assert!((model.log_odds(&[1.0, 7.0]) - 3.0_f64.ln()).abs() < 1e-3);
        assert!(model.weights[1].abs() < 1e-12);
    }

    #[test]
    fn the_sentence_to_blame_is_found_in_an_answer() {
        let good = vec![0.0];
        let bad = vec![1.0];
        let answer = |sentences, unsupported| Answer { sentences, unsupported, weight: 1.0 };
        let mut answers = Vec::new();
        for _ in 0..20 {
            answers.push(answer(vec![good.clone(), bad.clone(), good.clone()], true));
            answers.push(answer(vec![good.clone(), good.clone()], false));
        }
        let model = fit_answers(&answers, 0.1);
        assert!(sigmoid(model.log_odds(&bad)) > 0.8);
        assert!(sigmoid(model.log_odds(&good)) < 0.05);
    }
}
