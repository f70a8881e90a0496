//! A word within a sentence: whether the evidence bears it out.

use std::ops::Range;

use crate::{
    alignment::{Alignment, longest_run},
    evidence::{Evidence, loose},
    findings::findings,
    hash::{KeySet, join},
    parsed::Parsed,
    stranger,
    tokens::Kind,
    verdict::ReasonCode,
};

/// The names of the features, in their order.
pub(crate) const NAMES: &[&str] = &[
    "span_missing",
    "span_missing_loose",
    "span_not_verbatim",
    "span_outside_run",
    "span_length",
    "span_number",
    "span_number_missing",
    "span_number_rival",
    "span_name_missing",
    "span_opposite",
    "context_missing",
    "context_fit",
    "best_missing",
    "digits_missing",
    "missing_by_context",
    "begins_strangely",
    "ends_strangely",
    "pairs_missing",
    "number_not_verbatim",
    "number_digits_known",
    "date",
    "length_not_verbatim",
    "known_parts",
    "weight",
    "single",
    "latin",
    "digits",
    "missing_squared",
    "missing_by_length",
    "date_missing",
    "run_by_fit",
    "opposite_or_number",
    "long",
    "stranger",
    "stranger_rarest",
    "stranger_mean",
    "stranger_commonest",
    "stranger_person",
    "stranger_place",
    "stranger_thing",
    "stranger_number",
    "stranger_action",
    "stranger_noun",
    "stranger_other",
    "words",
];

/// The features of the words in `span` of a sentence.
#[expect(clippy::too_many_lines, reason = "one list of features, each made in a line or three")]
#[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
pub(crate) fn features(text: &str, span: &Range<usize>, evidence: &Evidence) -> Vec<f64> {
    let parsed = Parsed::new(text);
    let alignment = Alignment::new(&parsed, evidence);
    let findings = findings(text, &parsed, &alignment, evidence, &KeySet::default());
    let within = |start: usize, end: usize| start < span.end && end > span.start;
    let share = |part: f64, all: f64| if all > 0.0 { part / all } else { 0.0 };
    let tokens: Vec<_> =
        parsed.tokens.iter().filter(|token| within(token.start, token.end)).copied().collect();
    let inside: Vec<usize> = (0..parsed.units.len())
        .filter(|unit| {
            parsed.units[*unit].start >= span.start && parsed.units[*unit].end <= span.end
        })
        .collect();
    let missing = inside.iter().filter(|unit| !alignment.covered[**unit]).count() as f64;
    let strange = |token: &&crate::tokens::Token| {
        loose(token, text).map_or_else(
            || !evidence.positions.contains_key(&token.key),
            |key| !evidence.loose.contains(&key),
        )
    };
    let run = longest_run(&tokens, evidence);
    let around: f64 = (0..parsed.units.len())
        .filter(|unit| !inside.contains(unit))
        .map(|unit| if alignment.covered[unit] { 0.0 } else { alignment.weights[unit] })
        .sum();
    let around_all: f64 = (0..parsed.units.len())
        .filter(|unit| !inside.contains(unit))
        .map(|unit| alignment.weights[unit])
        .sum();
    let fit = inside
        .iter()
        .map(|unit| alignment.fit(*unit, evidence.lines_with(parsed.units[*unit].key)).0)
        .fold(0.0, f64::max);
    let strongest = |codes: &[ReasonCode]| {
        findings
            .iter()
            .filter(|finding| codes.contains(&finding.reason.code))
            .filter(|finding| within(finding.reason.span.start, finding.reason.span.end))
            .map(|finding| (1.0, finding.strength))
            .fold((0.0_f64, 0.0_f64), |a, b| (a.0.max(b.0), a.1.max(b.1)))
    };
    let number = strongest(&[
        ReasonCode::UnsupportedNumber,
        ReasonCode::UnsupportedDate,
        ReasonCode::UnsupportedUnit,
        ReasonCode::MisplacedNumber,
    ]);
    let has_number = parsed
        .quantities
        .iter()
        .any(|quantity| !quantity.weak && within(quantity.start, quantity.end));
    let digits = tokens.iter().filter(|token| token.kind == Kind::Number);
    let strange_digits =
        digits.filter(|token| !evidence.positions.contains_key(&token.key)).count();
    let pair =
        |one: Option<&crate::tokens::Token>, two: Option<&crate::tokens::Token>| match (one, two) {
            (Some(one), Some(two)) if one.touches(two) => {
                f64::from(u8::from(!evidence.pairs.contains(&join(one.key, two.key))))
            }
            _ => 0.0,
        };
    let before = parsed.tokens.iter().rfind(|token| token.end <= span.start);
    let after = parsed.tokens.iter().find(|token| token.start >= span.end);
    let inner = tokens.windows(2).map(|two| pair(Some(&two[0]), Some(&two[1]))).sum::<f64>();
    let date = parsed
        .quantities
        .iter()
        .any(|quantity| quantity.unit.is_date() && within(quantity.start, quantity.end));
    let weight: f64 = inside.iter().map(|unit| alignment.weights[*unit]).sum();
    let not_verbatim = f64::from(u8::from(run.length < tokens.len()));
    let strangers = tokens.iter().filter(strange).count();
    let length = (tokens.len() as f64).ln_1p();
    let numeral = f64::from(u8::from(has_number));
    let flag = |condition: bool| f64::from(u8::from(condition));
    let count = |kind: Kind| tokens.iter().filter(|token| token.kind == kind).count();
    let outside = 1.0 - share(run.length as f64, tokens.len() as f64);
    let span_missing = share(missing, inside.len() as f64);
    let context = share(around, around_all);
    let mut features = vec![
        span_missing,
        share(tokens.iter().filter(strange).count() as f64, tokens.len() as f64),
        f64::from(u8::from(run.length < tokens.len())),
        outside,
        (tokens.len() as f64).ln_1p(),
        f64::from(u8::from(has_number)),
        number.0,
        number.1,
        strongest(&[ReasonCode::UnsupportedName]).0,
        strongest(&[ReasonCode::Antonym, ReasonCode::NegationFlip]).1,
        context,
        fit,
        1.0 - alignment.shares().0,
        f64::from(u8::from(strange_digits > 0)),
        outside * context,
        pair(before, tokens.first()),
        pair(tokens.last(), after),
        share(inner, tokens.len().saturating_sub(1) as f64),
        numeral * not_verbatim,
        numeral * flag(strange_digits == 0),
        flag(date),
        length * not_verbatim,
        not_verbatim * flag(strangers == 0),
        share(weight, inside.len() as f64),
        flag(tokens.len() == 1),
        flag(count(Kind::Word) > 0),
        flag(count(Kind::Number) > 0),
        outside * outside,
        outside * length,
        flag(date) * not_verbatim,
        (1.0 - outside) * fit,
        number.0 * length,
        (length - 1.5).max(0.0),
    ];
    features.extend(stranger::strangers(text.get(span.clone()).unwrap_or_default(), evidence));
    features
}
