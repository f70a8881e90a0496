//! How long a text is for a listener.

use unicode_segmentation::UnicodeSegmentation;

use super::characters::is_cjk;

/// Counts what a length budget counts: every Chinese, Japanese or Korean character and every other
/// word is one; punctuation, white space and emoji are none.
///
/// A number with its point, a word with its apostrophe or hyphen and a file name are one word each
/// (`3.14`, `1,000`, `don't`, `well-known`, `main.rs`).
pub fn count_units(text: &str) -> u32 {
    let mut units = 0;
    let mut last: Option<char> = None;
    let mut joiner: Option<char> = None;
    for character in text.chars() {
        if is_cjk(character) {
            units += 1;
            (last, joiner) = (None, None);
        } else if character.is_alphanumeric() {
            let same_word = match (last, joiner) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(left), Some(mark)) => joins(left, mark, character),
            };
            units += u32::from(!same_word);
            (last, joiner) = (Some(character), None);
        } else if last.is_some() && joiner.is_none() && is_joiner(character) {
            joiner = Some(character);
        } else if !is_mark_on_letter(character) {
            (last, joiner) = (None, None);
        }
    }
    units
}

fn is_joiner(character: char) -> bool {
    matches!(character, '.' | ',' | ':' | '\'' | '’' | '-' | '_' | '@' | '/')
}

fn joins(left: char, mark: char, right: char) -> bool {
    match mark {
        ',' | ':' => left.is_ascii_digit() && right.is_ascii_digit(),
        _ => true,
    }
}

/// Whether a character grows the one before it, as accents and vowel signs do.
fn is_mark_on_letter(character: char) -> bool {
    !character.is_ascii()
        && ['a', character].iter().collect::<String>().graphemes(true).count() == 1
}
