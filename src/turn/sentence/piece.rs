//! The text since the last cut.

use super::characters::{closer_of, is_closer, is_closing};
use super::clause::{clauses, ends_clause, word_border};
use super::ending::{self, Ending, Sight, Tail};
use super::{Action, Draft, Emotion, period};

/// The text since the last cut, and what is known of it so far.
#[derive(Debug, Default)]
pub(super) struct Piece {
    text: String,
    length: usize,
    /// The last character but for closing marks.
    inside: Option<char>,
    /// Something else than white space has come.
    filled: bool,
    /// Up to this length there is no place to cut.
    looked: usize,
    /// Where the first letter or digit stands, and the emotion at that time.
    spoken: Option<(usize, Emotion)>,
    actions: Vec<Action>,
    /// Gestures since the end mark: the next sentence's, if there is one.
    next_actions: Vec<Action>,
    /// The marks that close what is open.
    open: Vec<char>,
    /// An ASCII quote was open when the text was cut by force; the next one closes it.
    stray_quote: bool,
    ending: Option<Ending>,
    tail: Tail,
    mark_end: usize,
}

impl Piece {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether there is anything in it that can be spoken.
    pub(super) fn is_spoken(&self) -> bool {
        self.spoken.is_some()
    }

    /// Whether a clause outside of quotes and brackets ends here, if the next character agrees. A
    /// list of nouns (`、`) is no clause.
    pub(super) fn is_at_clause(&self) -> bool {
        let mut last = self.text.chars().rev();
        let clause = last.next().filter(|mark| !matches!(mark, '、' | '～'));
        let ends = clause.is_some_and(|mark| {
            !mark.is_alphanumeric() && !mark.is_whitespace() && ends_clause(last.next(), mark, None)
        });
        ends && self.ending.is_none() && self.open.is_empty() && self.is_spoken()
    }

    /// Judges the next character; once it denies the end, the sentence goes on.
    pub(super) fn sight(&mut self, next: char) -> Sight {
        let Some(ending) = self.ending else {
            return Sight::Inside;
        };
        let sight = match ending::sight(ending, self.tail, &self.text, self.mark_end, next) {
            Sight::Over if next == '"' && self.stray_quote && self.tail == Tail::Bare => {
                Sight::Tail
            }
            sight => sight,
        };
        if sight == Sight::Inside {
            self.go_on();
            self.settle();
        }
        sight
    }

    /// Forgets that the text seemed to have ended.
    pub(super) fn go_on(&mut self) {
        self.ending = None;
        self.tail = Tail::Bare;
    }

    /// Takes the gestures since the end mark as its own.
    pub(super) fn settle(&mut self) {
        self.actions.append(&mut self.next_actions);
    }

    /// Takes a gesture.
    pub(super) fn act(&mut self, action: Action) {
        if self.ending.is_some() { &mut self.next_actions } else { &mut self.actions }.push(action);
    }

    /// Says that the text may have ended with its last character.
    pub(super) fn end(&mut self, ending: Ending) {
        self.ending = Some(ending);
        self.tail = Tail::Bare;
        self.mark_end = self.text.len();
    }

    /// Takes the next character.
    pub(super) fn add(&mut self, character: char, emotion: Emotion) {
        let before = self.text.chars().next_back();
        self.text.push(character);
        self.length += 1;
        self.filled |= !character.is_whitespace();
        if !is_closing(character) {
            self.inside = Some(character);
        }
        if character.is_alphanumeric() && self.spoken.is_none() {
            self.spoken = Some((self.text.len() - character.len_utf8(), emotion));
        }
        if self.ending.is_some() {
            self.extend_tail(character);
        } else if character == '\n' {
            self.end_line();
        } else if self.close(character) {
            let inside = self.inside;
            let ended = inside.is_some_and(|mark| mark != '.' && Ending::of(mark).is_some());
            let sentence = inside == Some('.')
                && (matches!(character, '"' | '”') || self.text.trim_start().starts_with('('));
            if self.open.is_empty() && !is_title(character) && (ended || sentence) {
                self.end(Ending::Quoted);
            }
        } else if !self.open(character, before)
            && self.open.is_empty()
            && let Some(ending) = Ending::of(character)
        {
            self.end(ending);
        }
    }

    fn extend_tail(&mut self, character: char) {
        match Ending::of(character) {
            Some(ending) if self.tail != Tail::Spaced => self.end(ending),
            _ if character == '\n' => {
                if !(self.ending == Some(Ending::Period) && period::is_list_mark(&self.text)) {
                    self.tail = Tail::Lined;
                }
            }
            _ if character.is_whitespace() && self.tail == Tail::Lined => {}
            _ if is_closing(character) && self.tail != Tail::Spaced => {
                self.tail = Tail::Closed;
                if character == '"' {
                    self.stray_quote = false;
                }
            }
            _ if is_closing(character) => {}
            _ => self.tail = Tail::Spaced,
        }
    }

    /// A line that is not blank ends a sentence; inside quotes only an empty line does.
    fn end_line(&mut self) {
        let is_empty = || {
            let line = self.text.trim_end_matches('\n').trim_end_matches([' ', '\t', '\r']);
            self.text.ends_with("\n\n") || line.ends_with('\n')
        };
        if self.filled && (self.open.is_empty() || is_empty()) {
            self.open.clear();
            self.end(Ending::Line);
        }
    }

    /// Closes what a mark closes; `false` when it closes nothing.
    fn close(&mut self, mark: char) -> bool {
        if !is_closer(mark) && mark != '"' {
            return false;
        }
        let Some(place) = self.open.iter().rposition(|open| *open == mark) else {
            return false;
        };
        self.open.truncate(place);
        true
    }

    /// Opens what a mark opens; `false` when it opens nothing.
    fn open(&mut self, mark: char, before: Option<char>) -> bool {
        let closer = match mark {
            '"' if std::mem::take(&mut self.stray_quote) => None,
            // Inches.
            '"' => Some('"').filter(|_| !before.is_some_and(|before| before.is_ascii_digit())),
            // A face.
            '(' => Some(')').filter(|_| !matches!(before, Some(':' | ';'))),
            mark => closer_of(mark),
        };
        self.open.extend(closer);
        closer.is_some()
    }

    /// Where to cut a text that has become longer than the limit without an end.
    pub(super) fn overflow(&mut self, limit: usize) -> Option<usize> {
        let (start, _) = self.spoken?;
        if self.length <= limit.max(self.looked) || self.ending.is_some() {
            return None;
        }
        let inside = |place: &usize| *place > start && *place < self.text.len();
        let clause = clauses(&self.text).into_iter().rfind(inside);
        let place = clause.or_else(|| word_border(&self.text, start, limit));
        if place.is_none() {
            // One picture or letter of many parts: looking again at each part would take long.
            self.looked = self.length + 32;
        }
        place
    }

    /// Cuts by force and gives the text behind.
    pub(super) fn split_off(&mut self, place: usize) -> String {
        let rest = self.text.split_off(place);
        self.stray_quote = self.open.contains(&'"') && self.text.matches('"').count() % 2 == 1;
        rest
    }

    /// The piece that comes after this one.
    pub(super) fn next(&mut self) -> Self {
        Self {
            actions: std::mem::take(&mut self.next_actions),
            stray_quote: self.stray_quote,
            ..Self::default()
        }
    }

    /// The sentence that this piece is; `emotion` where nothing in it fixed another.
    pub(super) fn into_draft(self, emotion: Emotion) -> Draft {
        let emotion = self.spoken.map_or(emotion, |(_, emotion)| emotion);
        Draft { text: self.text, emotion, actions: self.actions }
    }
}

/// Whether a mark closes a title or a label, whose end marks end no sentence.
fn is_title(mark: char) -> bool {
    matches!(mark, '》' | '〉' | '】' | '〕' | ']')
}
