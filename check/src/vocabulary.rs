//! How common a Chinese word is, and whether it is a name, by the dictionary of jieba.
//!
//! What anybody may say without proof is common: 经济, 提高, 重要. What has to stand in the evidence is not:
//! names, and words that are rare. The dictionary takes a tenth of a second to load and is loaded when
//! it is first asked; only words within a sentence ([`crate::measure_span`]) ask it.

use std::{ops::Range, sync::LazyLock};

use jieba_rs::Jieba;

static DICTIONARY: LazyLock<Jieba> = LazyLock::new(Jieba::new);

/// What a word names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Naming {
    /// A person.
    Person,
    /// A place.
    Place,
    /// An organization, or another thing with a name of its own.
    Thing,
    /// A number, in digits.
    Number,
    /// An action.
    Action,
    /// A kind of thing.
    Noun,
    /// Something else, or nobody knows.
    Other,
}

/// A word of a Chinese text.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    /// Its bytes.
    pub range: Range<usize>,
    /// How often the dictionary has seen it, as a logarithm; 0 when never.
    pub commonness: f64,
    /// What it names.
    pub naming: Naming,
}

/// Cuts a Chinese text into words; marks and blanks are words, too.
pub fn words(text: &str) -> Vec<Word> {
    DICTIONARY
        .tag(text, true)
        .into_iter()
        .map(|tag| Word {
            range: tag.byte_start..tag.byte_end,
            commonness: commonness(tag.word),
            naming: naming(tag.tag, tag.word),
        })
        .collect()
}

/// How often the dictionary has seen a word, as a logarithm; 0 when never.
#[expect(clippy::cast_precision_loss, reason = "counts of a dictionary")]
pub(crate) fn commonness(word: &str) -> f64 {
    if !DICTIONARY.has_word(word) {
        return 0.0;
    }
    (DICTIONARY.suggest_freq(word) as f64).ln_1p()
}

fn naming(tag: &str, word: &str) -> Naming {
    match tag {
        // 多个 and 近年来 count nothing.
        _ if word.contains(|c: char| c.is_ascii_digit()) => Naming::Number,
        _ if tag.starts_with("nr") => Naming::Person,
        _ if tag.starts_with("ns") => Naming::Place,
        _ if tag.starts_with("nt") || tag.starts_with("nz") => Naming::Thing,
        _ if tag.starts_with('v') => Naming::Action,
        _ if tag.starts_with('n') => Naming::Noun,
        _ => Naming::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_words_are_told_from_rare_ones_and_names() {
        assert!(commonness("经济") > commonness("溇港"));
        let named = |text: &str| words(text)[0].naming;
        assert_eq!(named("新疆"), Naming::Place);
        assert_eq!(named("提高"), Naming::Action);
        assert_eq!(named("王小明"), Naming::Person);
    }
}
