//! The lexical check: a sentence, a question and the evidence in, a verdict out, in microseconds.

use std::{
    collections::BTreeMap,
    ops::Range,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{
    evidence::Evidence,
    examine::{Examined, examine},
    features::conflict_values,
    findings::Finding,
    laid::Question,
    logistic::sigmoid,
    span,
    triage::{NotCheckable, Triage, triage},
    verdict::{Layer, Reason, ReasonCode, Status, Verdict},
    weights::{Form, Ready, Weights, WeightsError},
};

const SHIPPED: &str = include_str!("../weights/lexical.json");

/// A finding is a reason when the evidence fits around it at least this well.
const SURE: f64 = 0.5;
/// Two findings of this strength make a contradiction; a number needs no more than one.
const CONTRADICTED: f64 = 0.6;

/// From this probability on, a sentence with a number that the evidence lacks is unsupported: a number is
/// not said in other words.
const EVEN: f64 = 0.5;

/// A sentence to check.
#[derive(Debug, Clone, Copy)]
pub struct Sentence<'a> {
    /// The sentence.
    pub text: &'a str,
    /// What the person said before; empty when nothing.
    pub question: &'a str,
    /// What kind of text it is.
    pub form: Form,
}

impl<'a> Sentence<'a> {
    /// A sentence of a conversation.
    pub fn spoken(text: &'a str, question: &'a str) -> Self {
        Self { text, question, form: Form::Spoken }
    }
}

/// The features of a sentence, for training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Their values, in the order of [`Form::features`].
    pub features: Vec<f64>,
}

/// The lexical check, with its weights. Cheap to share, and the same for every turn.
#[derive(Debug, Clone)]
pub struct Lexical {
    profiles: BTreeMap<Form, Ready>,
    seen: Vec<String>,
}

impl Lexical {
    /// The check with the weights that ship.
    ///
    /// # Errors
    /// Never in a build whose tests pass: the weights are part of it.
    pub fn shipped() -> Result<Self, WeightsError> {
        Self::with(&Weights::parse(SHIPPED)?)
    }

    /// The check with other weights.
    ///
    /// # Errors
    /// When the weights are for other features than this version computes.
    pub fn with(weights: &Weights) -> Result<Self, WeightsError> {
        Ok(Self { profiles: weights.ready()?, seen: weights.seen.clone() })
    }

    /// The check without weights, for which everything is as likely as not. What trains the first
    /// weights of a version begins with it.
    pub fn untrained() -> Self {
        Self { profiles: BTreeMap::new(), seen: Vec::new() }
    }

    /// Fingerprints of some of the rows that the weights were trained on.
    pub fn seen(&self) -> &[String] {
        &self.seen
    }

    /// The probability at which one threshold decides for this form.
    pub fn threshold(&self, form: Form) -> f64 {
        self.profiles.get(&form).map_or(0.5, |ready| ready.threshold)
    }

    /// Checks one sentence of an answer.
    pub fn check(&self, sentence: &Sentence<'_>, evidence: &Evidence) -> Verdict {
        let began = Instant::now();
        if let Triage::NotCheckable(why) = triage(sentence.text) {
            return not_checkable(why, began.elapsed());
        }
        if evidence.is_empty() {
            // Without evidence nothing is called false.
            return Verdict {
                escalate: true,
                ..plain(Status::Uncertain, Layer::Lexical, began.elapsed())
            };
        }
        let question = Question::new(sentence.question, evidence);
        let examined = examine(sentence.text, &question, evidence);
        let probability = self.probability_of(&examined, sentence.form);
        let mut verdict = self.judge(sentence, &examined, probability, evidence);
        verdict.latency = began.elapsed();
        verdict
    }

    /// The probability that a sentence is unsupported, whether it is checkable or not.
    pub fn probability(&self, sentence: &Sentence<'_>, evidence: &Evidence) -> f64 {
        let question = Question::new(sentence.question, evidence);
        self.probability_of(&examine(sentence.text, &question, evidence), sentence.form)
    }

    /// The probability that the words in `span` of a sentence are unsupported.
    pub fn span_probability(&self, text: &str, span: &Range<usize>, evidence: &Evidence) -> f64 {
        self.score(Form::Keyword, &span::features(text, span, evidence))
    }

    fn probability_of(&self, examined: &Examined, form: Form) -> f64 {
        self.score(form, &values(examined, form))
    }

    /// The probability for features that [`measure`] or [`measure_span`] gave.
    pub fn score(&self, form: Form, features: &[f64]) -> f64 {
        self.profiles.get(&form).map_or(0.5, |ready| sigmoid(ready.model.log_odds(features)))
    }

    fn judge(
        &self,
        sentence: &Sentence<'_>,
        examined: &Examined,
        probability: f64,
        evidence: &Evidence,
    ) -> Verdict {
        let (low, high) =
            self.profiles.get(&sentence.form).map_or((0.5, 0.5), |ready| (ready.low, ready.high));
        let sure: Vec<&Finding> =
            examined.findings.iter().filter(|finding| is_sure(finding, probability, low)).collect();
        let against = sure.iter().filter(|finding| contradicts(finding)).count();
        let status = match probability {
            _ if against > 0 && probability > low => Status::Contradicted,
            p if p > high || p > EVEN && sure.iter().any(|finding| figures(finding)) => {
                Status::Unsupported
            }
            p if p < low && sure.is_empty() => Status::Supported,
            _ => Status::Uncertain,
        };
        let mut reasons: Vec<Reason> = sure.iter().map(|finding| finding.reason.clone()).collect();
        if status == Status::Unsupported && reasons.is_empty() {
            reasons.extend(low_coverage(sentence.text, examined));
        }
        let suggestion = suggest(sentence.text, &sure);
        let lines = match status {
            Status::Supported | Status::Uncertain => examined.best.into_iter().collect(),
            _ => sure.iter().filter_map(|finding| finding.line).collect::<Vec<_>>(),
        };
        let mut sources: Vec<String> = Vec::new();
        for source in lines.into_iter().filter_map(|line| evidence.source_of(line)) {
            if !sources.iter().any(|known| known == source) {
                sources.push(source.to_owned());
            }
        }
        Verdict {
            probability: Some(probability),
            reasons,
            sources,
            suggestion,
            escalate: matches!(status, Status::Uncertain | Status::Contradicted),
            ..plain(status, Layer::Lexical, Duration::ZERO)
        }
    }
}

/// The features of a sentence, for training.
pub fn measure(sentence: &Sentence<'_>, evidence: &Evidence) -> Measured {
    let question = Question::new(sentence.question, evidence);
    Measured { features: values(&examine(sentence.text, &question, evidence), sentence.form) }
}

/// The features of words in a sentence, for training.
pub fn measure_span(text: &str, span: &Range<usize>, evidence: &Evidence) -> Measured {
    Measured { features: span::features(text, span, evidence) }
}

fn values(examined: &Examined, form: Form) -> Vec<f64> {
    match form {
        Form::Statement => conflict_values(&examined.features),
        _ => examined.features.values().to_vec(),
    }
}

/// Numbers, dates and names that are missing are reasons by themselves; what could be another way to
/// say the same needs surroundings that fit.
fn is_sure(finding: &Finding, probability: f64, low: f64) -> bool {
    match finding.reason.code {
        ReasonCode::UnsupportedNumber | ReasonCode::UnsupportedDate => true,
        ReasonCode::UnsupportedName | ReasonCode::UnsupportedUnit => probability >= low,
        _ => finding.strength >= SURE,
    }
}

/// A number or a date that the evidence lacks.
fn figures(finding: &Finding) -> bool {
    matches!(finding.reason.code, ReasonCode::UnsupportedNumber | ReasonCode::UnsupportedDate)
}

fn contradicts(finding: &Finding) -> bool {
    finding.line.is_some()
        && finding.strength >= CONTRADICTED
        && !matches!(finding.reason.code, ReasonCode::UnsupportedName | ReasonCode::LowCoverage)
}

fn low_coverage(text: &str, examined: &Examined) -> Option<Reason> {
    let span = examined.novel.iter().max_by_key(|span| span.len())?.clone();
    let value = text.get(span.clone()).unwrap_or_default().to_owned();
    Some(Reason { code: ReasonCode::LowCoverage, span, value, nearest: None })
}

/// The sentence with numbers and opposites as the evidence has them. To be shown, never to be spoken:
/// it is right too seldom.
fn suggest(text: &str, sure: &[&Finding]) -> Option<String> {
    let mut changes: Vec<(&Range<usize>, &str)> = sure
        .iter()
        .filter(|finding| contradicts(finding))
        .filter(|finding| finding.reason.code != ReasonCode::NegationFlip)
        .filter_map(|finding| Some((&finding.reason.span, finding.reason.nearest.as_deref()?)))
        .collect();
    changes.sort_by_key(|(span, _)| span.start);
    let (mut suggestion, mut at) = (String::new(), 0);
    for (span, nearest) in changes {
        let before = text.get(at..span.start)?;
        suggestion.push_str(before);
        suggestion.push_str(nearest);
        at = span.end;
    }
    (at > 0).then(|| suggestion + text.get(at..).unwrap_or_default())
}

fn plain(status: Status, layer: Layer, latency: Duration) -> Verdict {
    Verdict {
        status,
        layer,
        probability: None,
        reasons: Vec::new(),
        sources: Vec::new(),
        suggestion: None,
        not_checkable: None,
        escalate: false,
        latency,
    }
}

fn not_checkable(why: NotCheckable, latency: Duration) -> Verdict {
    Verdict { not_checkable: Some(why), ..plain(Status::NotCheckable, Layer::Triage, latency) }
}
