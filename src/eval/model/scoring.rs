//! An answer and its rule → a judgement.

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Deserializer, Map, Value};

use super::{
    super::{
        statistics::{figure, share},
        text::{contains, levelled, number, overlap, same, words},
    },
    suite::{Fact, Rule},
};
use crate::turn::brevity::count_units;

/// What an answer is worth.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// 0 to 1.
    pub score: f64,
    /// Whether it is right as a whole.
    pub correct: bool,
    /// How its words overlap with the reference, where that is the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<WordOverlap>,
    /// What was chosen, where there are choices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<Chosen>,
}

/// An overlap of words, as it is written down.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WordOverlap {
    /// The share of the answer's words that are in the reference.
    pub precision: f64,
    /// The share of the reference's words that are in the answer.
    pub recall: f64,
    /// Their F1.
    pub f1: f64,
}

/// A choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// The letter of the right one.
    pub right: String,
    /// The one that was made, if the answer is one.
    pub made: Option<String>,
}

impl Judgement {
    fn of(correct: bool) -> Self {
        Self { score: f64::from(u8::from(correct)), correct, ..Self::default() }
    }
}

/// Judges an answer.
pub fn judge(rule: &Rule, answer: &str) -> Judgement {
    match rule {
        Rule::Exact { answers } => Judgement::of(answers.iter().any(|right| same(answer, right))),
        Rule::Choice { choices, answer: right } => {
            let (right, made) = (right.to_string(), chosen(answer, choices).map(String::from));
            let judgement = Judgement::of(made.as_ref() == Some(&right));
            Judgement { choice: Some(Chosen { right, made }), ..judgement }
        }
        Rule::F1 { answers, at_least } => {
            let overlaps = answers.iter().map(|right| overlap(answer, right));
            let Some(best) = overlaps.max_by(|one, other| one.f1.total_cmp(&other.f1)) else {
                return Judgement::default();
            };
            let best = WordOverlap { precision: best.precision, recall: best.recall, f1: best.f1 };
            let correct = best.f1 >= *at_least;
            Judgement { score: best.f1, correct, overlap: Some(best), choice: None }
        }
        Rule::Number { answer: right, tolerance } => {
            // Decimals have no exact form.
            let allowed = tolerance + right.abs() * 1e-9;
            Judgement::of(number(answer).is_some_and(|said| (said - right).abs() <= allowed))
        }
        Rule::Contains { all, forbids, at_least, at_most } => {
            let (found, of) = hits(answer, all, forbids);
            let fits = fits(answer, at_least.unwrap_or(0), at_most.unwrap_or(u32::MAX));
            let score = if found.forbidden || !fits {
                0.0
            } else if of == 0 {
                1.0
            } else {
                share(figure(found.facts), figure(of))
            };
            Judgement {
                score,
                correct: fits && !found.forbidden && found.facts == of,
                ..Judgement::default()
            }
        }
        Rule::Length { at_least, at_most } => Judgement::of(fits(answer, *at_least, *at_most)),
        Rule::Pattern { pattern } => {
            let fits = whole(pattern).is_ok_and(|pattern| pattern.is_match(answer.trim()));
            Judgement::of(fits)
        }
        Rule::Json { fields } => {
            let object = objects(answer).into_iter().next_back().unwrap_or_default();
            let right = |(name, value): &(&String, &Value)| {
                object.get(*name).is_some_and(|said| equal(said, value))
            };
            let found = fields.iter().filter(right).count();
            let score = share(figure(found), figure(fields.len()));
            Judgement { score, correct: found == fields.len(), ..Judgement::default() }
        }
        Rule::Tool { name, arguments } => Judgement::of(match (name, call(answer)) {
            (None, called) => called.is_none() && !answer.trim().is_empty(),
            (Some(_), None) => false,
            (Some(name), Some((called, given))) => called == *name && all_equal(&given, arguments),
        }),
    }
}

/// What of an answer was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hits {
    /// How many facts are in it.
    pub facts: usize,
    /// Whether something is in it that must not be.
    pub forbidden: bool,
}

/// Looks for facts, and for what must not be said; gives how many facts there are to find, too.
pub fn hits(answer: &str, all: &[Fact], forbids: &[String]) -> (Hits, usize) {
    let said = |fact: &&Fact| fact.texts().iter().any(|text| contains(answer, text));
    let facts = all.iter().filter(said).count();
    let forbidden = forbids.iter().any(|text| contains(answer, text));
    (Hits { facts, forbidden }, all.len())
}

/// A regular expression that has to fit a text as a whole; a point may be the end of a line.
///
/// # Errors
/// What is wrong with it.
pub(super) fn whole(pattern: &str) -> Result<Regex, String> {
    let whole = format!("^(?:{pattern})$");
    RegexBuilder::new(&whole)
        .dot_matches_new_line(true)
        .build()
        .map_err(|error| format!("the pattern cannot be used: {error}"))
}

fn fits(answer: &str, at_least: u32, at_most: u32) -> bool {
    (at_least..=at_most).contains(&count_units(answer)) && !answer.trim().is_empty()
}

/// The letter that an answer chooses: alone, after its last "answer" or "答案", at its beginning, or
/// by the words of one choice and of no other.
fn chosen(answer: &str, choices: &[String]) -> Option<char> {
    let letters: Vec<char> = (b'A'..=b'Z').map(char::from).take(choices.len()).collect();
    let text = levelled(answer).to_uppercase();
    // In both scripts a letter that chooses has no other letter or digit of ASCII beside it.
    let standing = |text: &str| -> Vec<char> {
        let parts = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '\'');
        let letter = |part: &str| part.chars().next().filter(|_| part.len() == 1);
        parts.filter_map(letter).filter(|c| letters.contains(c)).collect()
    };
    let alone: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
    let alone: Vec<&str> = alone.into_iter().filter(|part| !part.is_empty()).collect();
    if let [one] = alone.as_slice()
        && let [letter] = standing(one).as_slice()
    {
        return Some(*letter);
    }
    let marked = ["ANSWER", "答案", "选"].iter().filter_map(|mark| text.rfind(mark)).max();
    if let Some(letter) = marked.and_then(|at| standing(&text[at..]).first().copied()) {
        return Some(letter);
    }
    // "B. Paris", "B) …", "(B)": a mark behind the letter tells it from the article.
    let trimmed = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    let mut beginning = trimmed.chars();
    if let (Some(letter), Some(mark)) = (beginning.next(), beginning.next())
        && letters.contains(&letter)
        && matches!(mark, '.' | ')' | ':' | ',' | '、' | '。' | '*' | '\n' | ']')
    {
        return Some(letter);
    }
    let named: Vec<char> = letters
        .iter()
        .zip(choices)
        .filter(|(_, choice)| contains(answer, choice))
        .map(|(letter, _)| *letter)
        .collect();
    match named.as_slice() {
        [letter] => Some(*letter),
        _ => None,
    }
}

/// The JSON objects of a text, those within others aside.
fn objects(text: &str) -> Vec<Map<String, Value>> {
    let (mut objects, mut rest) = (Vec::new(), text);
    while let Some(from) = rest.find('{') {
        let mut values = Deserializer::from_str(&rest[from..]).into_iter::<Value>();
        let end = match values.next() {
            Some(Ok(Value::Object(object))) => {
                objects.push(object);
                from + values.byte_offset()
            }
            _ => from + 1,
        };
        rest = &rest[end..];
    }
    objects
}

/// The one function that an answer calls, and its arguments.
fn call(answer: &str) -> Option<(String, Map<String, Value>)> {
    let calls: Vec<_> = objects(answer).into_iter().filter_map(read_call).collect();
    match <[_; 1]>::try_from(calls) {
        Ok([call]) => Some(call),
        Err(calls) => calls.first().map(|_| (String::new(), Map::new())),
    }
}

fn read_call(mut object: Map<String, Value>) -> Option<(String, Map<String, Value>)> {
    if let Some(Value::Object(function)) = object.remove("function") {
        object = function;
    }
    let name = object.get("name")?.as_str()?.to_owned();
    let arguments = object.remove("arguments").or_else(|| object.remove("parameters"));
    let arguments = match arguments {
        Some(Value::String(text)) => serde_json::from_str(&text).ok()?,
        Some(Value::Object(arguments)) => arguments,
        Some(Value::Null) | None => Map::new(),
        Some(_) => return None,
    };
    Some((name, arguments))
}

/// Whether all arguments are given as they are expected, and no other but `null`.
fn all_equal(given: &Map<String, Value>, expected: &Map<String, Value>) -> bool {
    let right =
        |(name, value): (&String, &Value)| given.get(name).is_some_and(|said| equal(said, value));
    let known = |(name, value): (&String, &Value)| expected.contains_key(name) || value.is_null();
    expected.iter().all(right) && given.iter().all(known)
}

/// Whether two values say the same: numbers by value, texts by their words.
fn equal(said: &Value, right: &Value) -> bool {
    match (said, right) {
        (Value::Number(one), Value::Number(other)) => match (one.as_f64(), other.as_f64()) {
            (Some(one), Some(other)) => (one - other).abs() <= other.abs() * 1e-9,
            _ => one == other,
        },
        (Value::String(one), Value::String(other)) => {
            same(one, other) && (one == other || !words(other).is_empty())
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let right = |(name, value): (&String, &Value)| {
                one.get(name).is_some_and(|said| equal(said, value))
            };
            one.len() == other.len() && other.iter().all(right)
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests;
