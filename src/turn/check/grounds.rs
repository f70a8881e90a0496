//! What the answers of a turn are held against.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::LazyLock,
};

use anima_check::{Evidence, Lexical, Passage, Sentence, Verdict};

use super::{
    super::{
        emotion::{EmotionFilter, Marked},
        knowledge,
    },
    Rule,
};

/// The comparison of words, with the weights that ship. A build whose tests pass has them.
static LEXICAL: LazyLock<Option<Lexical>> = LazyLock::new(|| Lexical::shipped().ok());

/// The most that a model is shown of the evidence, in bytes.
const SHOWN: usize = 24 * 1024;

/// What the answers of one turn are held against: indexed once, before the first token.
#[derive(Debug)]
pub struct Grounds {
    /// How far the check may go.
    pub(super) rule: Rule,
    /// What the person said.
    pub(super) question: String,
    pub(super) evidence: Evidence,
    /// Whether there is knowledge, whose silence means something.
    pub(super) grounded: bool,
    /// What of the evidence a model is shown.
    shown: Vec<Passage>,
}

impl Grounds {
    /// Indexes what is known, the most important passages first. `grounded` says that knowledge was
    /// looked for: only then is what it does not say unsupported.
    ///
    /// Takes about a millisecond for 32 KiB.
    pub fn new(
        rule: Rule,
        question: &str,
        passages: Vec<knowledge::Passage>,
        grounded: bool,
    ) -> Self {
        let passages = passages
            .into_iter()
            .map(|passage| Passage { source_id: passage.source, text: passage.text });
        let evidence = Evidence::index(passages);
        let shown = shown(evidence.passages());
        Self { rule, question: question.to_owned(), evidence, grounded, shown }
    }

    /// Whether knowledge was looked for.
    pub fn is_grounded(&self) -> bool {
        self.grounded
    }

    /// What of the evidence a model is shown, and may quote.
    pub(super) fn shown(&self) -> &[Passage] {
        &self.shown
    }

    /// Compares a sentence with the evidence; `None` when the check itself fails.
    ///
    /// Places are counted in the trimmed sentence.
    pub(super) fn look(&self, text: &str) -> Option<Verdict> {
        let text = text.trim();
        let words = without_tags(text);
        let sentence = Sentence::spoken(words, &self.question);
        let mut verdict = with_lexical(|lexical| lexical.check(&sentence, &self.evidence))?;
        let before = text.len() - words.len();
        for reason in &mut verdict.reasons {
            reason.span = reason.span.start + before..reason.span.end + before;
        }
        Some(verdict)
    }
}

/// A sentence without the tags of an emotion that it begins with, as one that is passed on as the model
/// wrote it may.
fn without_tags(text: &str) -> &str {
    // What opens a tag; whatever a persona says has lost its tags, and is not read once more.
    if !text.starts_with(['[', '【', '(', '（', '<']) {
        return text;
    }
    let mut filter = EmotionFilter::new();
    let mut marked = filter.push(text);
    marked.extend(filter.finish());
    let text_of = |marked| match marked {
        Marked::Text(text) => Some(text),
        Marked::Emotion(_) | Marked::Action(_) => None,
    };
    let words: String = marked.into_iter().filter_map(text_of).collect();
    if text.ends_with(&words) { &text[text.len() - words.len()..] } else { text }
}

/// Compares words; `None` when that fails, which is counted. A fault in it costs a verdict, never a
/// sentence.
pub(super) fn with_lexical<T>(compare: impl FnOnce(&Lexical) -> T) -> Option<T> {
    let lexical = LEXICAL.as_ref()?;
    let compared = catch_unwind(AssertUnwindSafe(|| compare(lexical)));
    if compared.is_err() {
        metrics::counter!("anima_check_failures_total", "role" => "lexical", "reason" => "fault")
            .increment(1);
    }
    compared.ok()
}

/// The first passages, as many as a model is shown.
fn shown(passages: &[Passage]) -> Vec<Passage> {
    let mut left = SHOWN;
    let mut shown = Vec::new();
    for passage in passages {
        let mut end = passage.text.len().min(left);
        while !passage.text.is_char_boundary(end) {
            end -= 1;
        }
        if end == 0 {
            break;
        }
        left -= end;
        let text = passage.text[..end].to_owned();
        shown.push(Passage { source_id: passage.source_id.clone(), text });
    }
    shown
}

#[cfg(test)]
mod tests {
    use metrics::with_local_recorder;
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn a_model_is_shown_so_much_and_no_half_characters() {
        let passage = |text: String| Passage { source_id: "a".to_owned(), text };
        let first = passage("好".repeat(SHOWN / 3 - 1));
        let shown = shown(&[first.clone(), passage("好的".to_owned()), passage("x".to_owned())]);
        assert_eq!(shown, [first, passage("好".to_owned())]);
    }

    #[test]
    fn a_tag_that_a_sentence_begins_with_is_no_word_of_it() {
        let passage =
            knowledge::Passage { source: "a".to_owned(), text: "门票每人40元。".to_owned() };
        let grounds = Grounds::new(Rule::default(), "", vec![passage], true);
        let plain = grounds.look("门票每人80元。").unwrap();
        let tagged = grounds.look(" [calm]门票每人80元。").unwrap();
        assert_eq!((tagged.status, tagged.probability), (plain.status, plain.probability));
        let places = |verdict: &Verdict, by: usize| -> Vec<_> {
            verdict.reasons.iter().map(|it| it.span.start + by..it.span.end + by).collect()
        };
        assert_eq!(places(&tagged, 0), places(&plain, "[calm]".len()));
        assert!(!tagged.reasons.is_empty());
        for text in ["[1]门票", "门票[calm]每人", "", "[calm]"] {
            let words = without_tags(text);
            assert_eq!(words, if text == "[calm]" { "" } else { text });
        }
    }

    #[test]
    fn the_weights_that_ship_are_there_and_a_fault_is_no_panic() {
        assert_eq!(with_lexical(|_| 1), Some(1));
        let recorder = PrometheusBuilder::new().build_recorder();
        let metrics = recorder.handle();
        let broken: Option<()> = with_local_recorder(&recorder, || {
            with_lexical(|_| panic!("a fault of the check, as this test wants it"))
        });
        assert_eq!(broken, None);
        let counted = "anima_check_failures_total{role=\"lexical\",reason=\"fault\"} 1";
        assert!(metrics.render().contains(counted), "{}", metrics.render());
    }
}
