//! The stage of the hallucination check.
//!
//! There is no check behind it yet, and it says so: every sentence is [`VerdictStatus::Unchecked`],
//! never passed off as supported.

use super::{Sentence, Verdict, VerdictStatus};

/// Gives a verdict on each sentence of one answer.
#[derive(Debug, Default)]
pub struct Check;

impl Check {
    /// The verdict on a sentence about to be released.
    pub fn push(&mut self, sentence: &Sentence) -> Verdict {
        Verdict {
            sentence: Some(sentence.index),
            status: VerdictStatus::Unchecked,
            reasons: Vec::new(),
        }
    }
}
