//! What the check does to sentences that are right.

mod repair;

use std::fmt;

use anima_check::{Form, Lexical, Sentence, Status, sentences};
use serde::Serialize;

use super::{items::index, rows::Row};
use repair::Altered;

/// Verdicts on the sentences of faithful answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Harm {
    /// Sentences of faithful answers.
    pub sentences: usize,
    /// Those called contradicted.
    pub contradicted: usize,
    /// Those called unsupported.
    pub unsupported: usize,
    /// Those left undecided.
    pub uncertain: usize,
    /// Those whose words would be exchanged.
    pub altered: Altered,
}

impl Harm {
    /// Checks the faithful answers of a set; `None` where it has none.
    pub(super) fn of(lexical: &Lexical, form: Form, rows: &[Row]) -> Option<Self> {
        let mut harm = Self::default();
        let faithful = |row: &&Row| row.label == 0 && !row.evidence.is_empty();
        for row in rows.iter().filter(faithful) {
            let evidence = index(&row.evidence);
            for range in sentences(&row.answer) {
                let text = &row.answer[range];
                let sentence = Sentence { text, question: &row.question, form };
                harm.count(lexical.check(&sentence, &evidence).status);
            }
        }
        harm.altered = Altered::of(lexical, form, rows);
        (harm.sentences > 0).then_some(harm)
    }

    fn count(&mut self, status: Status) {
        self.sentences += 1;
        match status {
            Status::Contradicted => self.contradicted += 1,
            Status::Unsupported => self.unsupported += 1,
            Status::Uncertain => self.uncertain += 1,
            _ => {}
        }
    }
}

impl fmt::Display for Harm {
    #[expect(clippy::cast_precision_loss, reason = "counts of sentences")]
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |count: usize| 100.0 * count as f64 / self.sentences.max(1) as f64;
        write!(
            out,
            "{} faithful sentences: {:.1} % called contradicted, {:.1} % unsupported, {:.1} % undecided",
            self.sentences,
            percent(self.contradicted),
            percent(self.unsupported),
            percent(self.uncertain)
        )?;
        write!(out, "; {}", self.altered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_faithful_answers_are_counted() {
        let row = |answer: &str, label: u8| -> Row {
            serde_json::from_value(serde_json::json!({
                "id": "1", "answer": answer, "label": label, "evidence": "The museum opened in 1987.",
            }))
            .unwrap()
        };
        let lexical = Lexical::shipped().unwrap();
        let rows = [row("The museum opened in 1987.", 0), row("The museum opened in 1997.", 1)];
        let harm = Harm::of(&lexical, Form::Spoken, &rows).unwrap();
        assert_eq!((harm.sentences, harm.contradicted, harm.unsupported), (1, 0, 0));
        // A label that is wrong shows: the check blames what another label calls faithful.
        let harm =
            Harm::of(&lexical, Form::Spoken, &[row("The museum opened in 1997.", 0)]).unwrap();
        assert_eq!(harm.contradicted, 1);
        assert_eq!(Harm::of(&lexical, Form::Spoken, &rows[1..]), None);
    }
}
