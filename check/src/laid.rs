//! A question laid beside the evidence, and how well a sentence answers it.

use crate::{
    alignment::{Alignment, Run},
    evidence::Evidence,
    features::{Features, share},
    hash::KeySet,
    parsed::Parsed,
    question::{Asked, Shape, asks_directly, noun_fit},
    tokens::Kind,
};

/// A question, laid beside the evidence once a turn.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub(crate) text: &'a str,
    pub(crate) keys: KeySet,
    asked: Asked,
    /// It is one plain question and nothing else.
    direct: bool,
    /// The weight of its units in each sentence of the evidence.
    scores: Vec<f64>,
    /// Its units: their weight and where they stand in the evidence.
    places: Vec<(f64, Vec<u32>)>,
    /// The best nearness that any place of the evidence has.
    nearest: f64,
}

/// Words of a question, and places of each, that are looked at: what people ask must not cost more
/// than a bounded time.
const MAX_UNITS: usize = 48;
const MAX_PLACES: usize = 48;
/// Tokens over which the nearness of a question's word falls to a third.
const REACH: f64 = 18.0;

impl<'a> Question<'a> {
    /// Lays it beside the evidence.
    pub(crate) fn new(text: &'a str, evidence: &Evidence) -> Self {
        let parsed = Parsed::new(text);
        let alignment = Alignment::new(&parsed, evidence);
        let mut places = Vec::new();
        let mut seen = KeySet::default();
        let units = parsed.units.iter().zip(&alignment.weights);
        for (unit, weight) in units.filter(|(unit, _)| seen.insert(unit.key)).take(MAX_UNITS) {
            // A pair of characters stands where its first one stands before its second.
            let first = parsed.tokens[unit.token].key;
            let next = parsed.tokens.get(unit.token + 1).filter(|next| next.start < unit.end);
            let stands = |at: &u32| {
                next.is_none_or(|next| evidence.keys.get(*at as usize + 1) == Some(&next.key))
            };
            let at: Vec<u32> = evidence.positions.get(&first).map_or_else(Vec::new, |all| {
                all.iter().copied().filter(stands).take(MAX_PLACES).collect()
            });
            if !at.is_empty() {
                places.push((*weight, at));
            }
        }
        let keys = parsed.units.iter().map(|unit| unit.key).collect();
        let mut question = Self {
            text,
            keys,
            asked: Asked::of(text),
            direct: asks_directly(text),
            scores: alignment.scores,
            places,
            nearest: 0.0,
        };
        let anywhere = question.places.iter().flat_map(|(_, at)| at.iter().copied());
        question.nearest =
            anywhere.map(|at| question.nearness(at as usize, at as usize)).fold(0.0, f64::max);
        question
    }

    /// How near its words stand to a stretch of the evidence: 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
    fn nearness(&self, first: usize, last: usize) -> f64 {
        let total: f64 = self.places.iter().map(|(weight, _)| weight).sum();
        let near = |at: &Vec<u32>| {
            let after = at.partition_point(|at| (*at as usize) < first);
            let before = after.checked_sub(1).and_then(|before| at.get(before));
            let distance =
                |at: usize| if at < first { first - at } else { at.saturating_sub(last) };
            [before, at.get(after)]
                .into_iter()
                .flatten()
                .map(|at| (-(distance(*at as usize) as f64) / REACH).exp())
                .fold(0.0, f64::max)
        };
        let sum: f64 = self.places.iter().map(|(weight, at)| weight * near(at)).sum();
        if total > 0.0 { sum / total } else { 0.0 }
    }
}

/// Fills in the features that ask whether the question is answered.
pub(crate) fn answering(
    features: &mut Features,
    text: &str,
    parsed: &Parsed,
    alignment: &Alignment<'_>,
    run: &Run,
    question: &Question<'_>,
) {
    features.asked = 1.0;
    let most = question.scores.iter().copied().fold(0.0, f64::max);
    // A short answer may stand in several sentences; the one nearest to the question counts.
    let top = alignment.best.map_or(0.0, |best| alignment.scores[best]);
    let beside = alignment
        .scores
        .iter()
        .zip(&question.scores)
        .filter(|(score, _)| top > 0.0 && **score >= top * 0.999)
        .map(|(_, asked)| *asked)
        .fold(0.0, f64::max);
    features.off_question = if most > 0.0 { 1.0 - beside / most } else { 1.0 };
    let near = run
        .ends
        .iter()
        .map(|end| question.nearness((end + 1).saturating_sub(run.length), *end))
        .fold(0.0, f64::max);
    features.far_from_question = 1.0 - near;
    features.far_relative = 1.0 - share(near, question.nearest);
    let (asked, shape) = (question.asked, Shape::of(text, parsed));
    let flag = |condition: bool| f64::from(u8::from(condition));
    features.number_unanswered = flag(asked.number && !shape.number);
    features.date_unanswered = flag(asked.date && !shape.date);
    features.person_unanswered = flag(asked.person && !shape.name);
    features.place_unanswered = flag(asked.place && !shape.place);
    let figure = !parsed.quantities.is_empty() && parsed.tokens.len() <= 12;
    features.number_unasked = flag(figure && !asked.number && !asked.date);
    let wants_account = asked.reason || asked.account;
    features.account_short = if wants_account { (3.5 - features.length).max(0.0) } else { 0.0 };
    let wants_name = asked.person || asked.place || asked.number || asked.date;
    features.name_long = if wants_name { (features.length - 2.5).max(0.0) } else { 0.0 };
    let han = parsed.tokens.iter().any(|token| token.kind == Kind::Han);
    let direct = question.direct;
    features.direct = flag(direct);
    features.direct_not_verbatim = flag(direct) * (1.0 - features.verbatim);
    features.direct_length = flag(direct) * features.length;
    features.noun_fit = if han { noun_fit(question.text, text) } else { 0.0 };
}
