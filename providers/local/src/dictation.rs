//! How likely a text is: the model is made to write it, and what it thought of each token is kept.
//!
//! mistralrs 0.8.1 tells no likelihoods of a prompt. It can hand out all logits of one, as a matrix
//! of the prompt's length times the vocabulary (622 MB for a thousand tokens of Qwen), for a request
//! that must run alone, is not streamed, and stops the engine when one of these is not so. Writing
//! the text token by token costs a step for each, needs one row at a time, and is cancelled,
//! queued and bounded like any answer.

use std::sync::{Arc, Mutex, PoisonError};

/// A text that the model is made to write.
#[derive(Debug, Clone)]
pub(crate) struct Dictation {
    tokens: Arc<[u32]>,
    /// For each token written so far, the natural logarithm of its probability.
    likelihoods: Arc<Mutex<Vec<f64>>>,
}

impl Dictation {
    /// Dictates `tokens`, one after the other.
    pub(crate) fn new(tokens: &[u32]) -> Self {
        Self { tokens: tokens.into(), likelihoods: Arc::default() }
    }

    /// The only token that may come next, given the logits of the vocabulary; `None` after the last
    /// one, or where the vocabulary does not have it.
    pub(crate) fn next(&self, logits: &[f32]) -> Option<u32> {
        let mut likelihoods = self.likelihoods.lock().unwrap_or_else(PoisonError::into_inner);
        let token = *self.tokens.get(likelihoods.len())?;
        likelihoods.push(log_probability(logits, token as usize)?);
        Some(token)
    }

    /// The likelihood of each token; `None` unless all have been written.
    pub(crate) fn likelihoods(&self) -> Option<Vec<f64>> {
        let likelihoods = self.likelihoods.lock().unwrap_or_else(PoisonError::into_inner);
        (likelihoods.len() == self.tokens.len()).then(|| likelihoods.clone())
    }
}

/// The natural logarithm of a token's probability: its logit less the logarithm of the sum of the
/// exponentials of all, taken relative to the greatest so that none overflows.
fn log_probability(logits: &[f32], token: usize) -> Option<f64> {
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - greatest).exp()).sum();
    logits.get(token).map(|logit| f64::from(logit - greatest) - sum.ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likelihoods_are_those_of_the_softmax() {
        let dictation = Dictation::new(&[2, 0]);
        assert_eq!(dictation.next(&[0.0, 0.0, 0.0, 0.0]), Some(2));
        assert_eq!(dictation.likelihoods(), None, "one is missing");
        assert_eq!(dictation.next(&[1000.0, 1000.0 + 3.0_f32.ln()]), Some(0));
        assert_eq!(dictation.next(&[0.0, 0.0]), None);
        let likelihoods = dictation.likelihoods().unwrap();
        assert_eq!(likelihoods.len(), 2);
        for likelihood in likelihoods {
            // A quarter each; single precision near 1,000 keeps four digits.
            assert!((likelihood - 0.25_f64.ln()).abs() < 1e-4, "{likelihood}");
        }
    }

    #[test]
    fn a_token_beyond_the_vocabulary_has_no_likelihood() {
        let dictation = Dictation::new(&[7]);
        assert_eq!(dictation.next(&[0.0; 4]), None);
        assert_eq!(dictation.likelihoods(), None);
    }
}
