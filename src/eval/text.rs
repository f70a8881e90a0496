//! Answers made comparable: widths and cases levelled, marks gone, Chinese by characters and the
//! rest by words.

use std::collections::HashMap;

use super::statistics::{figure, harmonic, share};

/// English words that make no difference.
const ARTICLES: [&str; 3] = ["a", "an", "the"];

/// A text as it is compared: the forms of full width become those of half width, letters small.
pub(super) fn levelled(text: &str) -> String {
    let level = |character: char| match character {
        '\u{3000}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character)
        }
        '−' => '-',
        _ => character,
    };
    text.chars().map(level).flat_map(char::to_lowercase).collect()
}

/// The words of a text: each Chinese character, each number with its sign and decimals, each run of
/// letters. Marks and English articles are none.
pub(super) fn words(text: &str) -> Vec<String> {
    let characters: Vec<char> = levelled(text).chars().collect();
    let digit = |at: usize| characters.get(at).is_some_and(char::is_ascii_digit);
    let letter = |at: usize| characters.get(at).is_some_and(|c| is_letter(*c));
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for (at, character) in characters.iter().enumerate() {
        let after_letter = at.checked_sub(1).is_some_and(letter);
        let decimal = *character == '.' && at > 0 && digit(at - 1) && digit(at + 1);
        let sign = *character == '-' && !after_letter && digit(at + 1);
        let inner = *character == '\'' && after_letter && letter(at + 1);
        if is_chinese(*character) {
            words.extend([std::mem::take(&mut word), character.to_string()]);
        } else if character.is_alphanumeric() || decimal || sign || inner {
            word.push(*character);
        } else {
            words.push(std::mem::take(&mut word));
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty() && !ARTICLES.contains(&word.as_str()));
    words
}

/// Whether two texts have the same words.
pub(super) fn same(one: &str, other: &str) -> bool {
    words(one) == words(other)
}

/// Whether the words of `part` stand in `text`, one after the other.
pub(super) fn contains(text: &str, part: &str) -> bool {
    let (text, part) = (words(text), words(part));
    !part.is_empty() && text.windows(part.len()).any(|window| window == part)
}

/// How much two texts overlap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Overlap {
    /// The share of the answer's words that are in the reference.
    pub(super) precision: f64,
    /// The share of the reference's words that are in the answer.
    pub(super) recall: f64,
    /// Their F1.
    pub(super) f1: f64,
}

/// Compares an answer with a reference word by word, whatever their order.
pub(super) fn overlap(answer: &str, reference: &str) -> Overlap {
    let (answer, reference) = (words(answer), words(reference));
    let mut left: HashMap<&str, usize> = HashMap::new();
    for word in &reference {
        *left.entry(word).or_default() += 1;
    }
    let mut common = 0;
    for word in &answer {
        if let Some(count) = left.get_mut(word.as_str()).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    let precision = share(figure(common), figure(answer.len()));
    let recall = share(figure(common), figure(reference.len()));
    Overlap { precision, recall, f1: harmonic(precision, recall) }
}

/// The number that an answer ends at: the first one after the last "answer" or "答案", where it says
/// that, else its last one. Commas between thousands are read over.
pub(super) fn number(answer: &str) -> Option<f64> {
    let text = levelled(answer);
    let marked = ["answer", "答案"].iter().filter_map(|mark| text.rfind(mark)).max();
    let after = marked.and_then(|at| numbers(&text[at..]).first().copied());
    after.or_else(|| numbers(&text).last().copied())
}

/// All numbers of a text that is levelled.
fn numbers(text: &str) -> Vec<f64> {
    let characters: Vec<char> = text.chars().collect();
    let digit = |at: usize| characters.get(at).is_some_and(char::is_ascii_digit);
    let mut numbers = Vec::new();
    let mut at = 0;
    while at < characters.len() {
        if !digit(at) {
            at += 1;
            continue;
        }
        let before = at.checked_sub(1).map(|before| characters[before]);
        let further = at.checked_sub(2).and_then(|before| characters.get(before));
        let negative = before == Some('-') && !further.is_some_and(|c| is_letter(*c));
        let mut digits = if negative { "-".to_owned() } else { String::new() };
        let mut decimals = false;
        while let Some(character) = characters.get(at) {
            let thousands = *character == ','
                && !decimals
                && (1..=3).all(|ahead| digit(at + ahead))
                && !digit(at + 4);
            let point = *character == '.' && !decimals && digit(at + 1);
            if character.is_ascii_digit() || point {
                digits.push(*character);
                decimals |= point;
            } else if !thousands {
                break;
            }
            at += 1;
        }
        numbers.extend(digits.parse::<f64>());
    }
    numbers
}

/// What is a part of a longer word: a Chinese character is a word of its own.
fn is_letter(character: char) -> bool {
    character.is_alphanumeric() && !is_chinese(character)
}

fn is_chinese(character: char) -> bool {
    matches!(u32::from(character), 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x323af)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_characters_numbers_and_runs_of_letters() {
        for (text, expected) in [
            ("The Great Wall, of China!", "great wall of china"),
            ("长城在Ｂeijing。", "长 城 在 beijing"),
            ("-3.50 and 10-3, [1, 2]", "-3.50 and 10 3 1 2"),
            ("don't stop", "don't stop"),
            ("是-5，b-5", "是 -5 b 5"),
            ("……", ""),
        ] {
            assert_eq!(words(text).join(" "), expected, "{text}");
        }
    }

    #[test]
    fn whole_words_are_found_and_parts_of_words_are_not() {
        assert!(contains("It is PARIS.", "paris"));
        assert!(contains("首都是北京。", "北京"));
        assert!(!contains("a parisian", "paris"));
        assert!(!contains("anything", "…"));
        assert!(contains("x is -5", "-5") && !contains("x is 5", "-5"));
        assert!(same("  Ｐaris！", "paris") && !same("in Paris", "paris"));
    }

    #[test]
    fn an_overlap_is_that_counted_by_hand() {
        // Four words against six; cat, sat and one "on" of two are common.
        let found = overlap("The cat sat on dogs", "a cat sat happily on on mats");
        assert!((found.precision - 0.75).abs() < 1e-9, "{found:?}");
        assert!((found.recall - 0.5).abs() < 1e-9, "{found:?}");
        assert!((found.f1 - 0.6).abs() < 1e-9, "{found:?}");
        // 大 and 熊 are common: two of three, two of two.
        let found = overlap("大灰熊", "大熊");
        assert!((found.f1 - 0.8).abs() < 1e-9, "{found:?}");
        assert!(overlap("", "x").f1.abs() < 1e-9);
    }

    #[test]
    fn the_number_that_is_meant_is_found() {
        for (answer, expected) in [
            ("42", Some(42.0)),
            ("3 + 4 = 7.", Some(7.0)),
            ("The answer is 1,250.50, which is 5 more.", Some(1250.5)),
            ("答案是－１２。共3步", Some(-12.0)),
            ("between 1,2 and 3", Some(3.0)),
            ("10-3", Some(3.0)),
            ("none", None),
            ("12,34", Some(34.0)),
            ("1,000,000", Some(1_000_000.0)),
        ] {
            assert_eq!(number(answer), expected, "{answer}");
        }
    }
}
