//! A list of words, and where they stand in a text.

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};
use thiserror::Error;

use super::normal::{Normal, Without};

/// Most characters of a word.
const MOST_CHARS: usize = 64;

/// Most words of a persona.
const MOST_WORDS: usize = 200_000;

/// Why texts are no list of words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidList {
    /// A line is no word.
    #[error(
        "line {line} is longer than {MOST_CHARS} characters, or has nothing that could be compared"
    )]
    Line {
        /// Its number in its text, from 1.
        line: usize,
    },
    /// There are too many.
    #[error("there are more than {MOST_WORDS} words")]
    TooMany,
    /// They cannot be looked for.
    #[error("the words cannot be looked for: {0}")]
    Unusable(String),
}

/// Words to look for.
#[derive(Debug)]
pub(super) struct List {
    /// Words with a Chinese character, found wherever they stand.
    anywhere: Set,
    /// Others, found where they are whole words.
    whole: Set,
}

/// What was found in a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Where words stand, in order; they do not overlap.
    pub(super) words: Vec<Range<usize>>,
    /// Up to here nothing can become a word whatever follows.
    pub(super) safe: usize,
}

impl List {
    pub(super) fn new<'text>(
        texts: impl IntoIterator<Item = &'text str>,
    ) -> Result<Self, InvalidList> {
        let (mut anywhere, mut whole) = (Vec::new(), Vec::new());
        for text in texts {
            for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
                let word = line.trim();
                if word.is_empty() || word.starts_with('#') {
                    continue;
                }
                let in_chinese = word.chars().any(is_chinese);
                let without = if in_chinese { Without::Separators } else { Without::Invisible };
                let normal = Normal::of(word, without).text;
                if normal.is_empty() || word.chars().count() > MOST_CHARS {
                    return Err(InvalidList::Line { line: number + 1 });
                }
                if in_chinese { &mut anywhere } else { &mut whole }.push(normal);
            }
        }
        if anywhere.len() + whole.len() > MOST_WORDS {
            return Err(InvalidList::TooMany);
        }
        Ok(Self {
            anywhere: Set::new(anywhere, Without::Separators)?,
            whole: Set::new(whole, Without::Invisible)?,
        })
    }

    /// Looks for the words in a text that `before` stands before. Unless it is at its end, more may
    /// follow, and a word that could go on is not found yet.
    pub(super) fn find(&self, text: &str, before: Option<char>, at_end: bool) -> Found {
        let (mut words, mut safe) = (Vec::new(), text.len());
        for set in [&self.anywhere, &self.whole] {
            safe = safe.min(set.find(text, before, at_end, &mut words));
        }
        words.sort_unstable_by_key(|word| (word.start, word.end));
        let mut joined: Vec<Range<usize>> = Vec::new();
        for word in words {
            match joined.last_mut() {
                Some(last) if word.start < last.end => last.end = last.end.max(word.end),
                _ => joined.push(word),
            }
        }
        // What overlaps something that may go on is not let through by halves.
        while let Some(last) = joined.last().filter(|word| word.end > safe) {
            safe = safe.min(last.start);
            joined.pop();
        }
        Found { words: joined, safe }
    }
}

/// Words that are looked for in one way.
#[derive(Debug)]
struct Set {
    automaton: Option<AhoCorasick>,
    /// In order, so that whatever begins with a text stands together.
    sorted: Vec<String>,
    /// Bytes of the longest.
    longest: usize,
    without: Without,
}

impl Set {
    fn new(mut words: Vec<String>, without: Without) -> Result<Self, InvalidList> {
        words.sort_unstable();
        words.dedup();
        let automaton = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&words);
        let automaton = automaton.map_err(|error| InvalidList::Unusable(error.to_string()))?;
        let longest = words.iter().map(String::len).max().unwrap_or(0);
        let automaton = (!words.is_empty()).then_some(automaton);
        Ok(Self { automaton, sorted: words, longest, without })
    }

    /// Adds where its words stand, and tells up to where none of them can still come to be.
    fn find(
        &self,
        text: &str,
        before: Option<char>,
        at_end: bool,
        words: &mut Vec<Range<usize>>,
    ) -> usize {
        let Some(automaton) = &self.automaton else { return text.len() };
        let normal = Normal::of(text, self.without);
        let is_whole = self.without == Without::Invisible;
        let begins = |at: usize| {
            !is_whole
                || normal.text[..at].chars().next_back().or(before).is_none_or(|it| !joins(it))
        };
        let ends = |at: usize| match normal.text[at..].chars().next() {
            _ if !is_whole => true,
            Some(next) => !joins(next),
            None => at_end,
        };
        for found in automaton.find_overlapping_iter(&normal.text) {
            if begins(found.start()) && ends(found.end()) {
                words.push(normal.start(found.start())..normal.end(found.end() - 1));
            }
        }
        if at_end {
            return text.len();
        }
        let earliest = normal.text.len().saturating_sub(self.longest);
        let mut starts =
            normal.text[..].char_indices().map(|(at, _)| at).skip_while(|at| *at < earliest);
        starts
            .find(|at| begins(*at) && self.may_become_one(&normal.text[*at..], is_whole))
            .map_or(text.len(), |at| normal.start(at))
    }

    /// Whether a word begins with this text and goes on. One that has to be whole may be there, and
    /// only what follows tells whether it ends.
    fn may_become_one(&self, text: &str, is_whole: bool) -> bool {
        let first = self.sorted.partition_point(|word| word.as_str() < text);
        let mut following = self.sorted[first..].iter().take_while(|word| word.starts_with(text));
        following.any(|word| is_whole || word.len() > text.len())
    }
}

/// Whether a character is one of a word of letters.
fn joins(character: char) -> bool {
    character.is_alphanumeric() && !is_chinese(character)
}

/// Whether a character is one of those that are not parted by blanks.
fn is_chinese(character: char) -> bool {
    matches!(
        character,
        '\u{2e80}'..='\u{2fdf}' | '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{30ff}'
            | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{323af}'
    )
}
