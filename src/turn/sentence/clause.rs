//! Where a text may be cut inside a sentence.

use unicode_segmentation::UnicodeSegmentation;

use super::characters::{is_cjk, is_clause_mark, is_closing, is_ellipsis, is_end};
use super::units::count_units;

/// Whether a clause ends at `mark`, given the characters on both sides.
///
/// ASCII marks end one only before white space or Chinese: not in `1,000`, `10:30`, `https://`. Wide
/// marks do unless they stand between digits (`10：30`).
pub(super) fn ends_clause(before: Option<char>, mark: char, after: Option<char>) -> bool {
    let digit = |side: Option<char>| side.is_some_and(|side| side.is_ascii_digit());
    match mark {
        ',' | ';' | ':' => after.is_none_or(|after| {
            after.is_whitespace()
                || is_cjk(after)
                || (!after.is_ascii() && !after.is_alphanumeric())
        }),
        '—' => after != Some('—'),
        _ => is_clause_mark(mark) && !(digit(before) && digit(after)),
    }
}

/// The places after the clauses of a text, as byte offsets, each behind its mark and what closes
/// after it; sentence ends inside quotes are among them. The end of the text is one only when a
/// mark stands there.
pub(in crate::turn) fn clauses(text: &str) -> Vec<usize> {
    let characters: Vec<(usize, char)> = text.char_indices().collect();
    let at = |index: usize| characters.get(index).map(|(_, character)| *character);
    let mut places = Vec::new();
    for (index, (_, mark)) in characters.iter().enumerate() {
        let before = index.checked_sub(1).and_then(at);
        let after = at(index + 1);
        let spaced = || after.is_none_or(|after| after.is_whitespace() || is_closing(after));
        let ends = match *mark {
            mark if is_end(mark) || is_ellipsis(mark) => true,
            '!' | '?' => spaced(),
            mark => ends_clause(before, mark, after),
        };
        if !ends {
            continue;
        }
        let mut end = index + 1;
        while at(end).is_some_and(|next| is_tail(next) || next.is_whitespace()) {
            end += 1;
        }
        let place = characters.get(end).map_or(text.len(), |(place, _)| *place);
        if places.last() != Some(&place) {
            places.push(place);
        }
    }
    places
}

/// What stays with the mark before it; an ASCII quote may open as well, so it is not among them.
fn is_tail(character: char) -> bool {
    is_end(character) || is_ellipsis(character) || (is_closing(character) && character != '"')
}

/// The last place up to `limit` characters where a text can be cut between words, and never inside
/// a character as people see it; behind the white space that follows the word. `None` when there
/// is no such place after `start`. The end of the text is not taken: more may follow.
pub(super) fn word_border(text: &str, start: usize, limit: usize) -> Option<usize> {
    let fits = |place: &usize| *place > start && *place < text.len();
    let far = text.char_indices().nth(limit).map_or(text.len(), |(place, _)| place);
    let mut words: Vec<usize> = text.split_word_bound_indices().map(|(place, _)| place).collect();
    // A blank belongs to the word before it.
    words.retain(|place| fits(place) && !text[*place..].starts_with(char::is_whitespace));
    if let Some(place) = words.iter().rev().find(|place| **place <= far) {
        return Some(*place);
    }
    if text[start..].chars().count() <= limit {
        return words.first().copied();
    }
    let graphemes = || text.grapheme_indices(true).map(|(place, _)| place).filter(fits);
    graphemes().rfind(|place| *place <= far).or_else(|| graphemes().next())
}

/// The longest start of a text that ends with a word and has at most so many units; empty when
/// there is none.
pub(in crate::turn) fn words_within(text: &str, units: u32) -> &str {
    let mut kept = 0;
    for (place, word) in text.split_word_bound_indices() {
        let end = place + word.len();
        if count_units(&text[..end]) > units {
            // What Unicode takes for one word may be several units, such as "0，0" or katakana.
            let fits = |offset: &usize| count_units(&text[..place + offset]) <= units;
            let offset = word.char_indices().map(|(offset, _)| offset).rfind(fits).unwrap_or(0);
            let start = word[..offset].trim_end_matches(|mark: char| !mark.is_alphanumeric());
            if count_units(start) > 0 {
                kept = place + start.len();
            }
            break;
        }
        if count_units(word) > 0 {
            kept = end;
        }
    }
    &text[..kept]
}
