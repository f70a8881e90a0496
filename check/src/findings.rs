//! What in a sentence is at odds with the evidence, place by place.

use std::ops::Range;

use crate::{
    alignment::Alignment,
    evidence::Evidence,
    hash::KeySet,
    lexicon::ANTONYMS,
    parsed::Parsed,
    quantity::{Quantity, Unit},
    tokens::Kind,
    verdict::{Reason, ReasonCode},
};

/// How well the surroundings have to fit before a difference counts as one.
const SAME_SLOT: f64 = 0.45;

/// One place that is at odds, and how sure that is.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    /// What it is.
    pub(crate) reason: Reason,
    /// How well the evidence fits around it: 0 to 1.
    pub(crate) strength: f64,
    /// The sentence of the evidence that says otherwise.
    pub(crate) line: Option<usize>,
}

/// Looks for all of them.
pub(crate) fn findings(
    text: &str,
    parsed: &Parsed,
    alignment: &Alignment<'_>,
    evidence: &Evidence,
    question: &KeySet,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let stated = |quantity: &&Quantity| !quantity.weak && !numbers_a_list(text, quantity);
    for quantity in parsed.quantities.iter().filter(stated) {
        found.extend(number(text, quantity, parsed, alignment, evidence));
    }
    found.extend(names(text, parsed, evidence, question));
    for unit in 0..parsed.units.len() {
        found.extend(antonym(text, unit, parsed, alignment, evidence));
    }
    found.extend(
        (0..parsed.units.len())
            .filter_map(|unit| negation(text, unit, parsed, alignment, evidence))
            .max_by(|one, other| one.strength.total_cmp(&other.strength)),
    );
    found
}

/// `3.` or `(3)` at the beginning, or `passage 3`: it counts parts of the text and states nothing.
fn numbers_a_list(text: &str, quantity: &Quantity) -> bool {
    let before =
        text.get(..quantity.start).unwrap_or_default().trim_end_matches(['(', '（', '[', ' ']);
    let after = text.get(quantity.end..).unwrap_or_default();
    let marked = after.starts_with(['.', ')', '）', ']', '、', ':', '：']) || after.is_empty();
    let refers = ["passage", "passages", "source", "来源", "资料"];
    let lower = before.to_lowercase();
    (before.is_empty() && marked) || refers.iter().any(|word| lower.ends_with(word))
}

fn number(
    text: &str,
    quantity: &Quantity,
    parsed: &Parsed,
    alignment: &Alignment<'_>,
    evidence: &Evidence,
) -> Option<Finding> {
    let unit = parsed.units.iter().position(|unit| unit.end > quantity.start);
    let lines = |wanted: &dyn Fn(&Quantity) -> bool| -> Vec<u32> {
        evidence
            .quantities
            .iter()
            .filter(|(other, _)| wanted(other))
            .map(|(_, line)| *line)
            .collect()
    };
    let fit = |lines: &[u32]| unit.map_or((0.0, None), |unit| alignment.fit(unit, lines));
    let same = lines(&|other| quantity.matches(other));
    let rivals = lines(&|other| quantity.rivals(other));
    let (rival_fit, rival_line) = fit(&rivals);
    let (same_fit, _) = fit(&same);
    let elsewhere = lines(&|other| quantity.same_value(other) && !quantity.matches(other));
    let (code, strength, line) = if same.is_empty() && !elsewhere.is_empty() {
        let (strength, line) = fit(&elsewhere);
        (
            ReasonCode::UnsupportedUnit,
            strength,
            line.or(elsewhere.first().map(|line| *line as usize)),
        )
    } else if same.is_empty() {
        let code = match quantity.unit {
            unit if unit.is_date() => ReasonCode::UnsupportedDate,
            _ => ReasonCode::UnsupportedNumber,
        };
        (code, rival_fit, rival_line)
    } else if rival_fit - same_fit > SAME_SLOT && quantity.unit != Unit::Ordinal {
        (ReasonCode::MisplacedNumber, rival_fit - same_fit, rival_line)
    } else {
        return None;
    };
    let nearest = evidence
        .quantities
        .iter()
        .filter(|(other, at)| {
            line == Some(*at as usize) && (quantity.rivals(other) || quantity.same_value(other))
        })
        .find_map(|(other, at)| evidence.quantity_text(other, *at as usize));
    Some(finding(text, code, quantity.start..quantity.end, nearest, strength, line))
}

/// Names that no word of is in the evidence: capitals, and Latin words within Chinese.
fn names(text: &str, parsed: &Parsed, evidence: &Evidence, question: &KeySet) -> Vec<Finding> {
    let mut found = Vec::new();
    let tokens = &parsed.tokens;
    let within_han = tokens.iter().any(|token| token.kind == Kind::Han);
    let mut at = 0;
    while at < tokens.len() {
        let first = at;
        while tokens.get(at).is_some_and(|token| {
            let goes_on = at == first || text.get(tokens[at - 1].end..token.start) == Some(" ");
            let name = token.kind == Kind::Word && !token.stop && (token.capital || within_han);
            name && goes_on && token.end - token.start > 1
        }) {
            at += 1;
        }
        let name = &tokens[first..at];
        at = at.max(first + 1);
        // A capital at the beginning of a sentence says nothing.
        let begins = first == 0 && !within_han && name.len() < 2;
        let known = |key: &u64| evidence.positions.contains_key(key) || question.contains(key);
        if name.is_empty() || begins || name.iter().any(|word| known(&word.key)) {
            continue;
        }
        let span = name[0].start..name[name.len() - 1].end;
        found.push(finding(text, ReasonCode::UnsupportedName, span, None, 0.0, None));
    }
    found
}

fn antonym(
    text: &str,
    unit: usize,
    parsed: &Parsed,
    alignment: &Alignment<'_>,
    evidence: &Evidence,
) -> Option<Finding> {
    let this = &parsed.units[unit];
    let opposites = ANTONYMS.get(&this.key)?;
    let (own, _) = alignment.fit(unit, evidence.lines_with(this.key));
    let (opposite, (fit, line)) = opposites
        .iter()
        .map(|opposite| (opposite, alignment.fit(unit, evidence.lines_with(opposite.key))))
        .max_by(|(_, (one, _)), (_, (other, _))| one.total_cmp(other))?;
    // Both may be said of one thing: from high to low.
    let both = line.is_some_and(|line| {
        u32::try_from(line)
            .is_ok_and(|line| evidence.lines_with(this.key).binary_search(&line).is_ok())
    });
    let said = parsed.units.iter().any(|other| other.key == opposite.key);
    if fit < SAME_SLOT || fit <= own || both || said {
        return None;
    }
    let nearest = Some(opposite.word.to_owned());
    Some(finding(text, ReasonCode::Antonym, this.start..this.end, nearest, fit - own * 0.5, line))
}

fn negation(
    text: &str,
    unit: usize,
    parsed: &Parsed,
    alignment: &Alignment<'_>,
    evidence: &Evidence,
) -> Option<Finding> {
    let this = &parsed.units[unit];
    let posting = evidence.postings.get(&this.key)?;
    let (same, other) = if this.negated {
        (&posting.negated, &posting.plain)
    } else {
        (&posting.plain, &posting.negated)
    };
    let (own, _) = alignment.fit(unit, same);
    let (fit, line) = alignment.fit(unit, other);
    if fit < SAME_SLOT || fit <= own {
        return None;
    }
    let nearest = line.map(|line| evidence.line_text(line).to_owned());
    Some(finding(
        text,
        ReasonCode::NegationFlip,
        this.start..this.end,
        nearest,
        fit - own * 0.5,
        line,
    ))
}

fn finding(
    text: &str,
    code: ReasonCode,
    span: Range<usize>,
    nearest: Option<String>,
    strength: f64,
    line: Option<usize>,
) -> Finding {
    let value = text.get(span.clone()).unwrap_or_default().to_owned();
    Finding { reason: Reason { code, span, value, nearest }, strength, line }
}
