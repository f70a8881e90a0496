//! Texts as they are compared: in one case and one width, without what cannot be seen.

/// A text as it is compared, and where each of its bytes stands in the text that it was made of.
#[derive(Debug, Default)]
pub(super) struct Normal {
    pub(super) text: String,
    /// For each byte: where the character that it came from begins, and where that ends.
    places: Vec<(usize, usize)>,
}

/// What is left out of a text before it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Without {
    /// What cannot be seen. White space is one blank.
    Invisible,
    /// White space, too, and the marks that somebody writes between the characters of a word.
    Separators,
}

impl Normal {
    pub(super) fn of(text: &str, without: Without) -> Self {
        let mut normal = Self::default();
        for (at, character) in text.char_indices() {
            let place = (at, at + character.len_utf8());
            if is_invisible(character) {
                continue;
            }
            let character = half_width(character);
            if character.is_whitespace() {
                if without == Without::Invisible && !normal.text.ends_with(' ') {
                    normal.put(' ', place);
                }
                continue;
            }
            if without == Without::Separators && is_separator(character) {
                continue;
            }
            character.to_lowercase().for_each(|character| normal.put(character, place));
        }
        normal
    }

    fn put(&mut self, character: char, place: (usize, usize)) {
        self.text.push(character);
        self.places.resize(self.text.len(), place);
    }

    /// Where the character of this byte begins in the original text.
    pub(super) fn start(&self, byte: usize) -> usize {
        self.places[byte].0
    }

    /// Where the character of this byte ends in the original text.
    pub(super) fn end(&self, byte: usize) -> usize {
        self.places[byte].1
    }
}

/// The last character of a text that is seen, as it is compared.
pub(super) fn last_seen(text: &str) -> Option<char> {
    text.chars().rev().find(|character| !is_invisible(*character)).map(half_width)
}

/// A character that is not seen: joiners, marks of direction, variation selectors.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
    )
}

/// The narrow form of a full-width letter, digit or mark.
fn half_width(character: char) -> char {
    match character {
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(character) - 0xff01 + 0x21).unwrap_or(character)
        }
        '\u{3000}' => ' ',
        other => other,
    }
}

fn is_separator(character: char) -> bool {
    matches!(
        character,
        '*' | '_' | '-' | '~' | '.' | '|' | '/' | '+' | '`' | '·' | '・' | '•' | '…' | '—'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_width_and_what_is_not_seen_make_no_difference() {
        for (text, wanted) in [
            ("Ｐｉｎｅａｐｐｌｅ　ＰＩＺＺＡ", "pineapple pizza"),
            ("pine\u{200b}app\u{ad}le\n \tpizza", "pineapple pizza"),
            ("İ", "i\u{307}"),
            ("Ä１", "ä1"),
        ] {
            assert_eq!(Normal::of(text, Without::Invisible).text, wanted);
        }
        assert_eq!(Normal::of("香 * 菜-饺\u{3000}子", Without::Separators).text, "香菜饺子");
    }

    #[test]
    fn every_byte_knows_where_it_is_from() {
        let text = "Ａ\u{200b}İ菜";
        let normal = Normal::of(text, Without::Invisible);
        assert_eq!(normal.text, "ai\u{307}菜");
        let from: Vec<_> = (0..normal.text.len())
            .map(|byte| &text[normal.start(byte)..normal.end(byte)])
            .collect();
        assert_eq!(from, ["Ａ", "İ", "İ", "İ", "菜", "菜", "菜"]);
    }
}
