//! Words to learn from, made of the Chinese training passages: some as they stand, some changed.

use anima_check::{Form, measure_span, sentences};

use super::{
    items::{Item, Part, index},
    rows::Row,
};
use crate::eval::random::Random;

/// Words that are common enough to say nothing stand in so many passages.
const COMMON: usize = 12;

/// Makes keywords of passages. The same rows give the same keywords.
pub(super) fn keywords(rows: &[Row]) -> Vec<Item> {
    let mut passages: Vec<(&str, &str)> =
        rows.iter().map(|row| (row.group.as_str(), row.evidence.as_str())).collect();
    passages.sort_unstable();
    passages.dedup();
    let mut random = Random(0x1d);
    let words: Vec<String> = passages
        .iter()
        .flat_map(|(_, text)| sentences(text).into_iter().map(move |range| &text[range]))
        .filter_map(|line| word(line, &mut random).map(|range| line[range].to_owned()))
        .collect();
    let common =
        |word: &str| passages.iter().filter(|(_, text)| text.contains(word)).count() >= COMMON;
    let (frequent, rare): (Vec<&String>, Vec<&String>) =
        words.iter().partition(|word| word.chars().count() == 2 && common(word));
    let mut items = Vec::new();
    for (group, text) in &passages {
        let evidence = index(text);
        let mut add = |line: &str, span: std::ops::Range<usize>, label: bool| {
            let features = measure_span(line, &span, &evidence).features;
            items.push(keyword(group, label, features));
        };
        for line in sentences(text).into_iter().map(|range| &text[range]) {
            let Some(span) = word(line, &mut random) else { continue };
            add(line, span.clone(), false);
            let mut replace = |pool: &[&String], label: bool, random: &mut Random| {
                let Some(other) = pool.get(random.below(pool.len())) else { return };
                if !text.contains(other.as_str()) {
                    let changed = format!("{}{other}{}", &line[..span.start], &line[span.end..]);
                    add(&changed, span.start..span.start + other.len(), label);
                }
            };
            replace(&frequent, false, &mut random);
            replace(&rare, true, &mut random);
            if let Some(number) = number(line) {
                add(line, number.clone(), false);
                let value = format!("{}", 3 + random.below(900));
                if !text.contains(&value) {
                    let changed =
                        format!("{}{value}{}", &line[..number.start], &line[number.end..]);
                    add(&changed, number.start..number.start + value.len(), true);
                }
            }
        }
    }
    items
}

fn keyword(group: &str, label: bool, features: Vec<f64>) -> Item {
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

/// Two to six adjacent Chinese characters of a line, from anywhere.
fn word(line: &str, random: &mut Random) -> Option<std::ops::Range<usize>> {
    let characters: Vec<(usize, char)> = line.char_indices().collect();
    if characters.len() < 12 {
        return None;
    }
    let length = 2 + random.below(5);
    let first = random.below(characters.len() - length);
    let row = &characters[first..first + length];
    let end = characters.get(first + length).map_or(line.len(), |(at, _)| *at);
    let chinese = |c: char| {
        ('\u{4e00}'..='\u{9fff}').contains(&c) && !"的了是在和与及也都就这那其之".contains(c)
    };
    row.iter().all(|(_, c)| chinese(*c)).then(|| row[0].0..end)
}

/// The first digits of a line.
fn number(line: &str) -> Option<std::ops::Range<usize>> {
    let start = line.find(|c: char| c.is_ascii_digit())?;
    let end = line[start..].find(|c: char| !c.is_ascii_digit()).map_or(line.len(), |at| start + at);
    Some(start..end)
}
