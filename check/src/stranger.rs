//! Words that the evidence does not have: how common they are, and what they name.

use crate::{
    evidence::Evidence,
    vocabulary::{Naming, Word, words},
};

/// The features that the dictionary gives: of the words within the span, those that the evidence does
/// not have, how common they are, and what they name.
#[expect(clippy::cast_precision_loss, reason = "counts of words")]
pub(crate) fn strangers(span: &str, evidence: &Evidence) -> [f64; 12] {
    let words = words(span);
    // 16 has no 6 in it.
    let whole = |text: &str, at: usize, word: &str| {
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        !(digit(word.chars().next()) && digit(text[..at].chars().next_back())
            || digit(word.chars().next_back()) && digit(text[at + word.len()..].chars().next()))
    };
    let has = |word: &str| {
        evidence.passages().iter().any(|passage| {
            let mut places = passage.text.match_indices(word);
            places.any(|(at, word)| whole(&passage.text, at, word))
        })
    };
    let strange: Vec<&Word> = words.iter().filter(|word| !has(&span[word.range.clone()])).collect();
    let flag = |condition: bool| f64::from(u8::from(condition));
    let names = |naming| flag(strange.iter().any(|word| word.naming == naming));
    let commonness = || strange.iter().map(|word| word.commonness);
    let count = strange.len() as f64;
    let rarest = commonness().reduce(f64::min).unwrap_or(0.0);
    [
        flag(!strange.is_empty()),
        rarest,
        commonness().sum::<f64>() / count.max(1.0),
        commonness().fold(0.0, f64::max),
        names(Naming::Person),
        names(Naming::Place),
        names(Naming::Thing),
        names(Naming::Number),
        names(Naming::Action),
        names(Naming::Noun),
        names(Naming::Other),
        (words.len() as f64).ln_1p(),
    ]
}
