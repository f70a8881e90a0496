//! What the check says of an answer, for surfaces that tell it as a whole.

use serde_json::{Value, json};

use crate::turn::{Sentence, TurnEvent, Verdict, VerdictStatus};

/// The sentences of an answer and what the check says of them, gathered as they come.
#[derive(Debug, Default)]
pub(super) struct Checked {
    sentences: Vec<Sentence>,
    verdicts: Vec<Verdict>,
}

impl Checked {
    /// Those of an answer that is there as a whole.
    pub(super) fn of(sentences: Vec<Sentence>, verdicts: Vec<Verdict>) -> Self {
        Self { sentences, verdicts }
    }

    /// Takes note of an event.
    pub(super) fn observe(&mut self, event: &TurnEvent) {
        match event {
            TurnEvent::Sentence(sentence) => self.sentences.push(sentence.clone()),
            TurnEvent::Verdict(verdict) => self.verdicts.push(verdict.clone()),
            _ => {}
        }
    }

    /// Everything, in the order of the sentences: `{"status", "verdicts": [{"text", …}]}`, where the
    /// status is the one that speaks most against the answer.
    pub(super) fn report(&self) -> Value {
        let mut verdicts: Vec<&Verdict> = self.verdicts.iter().collect();
        verdicts.sort_by_key(|verdict| verdict.sentence);
        let worst =
            verdicts.iter().map(|verdict| verdict.status).max_by_key(|status| gravity(*status));
        let told: Vec<Value> = verdicts.into_iter().map(|verdict| self.told(verdict)).collect();
        json!({ "status": worst.unwrap_or_default(), "verdicts": told })
    }

    fn told(&self, verdict: &Verdict) -> Value {
        let about = |sentence: &&Sentence| Some(sentence.index) == verdict.sentence;
        let mut told = json!(verdict);
        if let Some(sentence) = self.sentences.iter().find(about) {
            told["text"] = json!(sentence.text);
        }
        told
    }
}

/// How much a status speaks against an answer.
fn gravity(status: VerdictStatus) -> u8 {
    match status {
        VerdictStatus::NotCheckable => 0,
        VerdictStatus::Supported => 1,
        VerdictStatus::Unchecked => 2,
        VerdictStatus::Uncertain => 3,
        VerdictStatus::Unsupported => 4,
        VerdictStatus::Contradicted => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turn::Emotion;

    fn checked(statuses: &[VerdictStatus]) -> Checked {
        let mut checked = Checked::default();
        for (index, status) in (0..).zip(statuses) {
            checked.observe(&TurnEvent::Sentence(Sentence {
                index,
                text: format!("{index}."),
                speech: String::new(),
                emotion: Emotion::Neutral,
                actions: Vec::new(),
                sources: Vec::new(),
            }));
            let verdict = Verdict { sentence: Some(index), status: *status, ..Verdict::default() };
            checked.observe(&TurnEvent::Verdict(verdict));
        }
        // Late verdicts come in any order.
        checked.verdicts.reverse();
        checked
    }

    #[test]
    fn an_answer_is_as_good_as_its_worst_sentence() {
        use VerdictStatus::{Contradicted, NotCheckable, Supported, Unchecked, Unsupported};
        for (statuses, whole) in [
            (vec![NotCheckable, Supported], "supported"),
            (vec![Supported, Unchecked], "unchecked"),
            (vec![Contradicted, Unsupported, Supported], "contradicted"),
            (vec![NotCheckable], "not_checkable"),
            (vec![], "unchecked"),
        ] {
            let report = checked(&statuses).report();
            assert_eq!(report["status"], whole, "{statuses:?}");
            let texts: Vec<_> =
                report["verdicts"].as_array().unwrap().iter().map(|told| &told["text"]).collect();
            let expected: Vec<_> =
                (0..statuses.len()).map(|index| json!(format!("{index}."))).collect();
            assert_eq!(texts, expected.iter().collect::<Vec<_>>());
        }
    }
}
