//! Where nothing is known: whether further answers to the same question say the same.

use anima_check::{Evidence, Form, Passage, Sentence};

use super::{Failure, grounds::with_lexical};

/// How many answers there have to be to compare with.
const LEAST: usize = 2;

/// Below this share of answers that say the same, a sentence is uncertain.
pub(super) const CONSISTENT: f64 = 0.5;

/// Further answers to the question of a turn.
#[derive(Debug, Default)]
pub(super) enum Samples {
    /// Nobody was asked for them.
    #[default]
    None,
    /// They are on their way.
    Asked,
    /// They are there.
    Here(Vec<Evidence>),
    /// They will not come.
    Failed(Failure),
}

impl Samples {
    /// Takes what came.
    pub(super) fn of(answer: Result<Vec<String>, Failure>) -> Self {
        match answer {
            Ok(texts) if texts.len() >= LEAST => Self::Here(texts.into_iter().map(index).collect()),
            Ok(_) => Self::Failed(Failure::Silent),
            Err(failure) => Self::Failed(failure),
        }
    }
}

fn index(text: String) -> Evidence {
    Evidence::index([Passage { source_id: String::new(), text }])
}

/// The share of `samples` that say the same as a sentence.
#[expect(clippy::cast_precision_loss, reason = "counts of answers")]
pub(super) fn agreement(text: &str, question: &str, samples: &[Evidence]) -> Option<f64> {
    let sentence = Sentence::spoken(text.trim(), question);
    with_lexical(|lexical| {
        let threshold = lexical.threshold(Form::Spoken);
        let agrees = |sample: &&Evidence| {
            !sample.is_empty() && lexical.probability(&sentence, sample) <= threshold
        };
        samples.iter().filter(agrees).count() as f64 / samples.len().max(1) as f64
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(texts: &[&str]) -> Vec<Evidence> {
        texts.iter().map(|text| index((*text).to_owned())).collect()
    }

    #[test]
    fn answers_that_say_the_same_agree() {
        let question = "Who painted it?";
        let same =
            samples(&["It was painted by Ada Winterbourne.", "Ada Winterbourne painted it."]);
        let text = "Ada Winterbourne painted it. ";
        assert_eq!(agreement(text, question, &same), Some(1.0));
        let other = samples(&["Bo Larsen did, in Oslo.", "I believe that was Carla Ruiz.", ""]);
        assert_eq!(agreement(text, question, &other), Some(0.0));
    }

    #[test]
    fn one_answer_is_not_enough() {
        assert!(matches!(Samples::of(Ok(vec!["a".to_owned()])), Samples::Failed(Failure::Silent)));
        let two = vec!["a".to_owned(), "b".to_owned()];
        assert!(matches!(Samples::of(Ok(two)), Samples::Here(_)));
    }
}
