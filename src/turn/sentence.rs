//! Cuts an answer into the sentences that an avatar speaks, while the answer is still coming.

mod characters;
mod clause;
mod ending;
mod period;
mod piece;
#[cfg(test)]
mod tests;
mod units;

pub(super) use characters::{is_cjk, is_pictograph, is_picture_part};
pub(super) use clause::{clauses, words_within};
pub(super) use ending::is_ended;
pub use units::count_units;

use super::emotion::Marked;
use super::{Action, Emotion};
use ending::{Ending, Sight};
use piece::Piece;

/// How sentences are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmenterOptions {
    /// From so many units on ([`count_units`]) the first sentence may be released up to a clause
    /// mark, so that speech begins early; `None` waits for its end. Default 4.
    pub first_fragment: Option<usize>,
    /// Most characters of a sentence before it is cut at a clause mark or between words. Default 120.
    pub max_chars: usize,
}

impl Default for SegmenterOptions {
    fn default() -> Self {
        Self { first_fragment: Some(4), max_chars: 120 }
    }
}

/// A sentence, or the first fragment of one, before it is weighed, checked and made speakable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// What to show. All texts joined are the text that came in.
    pub text: String,
    /// How to look while saying it.
    pub emotion: Emotion,
    /// What to do while saying it.
    pub actions: Vec<Action>,
}

/// Cuts a stream of text into sentences; made for Chinese first and right for English.
///
/// A sentence ends at `。！？!?…`, at a full stop that is no part of a number, name or
/// abbreviation, and at the end of a line; never inside open quotes or brackets unless an empty line
/// or the length limit comes. What closes after the end mark, emoji and white space belong to the
/// sentence before. A piece without a letter or digit is no sentence: it is joined to the one before, or
/// at the start to the next; an answer of nothing else is one sentence, or none if it is blank. The
/// limit counts from the sentence's start up to its end mark; marks and blanks behind it may exceed it.
///
/// An emotion holds from the next sentence whose first letter or digit comes after it. A gesture belongs
/// to the sentence it stands in, and between two sentences to the later one.
///
/// A sentence is released with the first letter or digit of the next one, or by `finish`. The same
/// text in any pieces gives the same sentences.
#[derive(Debug)]
pub struct Segmenter {
    options: SegmenterOptions,
    emotion: Emotion,
    /// A whole sentence that waits for the first letter of the next.
    ready: Option<Draft>,
    piece: Piece,
    /// Nothing has been cut yet.
    first: bool,
}

impl Segmenter {
    /// A segmenter for one answer.
    pub fn new(options: SegmenterOptions) -> Self {
        Self {
            options,
            emotion: Emotion::default(),
            ready: None,
            piece: Piece::default(),
            first: true,
        }
    }

    /// Takes the next text or tag and gives the sentences that are whole by now.
    pub fn push(&mut self, marked: Marked) -> Vec<Draft> {
        let mut drafts = Vec::new();
        match marked {
            Marked::Text(text) => text.chars().for_each(|c| self.take(c, &mut drafts)),
            Marked::Emotion(emotion) => self.emotion = emotion,
            Marked::Action(action) => self.piece.act(action),
        }
        drafts
    }

    /// Ends the text and gives what is left of it.
    pub fn finish(&mut self) -> Option<Draft> {
        let mut piece = std::mem::take(&mut self.piece);
        piece.settle();
        let spoken = piece.is_spoken();
        let draft = piece.into_draft(self.emotion);
        match self.ready.take() {
            Some(mut ready) if !spoken => {
                ready.text.push_str(&draft.text);
                ready.actions.extend(draft.actions);
                Some(ready)
            }
            // A spoken piece releases the one before with its first letter.
            _ => Some(draft).filter(|draft| !draft.text.trim().is_empty()),
        }
    }

    fn take(&mut self, character: char, drafts: &mut Vec<Draft>) {
        if self.piece.sight(character) == Sight::Over {
            self.cut(None);
        }
        let was_spoken = self.piece.is_spoken();
        self.piece.add(character, self.emotion);
        if self.piece.is_spoken() && !was_spoken {
            drafts.extend(self.ready.take());
        }
        if self.first && self.is_fragment() {
            self.piece.end(Ending::Clause);
        }
        if let Some(place) = self.piece.overflow(self.options.max_chars) {
            let rest = self.cut(Some(place));
            for character in rest.chars() {
                self.take(character, drafts);
            }
        }
    }

    /// Whether the first sentence can be released up to here, if the next character agrees.
    fn is_fragment(&self) -> bool {
        let Some(least) = self.options.first_fragment else {
            return false;
        };
        self.piece.is_at_clause()
            && usize::try_from(count_units(self.piece.text())).is_ok_and(|units| units >= least)
    }

    /// Ends the current piece, at `place` or where it is, and gives the text behind `place`.
    fn cut(&mut self, place: Option<usize>) -> String {
        if !self.piece.is_spoken() && self.ready.is_none() {
            self.piece.go_on();
            return String::new();
        }
        let mut piece = std::mem::take(&mut self.piece);
        let rest = place.map(|place| piece.split_off(place)).unwrap_or_default();
        self.piece = piece.next();
        let spoken = piece.is_spoken();
        let draft = piece.into_draft(self.emotion);
        match &mut self.ready {
            Some(ready) if !spoken => {
                ready.text.push_str(&draft.text);
                ready.actions.extend(draft.actions);
            }
            ready => *ready = Some(draft),
        }
        self.first = false;
        rest
    }
}
