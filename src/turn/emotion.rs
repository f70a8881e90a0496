//! Reads the emotion and gesture tags that a model writes into its answer, and takes them out.

mod dialect;
mod names;
#[cfg(test)]
mod tests;

use super::{Action, Emotion};
use dialect::Reading;

/// A piece of an answer after its tags have been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marked {
    /// Text to show.
    Text(String),
    /// How to look from here on.
    Emotion(Emotion),
    /// A gesture to make here.
    Action(Action),
}

/// Takes emotion and gesture tags out of a stream of text.
///
/// | written | read as |
/// |---|---|
/// | `[joy]` `[开心]` `【开心】` `(happy)` `（开心）` | that emotion, where the whole content is one of the [known names](Emotion::from_name) |
/// | `[face:joy]` `[emotion:joy]` `[expression:joy]` `【表情：开心】` | that emotion, or neutral where the name is not known |
/// | `[animation:wave]` `[action:wave]` `[motion:wave]` `[动作：挥手]` | that gesture |
/// | `<\|EMOTE_HAPPY\|>` | that emotion, or neutral |
/// | `<\|ACT {"emotion":{"name":"happy"},"motion":"shrug"}\|>` | the emotion and the gesture; the emotion may be a plain string |
/// | `<\|DELAY 1\|>` `[pause:1]` `[language:en]` | nothing; the tag goes |
///
/// Anything else is text and stays as it is: `[1]`, `(2024年)`, `*waves*`, a link `[joy](…)`. So
/// are the plain forms of the first row directly after an ASCII letter, digit or underscore
/// (`array[joy]`), and the names of the neutral emotion in round brackets ("120 (normal)").
///
/// White space directly after a tag goes where it would stand at the start of the answer or after
/// other white space. A tag that is not complete is held back only while it can still become one.
/// The same text in any pieces gives the same joined result.
#[derive(Debug, Default)]
pub struct EmotionFilter {
    held: String,
    /// The last character that came in, unless it ended a tag.
    before: Option<char>,
    /// The last character that was released as text.
    released: Option<char>,
    after_tag: bool,
}

impl EmotionFilter {
    /// A filter for one answer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece and gives what can be told of it, in order.
    pub fn push(&mut self, text: &str) -> Vec<Marked> {
        let mut marked = Vec::new();
        for character in text.chars() {
            self.held.push(character);
            self.read(false, &mut marked);
        }
        marked
    }

    /// Ends the text: what is not a complete tag by now is text.
    pub fn finish(&mut self) -> Vec<Marked> {
        let mut marked = Vec::new();
        self.read(true, &mut marked);
        marked
    }

    /// Reads as much of the held text as can be told.
    fn read(&mut self, at_end: bool, marked: &mut Vec<Marked>) {
        while let Some(first) = self.held.chars().next() {
            match dialect::read(&self.held, self.before, at_end) {
                Reading::Partial => return,
                Reading::Tag { length, marks } => {
                    self.held.drain(..length);
                    self.before = None;
                    self.after_tag = true;
                    marked.extend(marks);
                }
                Reading::Text => {
                    self.held.drain(..first.len_utf8());
                    self.before = Some(first);
                    self.put(first, marked);
                }
            }
        }
    }

    fn put(&mut self, character: char, marked: &mut Vec<Marked>) {
        if self.after_tag && character.is_whitespace() {
            let doubled = match self.released {
                None | Some('\n') => true,
                Some(released) => released.is_whitespace() && character != '\n',
            };
            if doubled {
                return;
            }
        }
        self.after_tag = false;
        self.released = Some(character);
        if let Some(Marked::Text(text)) = marked.last_mut() {
            text.push(character);
        } else {
            marked.push(Marked::Text(character.to_string()));
        }
    }
}
