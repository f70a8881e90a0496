//! Keeps an answer short.

use super::sentence::{Draft, clauses, is_ended, words_within};

pub use super::sentence::count_units;

/// How long an answer may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// An answer has fewer units than this ([`count_units`]); `None` lets it be as long as it is.
    pub fewer_than: Option<u32>,
}

/// What is left of a sentence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// The sentence, whole or cut; `None` when it did not fit.
    pub draft: Option<Draft>,
    /// Nothing more will be kept: generation can stop.
    pub full: bool,
}

/// Lets whole sentences through while they fit into a [`Budget`].
///
/// What is released is always a prefix of what came in. A sentence that does not fit is dropped,
/// except the first, which is cut: behind its last clause mark within the budget, else behind its
/// last word within it. Where the first sentence comes in fragments, what does not fit any more is cut
/// at a clause mark or dropped, never at a word. Once something was cut or dropped, or not one unit
/// is left, the answer is full.
#[derive(Debug)]
pub struct Brevity {
    /// Units that still fit; `None` is without limit.
    left: Option<u32>,
    progress: Progress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Nothing has been released.
    Empty,
    /// A fragment of the first sentence has been released.
    Begun,
    /// The first sentence has been released.
    Whole,
    Full,
}

impl Brevity {
    /// Brevity for one answer.
    pub fn new(budget: Budget) -> Self {
        let left = budget.fewer_than.map(|units| units.saturating_sub(1));
        Self { left, progress: Progress::Empty }
    }

    /// Takes the next sentence or fragment and gives what may be released of it.
    pub fn push(&mut self, draft: Draft) -> Kept {
        if self.progress == Progress::Full {
            return Kept { draft: None, full: true };
        }
        let Some(left) = self.left else {
            return Kept { draft: Some(draft), full: false };
        };
        let units = count_units(&draft.text);
        if units > left {
            let draft = self.cut(draft, left);
            self.progress = Progress::Full;
            return Kept { draft, full: true };
        }
        self.left = Some(left - units);
        self.progress = match self.progress {
            _ if left == units => Progress::Full,
            Progress::Empty | Progress::Begun if !is_ended(&draft.text) => Progress::Begun,
            _ => Progress::Whole,
        };
        Kept { draft: Some(draft), full: self.progress == Progress::Full }
    }

    /// The start of a sentence that can be released, if it is part of the first.
    fn cut(&self, mut draft: Draft, left: u32) -> Option<Draft> {
        let fits = |place: &usize| (1..=left).contains(&count_units(&draft.text[..*place]));
        let clause = || clauses(&draft.text).into_iter().rfind(fits);
        let place = match self.progress {
            Progress::Empty => clause().or_else(|| Some(words_within(&draft.text, left).len())),
            Progress::Begun => clause(),
            Progress::Whole | Progress::Full => None,
        };
        let place = place.filter(|place| *place > 0)?;
        draft.text.truncate(place);
        Some(draft)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::emotion::Marked;
    use super::super::sentence::{Segmenter, SegmenterOptions};
    use super::*;

    /// What is released of the drafts, and whether the answer is full then.
    fn kept(fewer_than: u32, drafts: &[&str]) -> (String, bool) {
        let mut brevity = Brevity::new(Budget { fewer_than: Some(fewer_than) });
        let mut text = String::new();
        let mut full = false;
        for draft in drafts {
            let kept = brevity.push(Draft { text: (*draft).to_owned(), ..Draft::default() });
            text.extend(kept.draft.map(|draft| draft.text));
            full = kept.full;
        }
        (text, full)
    }

    #[test]
    fn characters_and_words_are_counted_and_marks_are_not() {
        for (text, units) in [
            ("", 0),
            ("你好，世界！", 4),
            ("Hello, world!", 2),
            ("我在用Rust写代码", 7),
            ("3.14 and 1,000 don't well-known main.rs", 6),
            ("50%的人", 3),
            ("😊👍🏻……\n ", 0),
            ("café e\u{301}te\u{301} नमस्ते", 3),
            ("こんにちは 안녕", 7),
            ("a,b c, d", 4),
            ("10:30", 1),
        ] {
            assert_eq!(count_units(text), units, "{text:?}");
        }
    }

    #[test]
    fn whole_sentences_are_kept_while_they_fit() {
        assert_eq!(
            kept(9, &["一二三四。", "五六七八。"]),
            ("一二三四。五六七八。".to_owned(), true)
        );
        assert_eq!(kept(8, &["一二三四。", "五六七八。"]), ("一二三四。".to_owned(), true));
        assert_eq!(kept(8, &["一二三四。", "五六，七八。"]), ("一二三四。".to_owned(), true));
        assert_eq!(kept(25, &["一二三四。", "五六。"]), ("一二三四。五六。".to_owned(), false));
        assert_eq!(kept(8, &["一二三四。", "五六七八。", "九。"]), ("一二三四。".to_owned(), true));
    }

    #[test]
    fn a_long_first_sentence_is_cut_at_a_clause_or_a_word() {
        assert_eq!(kept(8, &["一二三，四五六，七八九。"]), ("一二三，四五六，".to_owned(), true));
        assert_eq!(kept(8, &["一二三四五六七八九。"]), ("一二三四五六七".to_owned(), true));
        assert_eq!(kept(4, &["one two three four five."]), ("one two three".to_owned(), true));
        // One word to Unicode, several units to a listener.
        assert_eq!(kept(2, &["0，0"]), ("0".to_owned(), true));
        assert_eq!(kept(3, &["カタカナ"]), ("カタ".to_owned(), true));
        assert_eq!(kept(5, &["one two, three four five."]), ("one two, ".to_owned(), true));
        assert_eq!(kept(3, &["1,000,000 people live here"]), ("1,000,000 people".to_owned(), true));
        assert_eq!(kept(1, &["一二三。"]), (String::new(), true));
        assert_eq!(kept(0, &["一二三。"]), (String::new(), true));
        assert_eq!(kept(5, &["“一二。三四五六。”"]), ("“一二。".to_owned(), true));
    }

    #[test]
    fn a_fragment_that_does_not_fit_any_more_is_cut_at_a_clause_or_dropped() {
        assert_eq!(
            kept(8, &["一二三四，", "五六，七八九。"]),
            ("一二三四，五六，".to_owned(), true)
        );
        assert_eq!(kept(8, &["一二三四，", "五六七八九。"]), ("一二三四，".to_owned(), true));
        assert_eq!(
            kept(12, &["一二三四，", "五六。", "七，八九十一二三。"]),
            ("一二三四，五六。".to_owned(), true)
        );
    }

    #[test]
    fn without_a_limit_everything_is_kept() {
        let mut brevity = Brevity::new(Budget::default());
        let draft = Draft { text: "长".repeat(1000), ..Draft::default() };
        assert_eq!(brevity.push(draft.clone()), Kept { draft: Some(draft), full: false });
    }

    proptest! {
        #[test]
        fn what_is_released_is_a_short_prefix_of_the_text(
            text in "([你好我们去]{1,9}|[a-z]{1,5}|[0-9]{1,3}|[，。！？,.!?“” …😊\n]){0,40}",
            fewer_than in 0u32..40,
        ) {
            let mut segmenter = Segmenter::new(SegmenterOptions::default());
            let mut drafts = segmenter.push(Marked::Text(text.clone()));
            drafts.extend(segmenter.finish());
            let mut brevity = Brevity::new(Budget { fewer_than: Some(fewer_than) });
            let mut released = String::new();
            let mut full = false;
            for draft in drafts {
                let kept = brevity.push(draft);
                prop_assert!(!full || (kept.full && kept.draft.is_none()));
                full = kept.full;
                released.extend(kept.draft.map(|draft| draft.text));
            }
            prop_assert!(text.starts_with(&released));
            prop_assert!(count_units(&released) < fewer_than.max(1));
            prop_assert!(fewer_than < 2 || count_units(&text) == 0 || count_units(&released) > 0);
        }
    }
}
