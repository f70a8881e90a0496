//! Rows → items that a model can score: their features, their baselines, and what they cost.

use std::time::{Duration, Instant};

use anima_check::{
    Evidence, Form, Lexical, Passage, Sentence, Triage, asks_directly, logistic::any_of, measure,
    measure_span, sentences, triage,
};

use super::rows::{Row, Span};

/// One sentence of an item.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) features: Vec<f64>,
    /// Triage finds nothing in it to check.
    pub(super) idle: bool,
    /// It has a hallucinated part.
    pub(super) bad: bool,
    /// It has one that the evidence plainly contradicts.
    pub(super) conflict: bool,
}

/// What is scored: an answer, or a keyword of one.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) group: String,
    pub(super) label: bool,
    pub(super) kind: Option<String>,
    pub(super) form: Form,
    pub(super) parts: Vec<Part>,
    /// Characters.
    pub(super) length: f64,
    /// It does not stand in the evidence word for word.
    pub(super) not_verbatim: bool,
}

impl Item {
    /// How unsupported it is to what scores features.
    pub(super) fn score(&self, with_triage: bool, score: impl Fn(&[f64]) -> f64) -> f64 {
        let parts = self.parts.iter().filter(|part| !(with_triage && part.idle));
        let scores = parts.map(|part| score(&part.features));
        match self.form {
            // A long summary is no worse for being long.
            Form::Statement => scores.fold(0.0, f64::max),
            _ => any_of(scores),
        }
    }
}

/// The items of a row. Rows with keywords give one each; others one for the answer.
pub(super) fn items(
    form: Form,
    row: &Row,
    lexical: &Lexical,
    costs: &mut Vec<Duration>,
) -> Vec<Item> {
    let evidence = index(&row.evidence);
    if row.ok_spans.is_empty() {
        return vec![answer(form, row, &evidence, lexical, costs)];
    }
    let labelled = row.spans.iter().map(|span| (span, true));
    let labelled = labelled.chain(row.ok_spans.iter().map(|span| (span, false)));
    labelled.map(|(span, label)| keyword(row, span, label, &evidence)).collect()
}

/// A row as a text of its own words, to train on.
pub(super) fn statement(row: &Row) -> Item {
    let evidence = index(&row.evidence);
    let part = |range: std::ops::Range<usize>| {
        let sentence = Sentence { text: &row.answer[range], question: "", form: Form::Statement };
        let features = measure(&sentence, &evidence).features;
        Part { features, idle: false, bad: false, conflict: false }
    };
    let parts = sentences(&row.answer).into_iter().map(part).collect();
    item(row, None, Form::Statement, parts, &row.answer)
}

/// How long a sentence takes: the best of three, so that what else the machine does does not count.
pub(super) fn time(lexical: &Lexical, sentence: &Sentence<'_>, evidence: &Evidence) -> Duration {
    let once = |()| {
        let began = Instant::now();
        std::hint::black_box(lexical.check(sentence, evidence));
        began.elapsed()
    };
    [(), (), ()].map(once).into_iter().min().unwrap_or_default()
}

/// One text as evidence.
pub(super) fn index(text: &str) -> Evidence {
    Evidence::index([Passage { source_id: "evidence".to_owned(), text: text.to_owned() }])
}

fn answer(
    form: Form,
    row: &Row,
    evidence: &Evidence,
    lexical: &Lexical,
    costs: &mut Vec<Duration>,
) -> Item {
    let mut ranges = sentences(&row.answer);
    if ranges.is_empty() {
        ranges.push(0..row.answer.len());
    }
    let spans: Vec<_> = row.spans.iter().map(|span| (row.bytes(span), span.name())).collect();
    let parts = ranges
        .iter()
        .map(|range| {
            let text = &row.answer[range.clone()];
            let sentence = Sentence { text, question: &row.question, form };
            costs.push(time(lexical, &sentence, evidence));
            let hit = || spans.iter().filter(|(s, _)| s.start < range.end && s.end > range.start);
            Part {
                features: measure(&sentence, evidence).features,
                idle: triage(text) != Triage::Checkable,
                bad: hit().next().is_some(),
                conflict: hit().any(|(_, kind)| *kind == "Evident Conflict"),
            }
        })
        .collect();
    item(row, None, form, parts, &row.answer)
}

fn keyword(row: &Row, span: &Span, label: bool, evidence: &Evidence) -> Item {
    let (first, last) = span.ends();
    let span = row.bytes(span);
    let line = sentences(&row.answer)
        .into_iter()
        .find(|line| line.start <= span.start && span.end <= line.end)
        .unwrap_or(0..row.answer.len());
    let within = span.start - line.start..span.end - line.start;
    let features = measure_span(&row.answer[line], &within, evidence).features;
    let part = Part { features, idle: false, bad: label, conflict: false };
    let named = Some((format!("{}#{first}-{last}", row.id), label));
    item(row, named, Form::Keyword, vec![part], &row.answer[span])
}

#[expect(clippy::cast_precision_loss, reason = "counts of characters")]
fn item(
    row: &Row,
    named: Option<(String, bool)>,
    form: Form,
    parts: Vec<Part>,
    text: &str,
) -> Item {
    let (id, label) = named.unwrap_or_else(|| (row.id.clone(), row.label == 1));
    let bare = text.trim().trim_end_matches(['.', '。', ' ']);
    let group = if row.group.is_empty() { row.id.clone() } else { row.group.clone() };
    Item {
        id,
        group,
        label,
        kind: row.kind.clone(),
        form,
        parts,
        length: text.chars().count() as f64,
        not_verbatim: !row.evidence.contains(bare),
    }
}

/// What kind of text a set holds: what most of its rows look like.
pub(super) fn form_of(rows: &[Row]) -> Form {
    let mut counts = std::collections::BTreeMap::new();
    for form in rows.iter().map(form_of_row) {
        *counts.entry(form).or_insert(0_usize) += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map_or(Form::Spoken, |(form, _)| form)
}

/// Nothing was asked; or something plain about a passage of several sentences, which is answered
/// briefly; or it is talk.
fn form_of_row(row: &Row) -> Form {
    if row.question.is_empty() {
        return Form::Statement;
    }
    let brief = sentences(&row.evidence).len() > 1 && sentences(&row.answer).len() <= 2;
    match (brief && asks_directly(&row.question), row.lang.as_str()) {
        (true, "zh") => Form::SpanZh,
        (true, _) => Form::SpanEn,
        (false, _) => Form::Spoken,
    }
}
