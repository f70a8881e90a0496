//! Records → figures, for each category, each language and in all.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    super::statistics::{Choices, Latency, choices, deviation, figure, interval, mean, share},
    record::Record,
    scoring::WordOverlap,
};

/// What came of a group of questions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// A category, a language or `all`.
    pub name: String,
    /// Questions.
    pub questions: usize,
    /// Answers, of all runs; those that failed count as wrong.
    pub answers: usize,
    /// How many of them failed.
    pub errors: usize,
    /// The share of right answers.
    pub accuracy: f64,
    /// Its 95 % interval, over the questions.
    pub interval: Option<(f64, f64)>,
    /// The mean score, in which an answer may be half right.
    pub score: f64,
    /// The share of right answers in each run that asked all of these questions.
    pub runs: Vec<f64>,
    /// The standard deviation of these.
    pub deviation: Option<f64>,
    /// The mean overlap of words, of questions that are judged by it.
    pub overlap: Option<WordOverlap>,
    /// Of questions with choices.
    pub choices: Option<Choices>,
}

/// All groups: `all`, the categories, the languages.
pub fn groups(records: &[Record]) -> Vec<Group> {
    // The numbers put them in order.
    let mut named: BTreeMap<(u8, u8, &str), Vec<&Record>> = BTreeMap::new();
    for record in records {
        let (category, lang) = (record.category, record.lang);
        for name in
            [(0, 0, "all"), (1, category as u8, category.name()), (2, lang as u8, lang.name())]
        {
            named.entry(name).or_default().push(record);
        }
    }
    named.into_iter().filter_map(|((_, _, name), records)| group(name, &records)).collect()
}

fn group(name: &str, records: &[&Record]) -> Option<Group> {
    let right = |record: &&Record| f64::from(u8::from(record.judgement.correct));
    let mut questions: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut runs: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for record in records {
        questions.entry(&record.id).or_default().push(right(record));
        runs.entry(record.run).or_default().push(right(record));
    }
    let each: Vec<f64> = questions.values().filter_map(|answers| mean(answers)).collect();
    let whole = |answers: &&Vec<f64>| answers.len() == questions.len();
    let runs: Vec<f64> = runs.values().filter(whole).filter_map(|answers| mean(answers)).collect();
    let scores: Vec<f64> = records.iter().map(|record| record.judgement.score).collect();
    let chosen = records.iter().filter_map(|record| record.judgement.choice.as_ref());
    let chosen: Vec<_> =
        chosen.map(|choice| (choice.right.as_str(), choice.made.as_deref())).collect();
    Some(Group {
        name: name.to_owned(),
        questions: questions.len(),
        answers: records.len(),
        errors: records.iter().filter(|record| record.error.is_some()).count(),
        accuracy: mean(&each)?,
        interval: interval(&each),
        score: mean(&scores)?,
        deviation: deviation(&runs),
        runs,
        overlap: overlap(records),
        choices: choices(&chosen),
    })
}

fn overlap(records: &[&Record]) -> Option<WordOverlap> {
    let overlaps: Vec<_> = records.iter().filter_map(|record| record.judgement.overlap).collect();
    let of = |part: fn(&WordOverlap) -> f64| {
        share(overlaps.iter().map(part).sum(), figure(overlaps.len()))
    };
    (!overlaps.is_empty()).then(|| WordOverlap {
        precision: of(|overlap| overlap.precision),
        recall: of(|overlap| overlap.recall),
        f1: of(|overlap| overlap.f1),
    })
}

/// How long the answers took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Latencies {
    /// Until the first text.
    pub first_token: Option<Latency>,
    /// Until the end.
    pub total: Option<Latency>,
}

impl Latencies {
    /// Of the answers that there were.
    pub fn of(records: &[Record]) -> Self {
        let answered = || records.iter().filter(|record| record.error.is_none());
        let first: Vec<f64> = answered().filter_map(|record| record.first_token_ms).collect();
        let total: Vec<f64> = answered().map(|record| record.total_ms).collect();
        Self { first_token: Latency::of(&first), total: Latency::of(&total) }
    }
}

/// The models that answered, as the provider calls them.
pub fn models(records: &[Record]) -> Vec<String> {
    let named = records.iter().map(|record| record.model.clone()).filter(|name| !name.is_empty());
    named.collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            scoring::{Chosen, Judgement},
            suite::{Category, Lang},
        },
        *,
    };

    fn record(id: &str, category: Category, run: u32, correct: bool) -> Record {
        Record {
            id: id.to_owned(),
            category,
            lang: if id.starts_with('e') { Lang::En } else { Lang::Zh },
            run,
            provider: "it".to_owned(),
            model: "m".to_owned(),
            prompt: String::new(),
            answer: String::new(),
            error: None,
            judgement: Judgement {
                correct,
                score: if correct { 1.0 } else { 0.25 },
                overlap: None,
                choice: Some(Chosen {
                    right: "A".to_owned(),
                    made: correct.then(|| "A".to_owned()),
                }),
            },
            first_token_ms: Some(1.0),
            total_ms: f64::from(run),
        }
    }

    #[test]
    fn runs_are_compared_and_questions_count_alike() {
        let mut records = vec![
            record("e1", Category::Code, 1, true),
            record("e2", Category::Code, 1, true),
            record("z1", Category::Writing, 1, false),
            record("e1", Category::Code, 2, true),
            record("e2", Category::Code, 2, false),
            record("z1", Category::Writing, 2, true),
            // A third run that was interrupted.
            record("e1", Category::Code, 3, true),
        ];
        records[6].error = Some("down".to_owned());
        let groups = groups(&records);
        let names: Vec<_> = groups.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(names, ["all", "writing", "code", "zh", "en"]);
        let all = &groups[0];
        assert_eq!((all.questions, all.answers, all.errors), (3, 7, 1));
        // e1 is right each time, e2 and z1 every other time.
        assert!((all.accuracy - 2.0 / 3.0).abs() < 1e-9, "{all:?}");
        // The third run is not whole; the others are right twice of three.
        assert_eq!(all.runs.len(), 2);
        assert_eq!(all.deviation, Some(0.0));
        assert!((all.score - (5.0 + 2.0 * 0.25) / 7.0).abs() < 1e-9, "{all:?}");
        let code = &groups[2];
        assert_eq!(code.runs, [1.0, 0.5]);
        // (1 − 0.5) / √2
        assert!((code.deviation.unwrap() - 0.125_f64.sqrt()).abs() < 1e-9);
        assert!((code.choices.unwrap().recall - 0.8).abs() < 1e-9, "{code:?}");
        assert_eq!(Latencies::of(&records).total.unwrap().count, 6);
        assert_eq!(models(&records), ["m"]);
    }
}
