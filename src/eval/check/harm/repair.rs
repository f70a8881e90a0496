//! What repair does to sentences that are right, in the hands of models that are always wrong.
//!
//! How often a judge blames a right sentence is the judge's own matter. What it could do then is not:
//! the stage of the check asks it about some sentences only, believes a quote only where it stands in
//! the evidence and speaks of the sentence, and a correction only where evidence and quote bear it
//! out. Here the stage itself is run, with a judge and a repairing model that blame every sentence
//! that they are asked about and pick whatever gets through.

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use anima_check::{Form, Lexical, sentences};
use serde::Serialize;
use serde_json::json;

use super::super::{items::index, rows::Row};
use crate::turn::{
    CheckAction, TurnEvent,
    check::{Check, Effect, Failure, Grounds, Help, Patience, Reply, Rule},
    knowledge::Passage,
    sentence::Draft,
};

/// Most quotes, and most false sentences, that are tried for one sentence.
const TRIED: usize = 24;

/// Every model answers in time.
const PATIENCE: Patience =
    Patience { first: Duration::from_mins(1), deadline: Duration::from_mins(1) };

/// Right sentences whose words would be exchanged under the rules `rewrite` and `correct`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Altered {
    /// Right sentences that were put through the stage.
    pub sentences: usize,
    /// Those that a judge or a repairing model is asked about.
    pub asked: usize,
    /// Those altered where there are no such models.
    pub alone: usize,
    /// Those for which a false sentence is at hand: a hallucinated answer to the same evidence.
    pub with_a_false_one: usize,
    /// Those that models which always put the false sentence in their place get altered.
    pub to_false: usize,
    /// Those that models which always put another sentence of the evidence in their place get altered.
    pub to_another: usize,
}

/// What a model says in place of a sentence, and what it quotes for it.
struct Repair<'a> {
    correction: &'a str,
    quote: &'a str,
}

impl Altered {
    /// Puts the sentences of faithful answers through the stage. Keywords are no sentences.
    pub(super) fn of(lexical: &Lexical, form: Form, rows: &[Row]) -> Self {
        let mut altered = Self::default();
        if form == Form::Keyword {
            return altered;
        }
        let mut false_answers: HashMap<&str, Vec<&str>> = HashMap::new();
        for row in rows.iter().filter(|row| row.label == 1) {
            let answers = false_answers.entry(&row.evidence).or_default();
            answers.extend(sentences(&row.answer).into_iter().map(|range| &row.answer[range]));
        }
        let faithful = |row: &&Row| row.label == 0 && !row.evidence.is_empty();
        for row in rows.iter().filter(faithful) {
            let passage = Passage { source: "evidence".to_owned(), text: row.evidence.clone() };
            let rule = Rule::of("rewrite").unwrap_or_default();
            let grounds = Arc::new(Grounds::new(rule, &row.question, vec![passage], true));
            let trial = Trial { lexical, row, grounds };
            let known: Vec<&str> =
                sentences(&row.evidence).into_iter().map(|range| &row.evidence[range]).collect();
            let false_ones =
                false_answers.get(row.evidence.as_str()).map_or(&[][..], Vec::as_slice);
            for range in sentences(&row.answer) {
                altered.count(&trial, row.answer[range].trim(), &known, false_ones);
            }
        }
        altered
    }

    fn count(&mut self, trial: &Trial<'_>, text: &str, known: &[&str], false_ones: &[&str]) {
        self.sentences += 1;
        self.alone += usize::from(trial.run(text, None).altered);
        let others: Vec<&str> = known.iter().copied().filter(|one| one.trim() != text).collect();
        let another = trial.worst(text, &others, known);
        self.asked += usize::from(another.asked);
        self.to_another += usize::from(another.altered);
        if !false_ones.is_empty() {
            self.with_a_false_one += 1;
            self.to_false += usize::from(trial.worst(text, false_ones, known).altered);
        }
    }
}

impl fmt::Display for Altered {
    #[expect(clippy::cast_precision_loss, reason = "counts of sentences")]
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |count: usize, of: usize| 100.0 * count as f64 / of.max(1) as f64;
        write!(
            out,
            "{:.1} % altered without models; models are asked about {:.1} %, and could alter at most {:.1} % \
             to another sentence of the evidence, {:.1} % to a false one",
            percent(self.alone, self.sentences),
            percent(self.asked, self.sentences),
            percent(self.to_another, self.sentences),
            percent(self.to_false, self.with_a_false_one),
        )
    }
}

/// The stage, with one answer's evidence.
struct Trial<'a> {
    lexical: &'a Lexical,
    row: &'a Row,
    grounds: Arc<Grounds>,
}

/// What became of a sentence.
struct Outcome {
    asked: bool,
    altered: bool,
}

impl Trial<'_> {
    /// What becomes of a sentence when models put a correction with a quote in its place that get it
    /// altered, if there are such.
    fn worst(&self, text: &str, corrections: &[&str], quotes: &[&str]) -> Outcome {
        let mut outcome = self.run(text, Some(&Repair { correction: "", quote: "" }));
        if !outcome.asked {
            return outcome;
        }
        let evidence = index(&self.row.evidence);
        let corrections = corrections.iter().take(TRIED).map(|text| text.trim());
        let pairs = corrections.flat_map(|correction| {
            let quotes = quotes.iter().take(TRIED).map(|text| text.trim());
            quotes.map(move |quote| Repair { correction, quote })
        });
        let passes = |repair: &Repair<'_>| {
            self.lexical.proves(repair.correction, &self.row.question, repair.quote, &evidence)
        };
        let mut pairs = pairs.filter(passes);
        outcome.altered = pairs.any(|repair| self.run(text, Some(&repair)).altered);
        outcome
    }

    /// Puts a sentence through the stage; with `repair`, as the word of a judge and a repairing model.
    fn run(&self, text: &str, repair: Option<&Repair<'_>>) -> Outcome {
        let help = Help { judge: repair.is_some(), repair: repair.is_some(), samples: false };
        let now = Instant::now();
        let mut check = Check::new(Some(Arc::clone(&self.grounds)), help, PATIENCE);
        let mut events = check.push(Draft { text: text.to_owned(), ..Draft::default() }, now);
        events.extend(check.finish(now));
        let mut asked = false;
        while let Some(repair) = repair {
            let effects = check.effects();
            if effects.is_empty() {
                break;
            }
            asked = true;
            for effect in effects {
                events.extend(check.reply(repair.reply(&effect), now));
            }
        }
        let is_altered = |event: &TurnEvent| {
            matches!(event, TurnEvent::Verdict(verdict)
                if matches!(verdict.action, CheckAction::Replace | CheckAction::CorrectAfter))
        };
        Outcome { asked, altered: events.iter().any(is_altered) }
    }
}

impl Repair<'_> {
    fn reply(&self, effect: &Effect) -> Reply {
        let Self { correction, quote } = self;
        match effect {
            Effect::Judge { call, .. } => {
                let verdict = json!({ "id": 0, "verdict": "contradicted", "quote": quote, "correction": correction });
                Reply::Judge {
                    call: *call,
                    answer: Ok(json!({ "verdicts": [verdict] }).to_string()),
                }
            }
            Effect::Repair { sentence, .. } => {
                let answer = json!({ "correction": correction, "quote": quote });
                Reply::Repair { sentence: *sentence, answer: Ok(answer.to_string()) }
            }
            Effect::Sample => Reply::Sample(Err(Failure::Unavailable)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(answer: &str, label: u8) -> Row {
        serde_json::from_value(json!({ "id": "1", "answer": answer, "label": label,
            "evidence": "The museum opened in 1987. Its tea garden has 12 tables and is closed in winter." }))
        .unwrap()
    }

    #[test]
    fn models_that_are_always_wrong_alter_what_they_are_asked_about_and_nothing_else() {
        let lexical = Lexical::shipped().unwrap();
        // Its words stand in the evidence: nobody is asked.
        let certain = Altered::of(&lexical, Form::Spoken, &[row("The museum opened in 1987.", 0)]);
        assert_eq!((certain.sentences, certain.asked, certain.to_another), (1, 0, 0));
        // A paraphrase is asked about, and another sentence of the evidence gets through.
        let told_anew = row("Guests sit down at a dozen tables of its tea garden.", 0);
        let found = Altered::of(&lexical, Form::Spoken, std::slice::from_ref(&told_anew));
        assert_eq!((found.asked, found.alone, found.with_a_false_one), (1, 0, 0));
        assert_eq!(found.to_another, 1, "{found:?}");
        // A false sentence does not: the evidence does not bear it out.
        let rows = [told_anew, row("The museum opened in 1931.", 1)];
        let found = Altered::of(&lexical, Form::Spoken, &rows);
        assert_eq!((found.with_a_false_one, found.to_false), (1, 0));
    }
}
