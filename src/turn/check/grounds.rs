//! What the answers of a turn are held against.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::LazyLock,
};

use anima_check::{Evidence, Lexical, Passage, Sentence, Verdict};

use super::{super::knowledge, Rule};

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
    pub(super) fn look(&self, text: &str) -> Option<Verdict> {
        let sentence = Sentence::spoken(text.trim(), &self.question);
        with_lexical(|lexical| lexical.check(&sentence, &self.evidence))
    }
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
