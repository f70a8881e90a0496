//! How a sentence is said: as a fact, or as what the speaker thinks, feels, asks or agrees with.

use std::sync::LazyLock;

use crate::{
    alignment::{Alignment, Run},
    evidence::Evidence,
    features::{Features, share},
    hash::{KeySet, key},
    parsed::Parsed,
    tokens::{Token, fold},
    triage::{self, NotCheckable},
};

/// Words that praise, blame or weigh: no evidence needs to have them, but what they say is no fact.
static VALUING: LazyLock<KeySet> =
    LazyLock::new(|| include_str!("../lexicon/valuing.txt").split_whitespace().map(key).collect());

const HEDGES: &[&str] = &[
    "i think",
    "i believe",
    "i guess",
    "i bet",
    "i heard",
    "i know",
    "i agree",
    "not sure",
    "i'm sure",
    "i would say",
    "i'd say",
    "i do not know",
    "don't know",
    "don't remember",
    "maybe",
    "perhaps",
    "probably",
    "我觉得",
    "我认为",
    "我猜",
    "我听说",
    "也许",
    "大概",
    "可能",
];

/// Fills in the features that say how a sentence is said.
pub(crate) fn manner(
    features: &mut Features,
    text: &str,
    parsed: &Parsed,
    alignment: &Alignment<'_>,
    question: &str,
) {
    let tokens = &parsed.tokens;
    let any = |words: &[&str]| {
        flag(tokens.iter().any(|token| {
            let word = token.text(text);
            words.iter().any(|wanted| word.eq_ignore_ascii_case(wanted))
        }))
    };
    let yes = says_yes_or_no(text, tokens) && tokens.len() > 2;
    features.yes_and = flag(yes);
    features.answers_yes_or_no = flag(yes && question.contains(['?', '？', '吗']));
    features.first_person = any(&["i", "my", "me", "we", "i'm", "i've", "i'd", "i'll", "我"]);
    features.second_person = any(&["you", "your", "you're", "你", "您"]);
    features.modal = any(&["should", "could", "would", "might", "may", "must", "应该", "必须"]);
    let plain = plain(text);
    features.hedged = flag(HEDGES.iter().any(|hedge| plain.contains(hedge)));
    features.valuing = valuing(parsed, alignment).ln_1p();
    let idle = triage::of(text, parsed);
    features.idle = flag(idle.is_some());
    features.asks = flag(idle == Some(NotCheckable::Question) || plain.contains('?'));
    features.idle_opinion = flag(idle == Some(NotCheckable::Opinion));
    features.idle_agreement =
        flag(matches!(idle, Some(NotCheckable::Greeting | NotCheckable::Acknowledgement)));
    (features.missing_head, features.missing_tail) = ends(parsed, alignment);
}

fn flag(condition: bool) -> f64 {
    f64::from(u8::from(condition))
}

fn says_yes_or_no(text: &str, tokens: &[Token]) -> bool {
    let opens = |token: &Token| {
        let word = token.text(text).to_ascii_lowercase();
        matches!(word.as_str(), "yes" | "no" | "yeah" | "yep" | "yup" | "nope" | "是" | "不" | "对")
    };
    let mut first = tokens.iter().skip_while(|token| {
        let word = token.text(text).to_ascii_lowercase();
        matches!(word.as_str(), "oh" | "well" | "hmm" | "哦" | "嗯")
    });
    first.next().is_some_and(opens)
}

/// A text in lower case, with the apostrophes of some corpora joined: `do n't` → `don't`.
fn plain(text: &str) -> String {
    let lower: String = text.chars().map(fold).flat_map(char::to_lowercase).collect();
    lower.replace(" n't", "n't").replace(" '", "'")
}

#[expect(clippy::cast_precision_loss, reason = "counts of words")]
fn valuing(parsed: &Parsed, alignment: &Alignment<'_>) -> f64 {
    let units = parsed.units.iter().zip(&alignment.covered);
    let said = units
        .filter(|(unit, covered)| !**covered && VALUING.contains(&parsed.tokens[unit.token].form));
    said.count() as f64
}

/// The missing weight in the first third of the units and in the last one.
fn ends(parsed: &Parsed, alignment: &Alignment<'_>) -> (f64, f64) {
    let count = parsed.units.len();
    let third = count.div_ceil(3);
    let missing = |range: std::ops::Range<usize>| {
        let all: f64 = alignment.weights[range.clone()].iter().sum();
        let gone: f64 =
            range.filter(|at| !alignment.covered[*at]).map(|at| alignment.weights[at]).sum();
        share(gone, all)
    };
    (missing(0..third), missing(count - third..count))
}

/// Fills in the features that say where a sentence leaves the evidence, and whether it breaks off.
#[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
pub(crate) fn breaking_off(
    features: &mut Features,
    text: &str,
    parsed: &Parsed,
    run: &Run,
    evidence: &Evidence,
) {
    let tokens = &parsed.tokens;
    let all = tokens.len() as f64;
    let lacking = tokens.iter().filter(|token| !evidence.positions.contains_key(&token.key));
    features.missing_tokens = share(lacking.count() as f64, all);
    let first = run.ends.first().map_or(0, |end| (end + 1).saturating_sub(run.length));
    let begins = evidence.keys.get(first).and_then(|key| {
        tokens.windows(run.length.max(1)).position(|row| {
            row[0].key == *key
                && row.iter().zip(&evidence.keys[first..]).all(|(one, other)| one.key == *other)
        })
    });
    let begins = begins.unwrap_or(0);
    features.before_run = share(begins as f64, all);
    let behind = tokens.len().saturating_sub(run.length + begins);
    features.behind_run = share(behind as f64, all);
    let marked = text.trim_end().ends_with(['.', '!', '?', '。', '！', '？', '"', '”', '；', ';']);
    features.unended = flag(!marked);
    let reaches_end = begins + run.length == tokens.len();
    let goes_on = run.ends.iter().any(|end| {
        let line = evidence.line_of.get(*end);
        line.is_some() && line == evidence.line_of.get(end + 1)
    });
    features.cut_off = flag(!marked && reaches_end && goes_on && run.length > 1);
}
