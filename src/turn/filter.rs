//! Keeps words out of an answer that an operator does not want to be said.
//!
//! A persona names lists of words; whatever the model writes is read for them as it streams, and what
//! can still become one of them is held back. A word is found however it is cut into pieces, in any
//! case and width, with a tag in the middle, and a Chinese one also with blanks or marks between its
//! characters; one of letters only where it is a whole word.

mod list;
mod normal;

use std::{mem, sync::Arc};

use serde::Deserialize;

use super::emotion::Marked;
use list::{Found, List};
use normal::last_seen;

pub use list::InvalidList;

/// What is put in the place of each letter of a word. Nobody says it aloud.
const MASK: char = '*';

/// Most bytes that are held back: no word is as long, whatever stands between its characters.
const MOST_HELD: usize = 1024;

/// What is done about a word in an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Its letters are masked.
    #[default]
    Mask,
    /// The sentence that it stands in is withheld, and the answer ends.
    Withhold,
}

/// The words that a persona does not say.
#[derive(Debug, Clone)]
pub struct Words {
    list: Arc<List>,
    action: Action,
}

impl Words {
    /// The words of these lists, one word on each line; empty lines and such as begin with `#` aside.
    ///
    /// # Errors
    /// When a line is too long to be a word, or there are too many.
    pub fn new<'text>(
        texts: impl IntoIterator<Item = &'text str>,
        action: Action,
    ) -> Result<Self, InvalidList> {
        Ok(Self { list: Arc::new(List::new(texts)?), action })
    }

    /// Whether a whole text holds one of the words.
    pub fn are_in(&self, text: &str) -> bool {
        !self.list.find(text, None, true).words.is_empty()
    }

    /// A whole text with its words masked, whatever is done about a word elsewhere.
    pub fn mask(&self, text: &str) -> String {
        let mut filter = Filter::masking(self);
        let mut marked = filter.push(vec![Marked::Text(text.to_owned())]);
        marked.extend(filter.finish());
        let text = |mark| match mark {
            Marked::Text(text) => Some(text),
            _ => None,
        };
        marked.into_iter().filter_map(text).collect()
    }
}

/// Reads one answer for the words.
#[derive(Debug)]
pub struct Filter {
    words: Words,
    /// What may still become a word.
    held: String,
    /// Marks among the held text, each before the byte of this number.
    marks: Vec<(usize, Marked)>,
    /// The last character that was let through.
    before: Option<char>,
    tripped: bool,
}

impl Filter {
    /// A filter for one answer.
    pub fn new(words: &Words) -> Self {
        Self {
            words: words.clone(),
            held: String::new(),
            marks: Vec::new(),
            before: None,
            tripped: false,
        }
    }

    /// A filter for one answer that masks, whatever is done about a word elsewhere.
    pub fn masking(words: &Words) -> Self {
        Self::new(&Words { action: Action::Mask, ..words.clone() })
    }

    /// Takes the next pieces and gives what can be let through, in order.
    pub fn push(&mut self, marked: Vec<Marked>) -> Vec<Marked> {
        for mark in marked {
            match mark {
                Marked::Text(text) => self.held.push_str(&text),
                mark => self.marks.push((self.held.len(), mark)),
            }
        }
        self.let_through(false)
    }

    /// Ends the text and gives what is left.
    pub fn finish(&mut self) -> Vec<Marked> {
        self.let_through(true)
    }

    /// Whether a word was found for which the answer ends. What was let through ends before it.
    pub fn has_tripped(&self) -> bool {
        self.tripped
    }

    fn let_through(&mut self, at_end: bool) -> Vec<Marked> {
        if self.tripped {
            return Vec::new();
        }
        let at_end = at_end || self.held.len() > MOST_HELD;
        let Found { words, safe } = self.words.list.find(&self.held, self.before, at_end);
        let (mut text, mut end) = (mem::take(&mut self.held), safe);
        if let Some(first) = words.first().filter(|_| self.words.action == Action::Withhold) {
            (self.tripped, end) = (true, first.start);
        }
        self.held = text.split_off(end);
        self.before = last_seen(&text).or(self.before);
        let mut out = Vec::new();
        let (mut at, mut words) = (0, words.into_iter().peekable());
        let later = self.marks.partition_point(|(place, _)| *place <= end);
        let kept = self.marks.split_off(later);
        let mut marks = mem::replace(&mut self.marks, kept).into_iter().peekable();
        let mut piece = String::new();
        for (place, character) in text.char_indices() {
            while let Some((_, mark)) = marks.next_if(|(before, _)| *before <= place) {
                push_text(&mut out, &mut piece);
                out.push(mark);
            }
            while words.next_if(|word| word.end <= place).is_some() {}
            let masked = words.peek().is_some_and(|word| word.contains(&place));
            piece.push(if masked && !character.is_whitespace() { MASK } else { character });
            at = place + character.len_utf8();
        }
        push_text(&mut out, &mut piece);
        out.extend(marks.map(|(_, mark)| mark));
        for (place, _) in &mut self.marks {
            *place = place.saturating_sub(at);
        }
        out
    }
}

fn push_text(out: &mut Vec<Marked>, piece: &mut String) {
    if !piece.is_empty() {
        out.push(Marked::Text(mem::take(piece)));
    }
}

#[cfg(test)]
mod tests;
