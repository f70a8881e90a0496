//! Keywords to learn from, made of the Chinese training passages: a sentence is told in other words, and
//! one of its words is kept, moved or replaced.

use std::{collections::BTreeSet, ops::Range};

use anima_check::{Form, Naming, measure_span, sentences, words};

use super::{
    items::{Item, Part, index},
    rows::Row,
};
use crate::eval::random::Random;

/// Keywords of each kind that are made of one sentence.
const ROUNDS: usize = 3;
/// Of a hundred words around a keyword, how many are exchanged: whoever tells it anew uses other words.
const RETOLD: usize = 45;
/// And how many become a word of another sentence of the passage.
const MOVED: usize = 25;

/// Of a hundred words that the evidence lacks, how many are wrong: names and figures mostly are, and what
/// is common is mostly another way to say the same. Chosen by hand, by what is seen in texts about news.
const WRONG_FIGURE: usize = 92;
const WRONG_NAME: usize = 78;
const WRONG_RARE: usize = 45;
const WRONG_USUAL: usize = 30;
const WRONG_COMMON: usize = 13;
/// The same for words that are all in the evidence, but nowhere in this row, and for those that are.
const WRONG_ROW: usize = 25;
const WRONG_VERBATIM: usize = 4;

/// Of a hundred words from elsewhere, how many are figures that nobody wrote, with one of these units.
const MADE_UP: usize = 15;
const UNITS: [&str; 10] = ["元", "年", "日", "个", "%", "名", "岁", "米", "公里", "万元"];

/// From this commonness on a word is usual, and from the second one on it is common.
const USUAL: f64 = 6.5;
const COMMON: f64 = 8.5;

/// A word of a passage that could be a keyword.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Term {
    text: String,
    wrong: usize,
}

/// A sentence, cut into words.
struct Line<'a> {
    text: &'a str,
    words: Vec<(Range<usize>, Option<usize>)>,
}

/// Makes keywords of passages. The same rows give the same keywords.
pub(super) fn keywords(rows: &[Row]) -> Vec<Item> {
    let passages: BTreeSet<(&str, &str)> =
        rows.iter().map(|row| (row.group.as_str(), row.evidence.as_str())).collect();
    let lines: Vec<Vec<Line<'_>>> = passages.iter().map(|(_, text)| cut(text)).collect();
    let pool: Vec<Term> = lines.iter().flatten().flat_map(terms).collect();
    let mut random = Random(0x1d);
    let mut items = Vec::new();
    for ((group, text), lines) in passages.iter().zip(&lines) {
        let evidence = index(text);
        let own: Vec<Term> = lines.iter().flat_map(terms).collect();
        let mut maker = Maker { text, pool: &pool, own: &own, random: &mut random };
        for line in lines {
            for made in (0..ROUNDS).flat_map(|_| maker.make(line)) {
                let features = measure_span(&made.line, &made.span, &evidence).features;
                items.push(item(group, made.wrong, features));
            }
        }
    }
    items
}

fn cut(passage: &str) -> Vec<Line<'_>> {
    let lines = sentences(passage).into_iter().map(|range| {
        let text = &passage[range];
        let words = words(text).into_iter().map(|word| (word.range.clone(), wrong(text, &word)));
        Line { text, words: words.collect() }
    });
    lines.filter(|line| line.words.len() >= 6).collect()
}

/// How often this word is wrong where the evidence lacks it; `None` for what is no keyword.
fn wrong(line: &str, word: &anima_check::Word) -> Option<usize> {
    let text = &line[word.range.clone()];
    let length = text.chars().count();
    if !text.chars().all(char::is_alphanumeric) {
        return None;
    }
    match word.naming {
        Naming::Person | Naming::Place | Naming::Thing if length > 1 => Some(WRONG_NAME),
        _ if text.contains(|c: char| c.is_ascii_digit()) => Some(WRONG_FIGURE),
        Naming::Action | Naming::Noun | Naming::Number | Naming::Other if length > 1 => {
            Some(match word.commonness {
                common if common >= COMMON => WRONG_COMMON,
                usual if usual >= USUAL => WRONG_USUAL,
                _ => WRONG_RARE,
            })
        }
        _ => None,
    }
}

fn terms(line: &Line<'_>) -> Vec<Term> {
    let of = |(range, wrong): &(Range<usize>, Option<usize>)| {
        Some(Term { text: line.text[range.clone()].to_owned(), wrong: (*wrong)? })
    };
    line.words.iter().filter_map(of).collect()
}

/// A sentence with a keyword in it.
struct Made {
    line: String,
    span: Range<usize>,
    wrong: bool,
}

/// Makes keywords for the sentences of one passage.
struct Maker<'a> {
    text: &'a str,
    /// Words of all passages.
    pool: &'a [Term],
    /// Words of this one.
    own: &'a [Term],
    random: &'a mut Random,
}

impl Maker<'_> {
    /// One keyword that is kept, one that is put together of what the passage has, and two that it lacks.
    fn make(&mut self, line: &Line<'_>) -> Vec<Made> {
        let places: Vec<usize> =
            (0..line.words.len()).filter(|at| line.words[*at].1.is_some()).collect();
        if places.is_empty() || self.own.is_empty() {
            return Vec::new();
        }
        let mut made = Vec::new();
        for kind in 0..5 {
            let first = places[self.random.below(places.len())];
            let last = self.extent(line, first);
            let kept = line.words[first].0.start..line.words[last].0.end;
            let term = match kind {
                0 | 1 => Term { text: line.text[kept].to_owned(), wrong: WRONG_VERBATIM },
                2 => self.joined(),
                _ => self.stranger(),
            };
            let held = self.text.contains(&term.text);
            // What is in the passage after all is as right as what was kept.
            let odds = if held { WRONG_VERBATIM } else { term.wrong };
            let wrong = self.chance(odds);
            let (line, span) = self.retell(line, first..last + 1, &term.text);
            made.push(Made { line, span, wrong });
        }
        made
    }

    /// The last word of a keyword that begins at a word: up to three that could be keywords.
    fn extent(&mut self, line: &Line<'_>, first: usize) -> usize {
        let more = self.random.below(3);
        let goes_on = (first + 1..line.words.len()).take(more);
        goes_on.take_while(|at| line.words[*at].1.is_some()).last().unwrap_or(first)
    }

    /// Two words of the passage in a row that it does not have.
    fn joined(&mut self) -> Term {
        let mut pick = || self.own[self.random.below(self.own.len())].text.as_str();
        Term { text: [pick(), pick()].concat(), wrong: WRONG_ROW }
    }

    /// One word that another passage has, or one and a word of this passage.
    fn stranger(&mut self) -> Term {
        if self.chance(MADE_UP) {
            let unit = UNITS[self.random.below(UNITS.len())];
            return Term {
                text: format!("{}{unit}", 3 + self.random.below(900)),
                wrong: WRONG_FIGURE,
            };
        }
        let mut term = self.pool[self.random.below(self.pool.len())].clone();
        if self.chance(40) {
            let other = if self.chance(50) { self.own } else { self.pool };
            let other = &other[self.random.below(other.len())];
            term.text.push_str(&other.text);
            term.wrong = term.wrong.max(other.wrong);
        }
        term
    }

    /// The sentence in other words, with `keyword` in place of the words `kept`.
    fn retell(
        &mut self,
        line: &Line<'_>,
        kept: Range<usize>,
        keyword: &str,
    ) -> (String, Range<usize>) {
        let mut told = String::new();
        let mut span = 0..0;
        for (at, (range, wrong)) in line.words.iter().enumerate() {
            if at == kept.start {
                span = told.len()..told.len() + keyword.len();
                told.push_str(keyword);
            }
            if kept.contains(&at) {
                continue;
            }
            let word = match self.random.below(100) {
                chance if chance < RETOLD && wrong.is_some() => self.any(self.pool),
                chance if chance < RETOLD + MOVED && wrong.is_some() => self.any(self.own),
                _ => &line.text[range.clone()],
            };
            told.push_str(word);
        }
        (told, span)
    }

    fn any<'t>(&mut self, terms: &'t [Term]) -> &'t str {
        terms.get(self.random.below(terms.len())).map_or("", |term| term.text.as_str())
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.random.below(100) < percent
    }
}

fn item(group: &str, label: bool, features: Vec<f64>) -> Item {
    Item {
        id: String::new(),
        group: group.to_owned(),
        label,
        kind: None,
        form: Form::Keyword,
        parts: vec![Part { features, idle: false, bad: label, conflict: false }],
        length: 0.0,
        not_verbatim: false,
    }
}
