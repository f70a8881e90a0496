//! Fits the weights, and scores sets by weights that have not seen them.

use std::collections::BTreeMap;

use anima_check::{
    Form, Profile, Weights,
    logistic::{Answer, Logistic, fit_answers, sigmoid},
};

use super::{
    items::Item,
    metrics::{Confusion, Scored, best_threshold},
};

/// The sets whose licences allow weights that ship to be trained on them.
pub(super) const TRAINING_SETS: [&str; 3] = ["begin_wow", "cmrc_zh", "halueval_qa"];

/// How many parts a set is split into; each is scored by weights of the others.
pub(super) const FOLDS: u64 = 10;
const RIDGE: f64 = 5.0;
/// What a whole set weighs, so that a large one does not outvote a small one.
const SET_WEIGHT: f64 = 2000.0;
/// Sentences below the lower bound, or above the upper one, are told right this often.
const BAND: f64 = 0.9;

/// The part of a split that a group falls into.
pub(super) fn fold(group: &str) -> u64 {
    let hash =
        group.bytes().fold(7_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    // The low bits of such a sum depend on few letters.
    ((hash ^ (hash >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % FOLDS
}

/// Fits a model for one form.
#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
pub(super) fn fit(sets: &[Vec<&Item>]) -> Logistic {
    let answers: Vec<Answer> = sets
        .iter()
        .flat_map(|items| {
            let weight = SET_WEIGHT / items.len().max(1) as f64;
            items.iter().map(move |item| Answer {
                sentences: item.parts.iter().map(|part| part.features.clone()).collect(),
                unsupported: item.label,
                weight,
            })
        })
        .collect();
    fit_answers(&answers, RIDGE)
}

/// Scores `these` items by models that have seen no item of their groups.
pub(super) fn cross_validate<'a>(
    sets: &[Vec<&'a Item>],
    these: &[&'a Item],
    with_triage: bool,
) -> Vec<(f64, &'a Item)> {
    let mut scored = Vec::new();
    for part in 0..FOLDS {
        let others: Vec<Vec<&Item>> = sets
            .iter()
            .map(|items| items.iter().copied().filter(|item| fold(&item.group) != part).collect())
            .collect();
        let model = fit(&others);
        let these = these.iter().filter(|item| fold(&item.group) == part);
        scored.extend(these.map(|item| {
            (item.score(with_triage, |features| sigmoid(model.log_odds(features))), *item)
        }));
    }
    scored
}

/// The items that a form is trained on: those of the set that is of this form. The few rows of other
/// sets that look like it are scored, and not learned from.
pub(super) fn by_form(sets: &BTreeMap<String, Vec<Item>>, form: Form) -> Vec<Vec<&Item>> {
    let set = match form {
        Form::SpanEn => "halueval_qa",
        Form::SpanZh => "cmrc_zh",
        _ => "begin_wow",
    };
    sets.get(set)
        .map(|items| items.iter().filter(|item| item.form == form).collect())
        .into_iter()
        .collect()
}

/// Fits all profiles. `statements` are the training sets once more, as texts of their own words, and
/// `keywords` words of the Chinese passages, some of them changed.
pub(super) fn train(
    sets: &BTreeMap<String, Vec<Item>>,
    statements: &[Item],
    keywords: &[Item],
) -> Weights {
    let profiles = Form::ALL
        .into_iter()
        .map(|form| {
            let items = match form {
                Form::Statement => vec![statements.iter().collect()],
                Form::Keyword => vec![keywords.iter().collect()],
                _ => by_form(sets, form),
            };
            (
                form,
                Profile::new(
                    form,
                    &fit(&items),
                    bounds(&cross_validate(&items, &items.concat(), false)),
                ),
            )
        })
        .collect();
    Weights { trained_on: TRAINING_SETS.map(str::to_owned).to_vec(), seen: Vec::new(), profiles }
}

/// The lower bound, the threshold and the upper bound, from scores of unseen items.
fn bounds(scored: &[(f64, &Item)]) -> [f64; 3] {
    let rows: Vec<Scored> = scored
        .iter()
        .map(|(score, item)| Scored {
            score: *score,
            threshold: 0.5,
            label: item.label,
            group: item.group.clone(),
        })
        .collect();
    let threshold = best_threshold(&rows);
    let steps = || (1..100).map(|percent| f64::from(percent) / 100.0);
    let clean = |low: f64| {
        let counts = Confusion::at(&rows, low);
        let passed = (counts.passes + counts.misses).max(1);
        #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
        let share = counts.passes as f64 / passed as f64;
        share >= BAND
    };
    let low = steps().rfind(|step| *step <= threshold && clean(*step));
    let high =
        steps().find(|step| *step >= threshold && Confusion::at(&rows, *step).precision() >= BAND);
    let round = |value: f64| (value * 1e4).round() / 1e4;
    [
        round(low.unwrap_or(0.05).min(threshold)),
        round(threshold),
        round(high.unwrap_or(0.95).max(threshold)),
    ]
}
