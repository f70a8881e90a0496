//! Whether a sentence that seems to have ended goes on, judged by the next character.

use super::characters::{
    closer_of, is_cjk, is_clause_mark, is_closer, is_closing, is_ellipsis, is_end, is_pictograph,
    is_picture_part,
};
use super::clause::ends_clause;
use super::period::{self, Period};

/// What a sentence seems to have ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// `。`, `！`, `？`.
    Mark,
    /// `!`, `?`: not in an address or in code.
    Bang,
    /// `.`, `...`.
    Period,
    /// `…`.
    Ellipsis,
    /// A closing quote or bracket with an end mark inside.
    Quoted,
    /// The end of a line.
    Line,
    /// A clause mark in the first sentence.
    Clause,
}

impl Ending {
    /// What a mark outside of quotes and brackets may end.
    pub(super) fn of(mark: char) -> Option<Self> {
        match mark {
            '!' | '?' => Some(Self::Bang),
            '.' => Some(Self::Period),
            mark if is_end(mark) => Some(Self::Mark),
            mark if is_ellipsis(mark) => Some(Self::Ellipsis),
            _ => None,
        }
    }
}

/// What has come since the mark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Tail {
    /// Nothing.
    #[default]
    Bare,
    /// Closing quotes or brackets.
    Closed,
    /// White space or emoji.
    Spaced,
    /// A line end.
    Lined,
}

/// What the next character makes of the sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// The sentence has not ended.
    Inside,
    /// The sentence has ended, and the character still belongs to it.
    Tail,
    /// The sentence has ended before the character.
    Over,
}

/// Judges the `next` character after `text`, whose end mark ends at `mark_end`.
pub(super) fn sight(ending: Ending, tail: Tail, text: &str, mark_end: usize, next: char) -> Sight {
    if next.is_whitespace() {
        return Sight::Tail;
    }
    if tail == Tail::Lined || ending == Ending::Line {
        return Sight::Over;
    }
    if belongs(ending, tail, text, next) {
        return Sight::Tail;
    }
    let stem = &text[..mark_end];
    let goes_on = match ending {
        Ending::Mark | Ending::Line => false,
        Ending::Bang => bang_goes_on(stem, tail, next),
        Ending::Period => period_goes_on(stem, tail, next),
        Ending::Ellipsis => {
            next.is_ascii_lowercase()
                || (tail == Tail::Bare && (next.is_ascii_digit() || is_clause_mark(next)))
        }
        Ending::Quoted => {
            next.is_ascii_lowercase()
                || (tail != Tail::Spaced
                    && (is_clause_mark(next) || matches!(next, '的' | '和' | '与' | '或' | '等')))
        }
        Ending::Clause => {
            let mut before = stem.chars().rev();
            let mark = before.next().unwrap_or_default();
            tail == Tail::Bare && !ends_clause(before.next(), mark, Some(next))
        }
    };
    if goes_on { Sight::Inside } else { Sight::Over }
}

/// Whether a character belongs to an ended sentence, whatever comes after it.
fn belongs(ending: Ending, tail: Tail, text: &str, next: char) -> bool {
    let spaced = tail == Tail::Spaced;
    match next {
        next if is_pictograph(next) || is_picture_part(next) || is_closer(next) => true,
        '"' => !spaced && text.matches('"').count() % 2 == 1,
        '\'' => tail == Tail::Bare && ending != Ending::Clause,
        '*' => !spaced && is_emphasis_open(text),
        '`' => !spaced && text.matches('`').count() % 2 == 1,
        _ if ending == Ending::Clause || spaced => false,
        '，' | ',' | '；' | ';' => ending == Ending::Mark,
        '～' | '~' => ending != Ending::Period,
        next => Ending::of(next).is_some(),
    }
}

/// Whether the asterisks of a text leave an emphasis open; a bullet is none.
fn is_emphasis_open(text: &str) -> bool {
    let body = text.trim_start();
    let body = body.strip_prefix("* ").unwrap_or(body);
    body.matches("**").count() % 2 == 1 || body.matches('*').count() % 2 == 1
}

fn bang_goes_on(stem: &str, tail: Tail, next: char) -> bool {
    match tail {
        Tail::Spaced | Tail::Lined => false,
        Tail::Closed => next.is_ascii_lowercase(),
        Tail::Bare if next.is_ascii_uppercase() => {
            let word =
                stem.rsplit(|c: char| c.is_whitespace() || is_cjk(c)).next().unwrap_or_default();
            word.contains('/') || word.starts_with("www.")
        }
        Tail::Bare => next.is_ascii() && closer_of(next).is_none() && next != '"' && next != '<',
    }
}

fn period_goes_on(stem: &str, tail: Tail, next: char) -> bool {
    match tail {
        Tail::Bare => {
            let before = stem.trim_end_matches('.').chars().next_back();
            let chinese = stem.ends_with("..") || before.is_some_and(is_cjk);
            !(chinese && (is_cjk(next) || closer_of(next).is_some() && !next.is_ascii()))
        }
        Tail::Closed => !is_cjk(next),
        Tail::Spaced | Tail::Lined => match period::judge(stem) {
            Period::End => false,
            Period::UnlessSmall => next.is_lowercase(),
            Period::UnlessDigit => next.is_ascii_digit(),
            Period::Inside => true,
        },
    }
}

/// Whether a text that was cut ends a sentence, rather than a fragment of one.
pub(in crate::turn) fn is_ended(text: &str) -> bool {
    let body = text.trim_end();
    let body = body.trim_end_matches(|c: char| {
        is_closing(c)
            || is_pictograph(c)
            || is_picture_part(c)
            || c.is_whitespace()
            || c == '～'
            || c == '~'
    });
    text[text.trim_end().len()..].contains('\n')
        || body.chars().next_back().is_some_and(|mark| Ending::of(mark).is_some())
}
