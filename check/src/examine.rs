//! One sentence beside the evidence: its features, and what is at odds in it.

use crate::{
    alignment::{Alignment, Run, longest_run, missing_rows},
    evidence::{Evidence, loose},
    features::{Features, share},
    findings::{Finding, findings},
    laid::{Question, answering},
    manner::{breaking_off, manner},
    parsed::Parsed,
    verdict::ReasonCode,
};

/// A sentence with its features and what is at odds in it.
pub(crate) struct Examined {
    /// The features.
    pub(crate) features: Features,
    /// What is at odds.
    pub(crate) findings: Vec<Finding>,
    /// The best sentence of the evidence.
    pub(crate) best: Option<usize>,
    /// Spans of rows of missing units.
    pub(crate) novel: Vec<std::ops::Range<usize>>,
}

/// Examines one sentence.
pub(crate) fn examine(text: &str, question: &Question<'_>, evidence: &Evidence) -> Examined {
    let parsed = Parsed::new(text);
    let alignment = Alignment::new(&parsed, evidence);
    let findings = findings(text, &parsed, &alignment, evidence, &question.keys);
    let run = longest_run(&parsed.tokens, evidence);
    let mut features = Features::default();
    let novel = coverage(&mut features, text, &parsed, &alignment, evidence, question);
    order(&mut features, &parsed, &alignment, &run, evidence);
    conflicts(&mut features, &findings);
    features.hollow = f64::from(u8::from(parsed.units.is_empty()));
    manner(&mut features, text, &parsed, &alignment, question.text);
    breaking_off(&mut features, text, &parsed, &run, evidence);
    features.first_person_missing = features.first_person * features.missing_weight;
    features.missing_shingles = evidence.missing_shingles(text);
    features.unused = alignment.unused(&parsed.tokens);
    features.missing_squared = features.missing_weight * features.missing_weight;
    features.out_of_order_squared = features.out_of_order * features.out_of_order;
    features.missing_by_length = features.missing_weight * features.length;
    features.spread = features.best_missing - features.missing_weight;
    if question.text.is_empty() {
        features.asked = 0.0;
    } else {
        answering(&mut features, text, &parsed, &alignment, &run, question);
    }
    Examined { features, findings, best: alignment.best, novel }
}

#[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
fn coverage(
    features: &mut Features,
    text: &str,
    parsed: &Parsed,
    alignment: &Alignment<'_>,
    evidence: &Evidence,
    question: &Question<'_>,
) -> Vec<std::ops::Range<usize>> {
    let units = parsed.units.len() as f64;
    let (mut missing, mut weight, mut loosely, mut invented, mut echo) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let mut rows: Vec<(usize, std::ops::Range<usize>)> = Vec::new();
    let mut in_row = false;
    for (at, unit) in parsed.units.iter().enumerate() {
        let asked = question.keys.contains(&unit.key);
        echo += f64::from(u8::from(asked));
        if alignment.covered[at] {
            in_row = false;
            continue;
        }
        missing += 1.0;
        weight += alignment.weights[at];
        let token = &parsed.tokens[unit.token];
        let near = loose(token, text).is_some_and(|key| evidence.loose.contains(&key));
        loosely += f64::from(u8::from(!near));
        invented += f64::from(u8::from(!near && !asked));
        match rows.last_mut().filter(|_| in_row) {
            Some((count, span)) => {
                *count += 1;
                span.end = unit.end;
            }
            None => rows.push((1, unit.start..unit.end)),
        }
        in_row = true;
    }
    features.missing = share(missing, units);
    features.missing_weight = share(weight, alignment.total);
    features.novel = missing.ln_1p();
    features.missing_loose = share(loosely, units);
    features.invented = share(invented, units);
    features.echo = share(echo, units);
    features.novel_row = (rows.iter().map(|(count, _)| *count).max().unwrap_or(0) as f64).ln_1p();
    features.content = units.ln_1p();
    rows.into_iter().map(|(_, span)| span).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
fn order(
    features: &mut Features,
    parsed: &Parsed,
    alignment: &Alignment<'_>,
    run: &Run,
    evidence: &Evidence,
) {
    let tokens = parsed.tokens.len() as f64;
    (features.missing_pairs, features.missing_triples) = missing_rows(&parsed.tokens, evidence);
    features.outside_run = 1.0 - share(run.length as f64, tokens);
    features.verbatim = f64::from(u8::from(run.length == parsed.tokens.len()));
    let (best, pair) = alignment.shares();
    (features.best_missing, features.pair_missing) = (1.0 - best, 1.0 - pair);
    features.out_of_order = 1.0 - alignment.in_order(&parsed.tokens);
    let cohesion = alignment.cohesion();
    let mean = share(cohesion.iter().sum(), cohesion.len() as f64);
    features.loose_mean = if cohesion.is_empty() { 0.0 } else { 1.0 - mean };
    features.loose_most = 1.0 - cohesion.iter().copied().fold(1.0, f64::min);
    features.length = tokens.ln_1p();
    features.short = f64::from(u8::from(tokens <= 3.0));
}

fn conflicts(features: &mut Features, findings: &[Finding]) {
    for finding in findings {
        let strongest = |field: &mut f64| *field = field.max(finding.strength);
        let count = |field: &mut f64| *field = (*field + 1.0).min(3.0);
        match finding.reason.code {
            ReasonCode::UnsupportedNumber => {
                count(&mut features.numbers_missing);
                strongest(&mut features.number_rival);
            }
            ReasonCode::UnsupportedDate => {
                count(&mut features.dates_missing);
                strongest(&mut features.number_rival);
            }
            ReasonCode::UnsupportedUnit => strongest(&mut features.unit_conflict),
            ReasonCode::MisplacedNumber => strongest(&mut features.number_misplaced),
            ReasonCode::UnsupportedName => count(&mut features.names_missing),
            ReasonCode::Antonym => strongest(&mut features.antonym),
            ReasonCode::NegationFlip => strongest(&mut features.negation),
            ReasonCode::LowCoverage => {}
        }
    }
}
