//! The words of the check: what is said before, or instead of, a sentence.

use anima_check::{Language, corrected, doubt, hedge, withheld};

/// A sentence after a caution, and how many characters come before the sentence itself.
/// `contradicted` says that the evidence is not merely silent.
pub(super) fn hedged(text: &str, contradicted: bool) -> (String, usize) {
    let (before, sentence, after) = parts(text);
    let caution = if contradicted { doubt } else { hedge };
    let cautioned = format!("{before}{}", caution(sentence));
    let own = cautioned.len() - sentence.len();
    let offset = cautioned[..own].chars().count();
    (cautioned + after, offset)
}

/// How many characters come before a sentence that is said as it is.
pub(super) fn offset(text: &str) -> usize {
    parts(text).0.chars().count()
}

/// What stands in for a sentence that is withheld.
pub(super) fn stand_in(text: &str) -> String {
    replaced(text, withheld(Language::of(text)))
}

/// Another sentence with the white space of this one.
pub(super) fn replaced(text: &str, with: &str) -> String {
    let (before, _, after) = parts(text);
    format!("{before}{}{after}", with.trim())
}

/// A correction as a sentence of its own behind `said`, with more to come or not.
pub(super) fn correction_after(said: &str, correction: &str, more: bool) -> String {
    let sentence = corrected(correction.trim());
    let english = Language::of(&sentence) == Language::English;
    let parted = said.is_empty() || said.ends_with(char::is_whitespace);
    let before = if english && !parted { " " } else { "" };
    let after = if english && more { " " } else { "" };
    format!("{before}{sentence}{after}")
}

/// A text as white space, sentence, white space.
fn parts(text: &str) -> (&str, &str, &str) {
    let sentence = text.trim();
    let start = text.len() - text.trim_start().len();
    (&text[..start], sentence, &text[start + sentence.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_stays_where_it_was() {
        let (text, offset) = hedged("\nIt opened in 1987. ", false);
        assert!(text.starts_with("\nMy notes") && text.ends_with("It opened in 1987. "), "{text}");
        assert_eq!(text.chars().skip(offset).collect::<String>(), "It opened in 1987. ");
        assert_eq!(stand_in("它建于1987年。\n"), "这一点我需要再确认一下。\n");
        assert_eq!(replaced(" a ", "b\n"), " b ");
    }

    #[test]
    fn a_correction_is_parted_from_what_was_said() {
        let after = correction_after("It opened in 1997.", "It opened in 1987.", true);
        assert_eq!(after, " Let me correct that: It opened in 1987. ");
        let after = correction_after("It opened. ", "It opened in 1987.", false);
        assert_eq!(after, "Let me correct that: It opened in 1987.");
        assert_eq!(
            correction_after("它建于1997年。", "它建于1987年。", true),
            "更正一下：它建于1987年。"
        );
    }
}
