//! Whether a quote stands in the evidence: a judge that quotes what is not there is not believed.

use crate::{evidence::Passage, tokens::fold};

/// The shortest quote that proves anything, in letters.
const MIN_LETTERS: usize = 4;

/// The passage that a quote stands in, word for word. White space, width, letter case and punctuation
/// may differ; nothing else may, and neither may the order. `...` joins parts that stand in one
/// passage one after the other.
pub fn find_quote<'a>(quote: &str, passages: &'a [Passage]) -> Option<&'a Passage> {
    let quote = quote.replace('…', "...");
    let parts: Vec<String> =
        quote.split("...").map(letters).filter(|part| !part.trim().is_empty()).collect();
    let length: usize = parts.iter().map(|part| part.chars().filter(|c| *c != ' ').count()).sum();
    if length < MIN_LETTERS {
        return None;
    }
    passages.iter().find(|passage| {
        let text = letters(&passage.text);
        let mut from = 0;
        parts.iter().all(|part| match text[from..].find(part.as_str()) {
            Some(at) => {
                from += at + part.len() - 1;
                true
            }
            None => false,
        })
    })
}

/// A text without what may differ: ` words with one space around `.
///
/// Marks that change a number stay: `3.5` is not 35, and -5 is not 5.
fn letters(text: &str) -> String {
    let folded: Vec<char> = text.chars().map(fold).flat_map(char::to_lowercase).collect();
    let mut out = String::with_capacity(text.len() + 2);
    out.push(' ');
    for (at, character) in folded.iter().enumerate() {
        let digit =
            |at: Option<usize>| at.and_then(|at| folded.get(at)).is_some_and(char::is_ascii_digit);
        let (before, after) = (digit(at.checked_sub(1)), digit(Some(at + 1)));
        let kept = character.is_alphanumeric()
            || matches!(character, '%' | '$' | '€' | '£' | '¥' | '°')
            || (matches!(character, '.' | ':' | '/') && before && after)
            || (*character == '-' && !before && after);
        let apart = out.chars().next_back().is_some_and(|last| {
            // Between Chinese characters a space means nothing.
            crate::tokens::is_han(last) || crate::tokens::is_han(*character)
        });
        if kept {
            if apart && !out.ends_with(' ') {
                out.push(' ');
            }
            out.push(*character);
        } else if *character == ',' && before && after || *character == '\'' {
            // 1,000 is 1000, and don't is dont.
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    if !out.ends_with(' ') {
        out.push(' ');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stands(quote: &str) -> bool {
        let passages = [
            Passage {
                source_id: "a".to_owned(),
                text: "馆内设有 12 个展厅，\n面积3.5万平方米。".to_owned(),
            },
            Passage {
                source_id: "b".to_owned(),
                text: "It doesn’t open on Mondays; tickets cost $1,000 (-5 °C).".to_owned(),
            },
        ];
        find_quote(quote, &passages).is_some()
    }

    #[test]
    fn form_may_differ() {
        for quote in [
            "馆内设有12个展厅",
            "馆内设有１２个展厅，面积3.5万平方米",
            "it doesn't open on mondays",
            "“tickets cost $1000”",
            "It doesn't open ... tickets cost",
        ] {
            assert!(stands(quote), "{quote}");
        }
    }

    #[test]
    fn content_may_not_differ() {
        for quote in [
            "馆内设有13个展厅",
            "面积35万平方米",
            "it does open on mondays",
            "open on Monday",
            "tickets cost 1,000",
            "(5 °C)",
            "tickets cost ... doesn't open",
            "展厅 ... tickets",
            "开",
            "...",
            "",
        ] {
            assert!(!stands(quote), "{quote}");
        }
    }
}
