//! What every store decides alike, whatever it keeps its rows in.

use unicode_segmentation::UnicodeSegmentation;

use super::{Answer, ExchangeState};
use crate::turn::{EndReason, Verdict};

/// Most characters of a title that a store makes.
const TITLE_CHARS: usize = 40;

/// A name for a session: the beginning of its first words, on one line and at most 40 characters
/// long, none of them cut apart.
pub(super) fn title_of(words: &str) -> String {
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut left = TITLE_CHARS;
    let title: String = line
        .graphemes(true)
        .take_while(|grapheme| {
            let chars = grapheme.chars().count();
            let fits = chars <= left;
            left = left.saturating_sub(chars);
            fits
        })
        .collect();
    title.trim_end().to_owned()
}

/// How an exchange stands once `answer` has been given.
pub(super) fn state_after(answer: &Answer) -> ExchangeState {
    match answer {
        Answer { error: Some(_), .. } => ExchangeState::Failed,
        Answer { outcome: Some(_), .. } => ExchangeState::Finished,
        _ => ExchangeState::Incomplete,
    }
}

/// Whether `answer` takes the place of the one that it was to replace: it came to an end, and was
/// not interrupted before anything was said.
pub(super) fn takes_the_place(answer: &Answer) -> bool {
    let said_something =
        |reason: EndReason, text: &str| reason != EndReason::Interrupted || !text.is_empty();
    answer.error.is_none()
        && answer
            .outcome
            .as_ref()
            .is_some_and(|outcome| said_something(outcome.reason, &outcome.text))
}

/// Adds verdicts that came late; they replace earlier ones on the same sentence.
pub(super) fn judge(answer: &mut Answer, late: &[Verdict]) {
    answer
        .verdicts
        .retain(|earlier| late.iter().all(|verdict| verdict.sentence != earlier.sentence));
    answer.verdicts.extend_from_slice(late);
    answer.verdicts.sort_by_key(|verdict| (verdict.sentence.is_none(), verdict.sentence));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_line_of_at_most_40_characters() {
        assert_eq!(title_of("  What is\n\n the   capital? "), "What is the capital?");
        assert_eq!(title_of(&"好".repeat(50)), "好".repeat(40));
        assert_eq!(title_of(&format!("{} end", "a".repeat(39))), "a".repeat(39));
    }

    #[test]
    fn a_title_cuts_no_character_apart() {
        let family = "👨\u{200d}👩\u{200d}👧";
        assert_eq!(title_of(&format!("{}{family}", "a".repeat(38))), "a".repeat(38));
    }
}
