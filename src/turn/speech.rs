//! Makes a text speakable: what a person would read aloud of it.

mod markdown;
#[cfg(test)]
mod tests;
mod web;

use markdown::Nesting;

use super::sentence::{is_cjk, is_pictograph, is_picture_part};

/// What to say aloud of a sentence; empty when nothing in it can be said.
///
/// Markdown, HTML tags, web and mail addresses, images, emoji and invisible characters go; of a link
/// its text stays; numbers, signs and names with marks inside (`2*3`, `snake_case`, `C#`) stay. White
/// space becomes single blanks. Works on fragments: a mark without its partner goes as well. Code stays
/// and only loses its fences, for a sentence does not know whether it stands in a block.
pub fn speech(text: &str) -> String {
    let plain = web::without_addresses(&markdown::without_links(text, Nesting::Outer));
    let plain = markdown::without_marks(&web::without_tags(&plain));
    let spoken = tidy(&plain);
    if spoken.chars().any(char::is_alphanumeric) { spoken } else { String::new() }
}

/// Drops what cannot be seen or said, empty brackets, and blanks that came to stand before marks.
fn tidy(text: &str) -> String {
    let mut tidy = String::with_capacity(text.len());
    for character in text.chars() {
        if is_invisible(character) {
            continue;
        }
        if character.is_whitespace() || is_pictograph(character) || character == '•' {
            // A picture between words parts them, as between two Chinese words it need not.
            let glued = !character.is_whitespace() && tidy.ends_with(is_cjk);
            if !glued && !tidy.is_empty() && !tidy.ends_with(' ') {
                tidy.push(' ');
            }
            continue;
        }
        if let Some(open) = opener_of(character) {
            let inside = tidy.trim_end();
            if inside.ends_with(open) {
                tidy.truncate(inside.len() - open.len_utf8());
                continue;
            }
        }
        if tidy.ends_with(' ') && is_attached(character) {
            tidy.pop();
        }
        tidy.push(character);
    }
    tidy.truncate(tidy.trim_end().len());
    tidy
}

fn opener_of(close: char) -> Option<char> {
    match close {
        ')' => Some('('),
        '）' => Some('（'),
        ']' => Some('['),
        '】' => Some('【'),
        '>' => Some('<'),
        _ => None,
    }
}

/// Marks that no blank stands before.
fn is_attached(mark: char) -> bool {
    matches!(
        mark,
        '。' | '，'
            | '！'
            | '？'
            | '；'
            | '：'
            | '、'
            | '）'
            | '”'
            | '.'
            | ','
            | '!'
            | '?'
            | ';'
            | ')'
    )
}

/// Control, direction and zero-width characters, and what only changes a picture.
fn is_invisible(character: char) -> bool {
    (character.is_control() && !character.is_whitespace())
        || is_picture_part(character)
        || matches!(character,
            '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFD}' | '\u{E0000}'..='\u{E007F}'
            | '\u{E000}'..='\u{F8FF}')
}
