//! The numbers that the model weighs: what a sentence, a question and the evidence have in common.

use crate::{
    alignment::{Alignment, Run, longest_run, missing_rows},
    evidence::{Evidence, loose},
    findings::{Finding, findings},
    hash::KeySet,
    parsed::Parsed,
    question::{Asked, Shape, asks_directly, noun_fit},
    tokens::Kind,
    triage,
    verdict::ReasonCode,
};

/// Declares the features once: the fields, their names, and their order.
macro_rules! features {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// All features of one sentence.
        #[derive(Debug, Clone, Copy, Default)]
        pub(crate) struct Features { $($(#[$doc])* pub(crate) $name: f64),+ }

        /// The names of the features, in the order of [`Features::values`].
        pub(crate) const NAMES: &[&str] = &[$(stringify!($name)),+];

        /// How many features there are.
        pub(crate) const COUNT: usize = NAMES.len();

        impl Features {
            /// The features, in the order of [`NAMES`].
            pub(crate) fn values(&self) -> [f64; COUNT] { [$(self.$name),+] }
        }
    };
}

features! {
    /// Share of content units that the evidence lacks.
    missing,
    /// The same by weight.
    missing_weight,
    /// How many, as a logarithm.
    novel,
    /// The longest row of them, as a logarithm.
    novel_row,
    /// Share that not even a near form of is in the evidence.
    missing_loose,
    /// Share of missing units that are not in the question either.
    invented,
    /// Share of pairs of tokens that the evidence lacks.
    missing_pairs,
    /// Share of triples.
    missing_triples,
    /// Share of the tokens outside of the longest run that the evidence has.
    outside_run,
    /// All of it stands in the evidence word for word.
    verbatim,
    /// Share that is not in the best sentence of the evidence.
    best_missing,
    /// Share that is not in the best two adjacent sentences.
    pair_missing,
    /// Share of tokens that are not in the best sentence in this order.
    out_of_order,
    /// How loosely the units go together, on average.
    loose_mean,
    /// How loosely the loosest unit sits.
    loose_most,
    /// Tokens, as a logarithm.
    length,
    /// Three tokens or fewer.
    short,
    /// Numbers that the evidence lacks.
    numbers_missing,
    /// The surest of them that the evidence gives another value for.
    number_rival,
    /// Numbers of the evidence that belong elsewhere.
    number_misplaced,
    /// Dates that the evidence lacks.
    dates_missing,
    /// Numbers of another unit.
    unit_conflict,
    /// Names that the evidence lacks.
    names_missing,
    /// The surest opposite.
    antonym,
    /// The surest negation.
    negation,
    /// It speaks of the speaker.
    first_person,
    /// Share of the units that the question has.
    echo,
    /// A question was asked.
    asked,
    /// How much of the question the best sentence lacks, against the sentence that has most of it.
    off_question,
    /// How far the question's words stand from the answer's, in the evidence.
    far_from_question,
    /// The same, from the nearest place of the evidence that has the question's words.
    far_relative,
    /// A number was asked for and none is given.
    number_unanswered,
    /// A date was asked for and none is given.
    date_unanswered,
    /// A person was asked for and a number or a sentence is given.
    person_unanswered,
    /// A place was asked for and none is given.
    place_unanswered,
    /// A date or a number is given and none was asked for.
    number_unasked,
    /// A reason or an account was asked for, and the answer is short.
    account_short,
    /// A name, a number or a date was asked for, and the answer is long.
    name_long,
    /// Whether the noun that was asked for is in the answer.
    noun_fit,
    /// A plain question was asked.
    direct,
    /// A plain question was asked, and the answer is not word for word in the evidence.
    direct_not_verbatim,
    /// A plain question was asked: the length of the answer, as a logarithm.
    direct_length,
    /// Missing weight, squared.
    missing_squared,
    /// Out of order, squared.
    out_of_order_squared,
    /// Missing weight in a long sentence.
    missing_by_length,
    /// More than one sentence of the evidence is needed.
    spread,
    /// Share of rows of four letters that the evidence lacks: spelling and endings differ in few.
    missing_shingles,
    /// Share of the best sentence of the evidence that is not in the sentence.
    unused,
    /// It begins with yes or no and goes on.
    yes_and,
    /// Content units, as a logarithm.
    content,
    /// It has none.
    hollow,
    /// It states nothing.
    idle,
    /// It speaks of the speaker, and the evidence lacks this share of it.
    first_person_missing,
}

/// A question, laid beside the evidence once a turn.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    text: &'a str,
    keys: KeySet,
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
    features.idle = f64::from(u8::from(triage::of(text, &parsed).is_some()));
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

fn share(part: f64, all: f64) -> f64 {
    if all > 0.0 { part / all } else { 0.0 }
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
    let yes = parsed.tokens.first().is_some_and(|first| {
        let word = first.text(text).to_ascii_lowercase();
        matches!(word.as_str(), "yes" | "no" | "yeah" | "是" | "不" | "对")
    });
    features.yes_and = f64::from(u8::from(yes && parsed.tokens.len() > 2));
    features.first_person = f64::from(u8::from(parsed.tokens.iter().any(|token| {
        let word = token.text(text);
        matches!(word, "I" | "i" | "my" | "My" | "me" | "we" | "We" | "我")
            || word.starts_with("I'")
    })));
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

fn answering(
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

/// The names of the features that say that something is at odds.
pub(crate) const CONFLICTS: &[&str] = &[
    "numbers_missing",
    "number_rival",
    "number_misplaced",
    "dates_missing",
    "unit_conflict",
    "names_missing",
    "antonym",
    "negation",
];

/// Their values, in the order of [`CONFLICTS`].
pub(crate) fn conflict_values(features: &Features) -> Vec<f64> {
    vec![
        features.numbers_missing,
        features.number_rival,
        features.number_misplaced,
        features.dates_missing,
        features.unit_conflict,
        features.names_missing,
        features.antonym,
        features.negation,
    ]
}
