//! Text → tokens: words by their stem, Chinese characters one by one, numbers.
//!
//! Chinese needs no segmenter here: what is compared is pairs of adjacent characters.

use crate::{
    hash::key,
    lexicon::{IRREGULAR, STOP},
    quantity::SMALL,
};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A word of an alphabet.
    Word,
    /// One Chinese, Japanese or Korean character.
    Han,
    /// Digits, with their separators.
    Number,
}

/// One token of a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    /// Its first byte.
    pub(crate) start: usize,
    /// The byte after it.
    pub(crate) end: usize,
    /// What it is.
    pub(crate) kind: Kind,
    /// The key of its stem.
    pub(crate) key: u64,
    /// The key of its lower-case form.
    pub(crate) form: u64,
    /// It carries no fact.
    pub(crate) stop: bool,
    /// It begins with a capital.
    pub(crate) capital: bool,
}

impl Token {
    /// Whether the next token follows without anything between.
    pub(crate) fn touches(&self, next: &Self) -> bool {
        self.end == next.start
    }

    /// The token as it is written.
    pub(crate) fn text<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// Cuts a text into tokens; punctuation is left out.
pub(crate) fn tokenize(text: &str) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(text.len() / 4);
    let mut rest = text.char_indices().peekable();
    let mut lower = String::new();
    while let Some((start, raw)) = rest.next() {
        let first = fold(raw);
        if is_han(first) {
            let form = key(first.encode_utf8(&mut [0; 4]));
            let stop = STOP.contains(&form);
            let end = start + raw.len_utf8();
            tokens.push(Token {
                start,
                end,
                kind: Kind::Han,
                key: form,
                form,
                stop,
                capital: false,
            });
        } else if first.is_alphanumeric() {
            let kind = if first.is_ascii_digit() { Kind::Number } else { Kind::Word };
            lower.clear();
            lower.extend(first.to_lowercase());
            let mut end = start + raw.len_utf8();
            while let Some(&(at, raw)) = rest.peek() {
                let next = fold(raw);
                let goes_on = match kind {
                    Kind::Number => next.is_ascii_digit(),
                    _ => next.is_alphanumeric() && !is_han(next),
                };
                let after = at + raw.len_utf8();
                if goes_on {
                    lower.extend(next.to_lowercase());
                } else if !joins(kind, next, &text[after..]) {
                    break;
                } else if next != ',' {
                    lower.push(next);
                }
                end = after;
                rest.next();
            }
            tokens.push(finish(start, end, kind, &lower, first.is_uppercase()));
        }
    }
    tokens
}

/// Whether a mark inside of a token belongs to it: `don't`, `1,000`, `3.5`.
fn joins(kind: Kind, mark: char, after: &str) -> bool {
    let next = after.chars().next().map(fold);
    match kind {
        Kind::Number if mark == '.' => next.is_some_and(|next| next.is_ascii_digit()),
        // A comma groups thousands; else it separates numbers.
        Kind::Number if mark == ',' => {
            let digits = after.chars().take_while(|c| fold(*c).is_ascii_digit()).count();
            digits == 3
        }
        Kind::Word => mark == '\'' && next.is_some_and(char::is_alphabetic),
        _ => false,
    }
}

fn finish(start: usize, end: usize, kind: Kind, lower: &str, capital: bool) -> Token {
    let word = lower.strip_suffix("'s").unwrap_or(lower);
    let form = key(word);
    let key = match kind {
        // `two` and 2 are one word.
        Kind::Word => spelled_digits(word).map_or_else(|| stem_lower(word), key),
        _ => form,
    };
    Token { start, end, kind, key, form, stop: STOP.contains(&form), capital }
}

/// The digits of a number that is spelled as one word.
fn spelled_digits(word: &str) -> Option<&'static str> {
    const DIGITS: [&str; 20] = [
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16",
        "17", "18", "19",
    ];
    SMALL.iter().position(|name| *name == word).map(|at| DIGITS[at])
}

/// The key of a word of a list, or of a pair of Chinese characters, as tokens have it.
pub(crate) fn stem(word: &str) -> u64 {
    let mut characters = word.chars();
    match (characters.next(), characters.next(), characters.next()) {
        (Some(one), Some(two), None) if is_han(one) && is_han(two) => {
            crate::hash::join(character(one), character(two))
        }
        _ => stem_lower(word),
    }
}

fn character(character: char) -> u64 {
    key(character.encode_utf8(&mut [0; 4]))
}

/// The key of a lower-case word's stem. Light on purpose: endings go, families of words stay apart.
fn stem_lower(word: &str) -> u64 {
    if let Some(base) = IRREGULAR.get(&key(word)) {
        return *base;
    }
    key(strip(word))
}

/// What is left of a lower-case word without its endings.
pub(crate) fn strip(word: &str) -> &str {
    let enough = |stem: &&str| stem.len() >= 3 && stem.is_ascii();
    let word = word.strip_suffix("'s").unwrap_or(word);
    let singular = match word {
        _ if word.ends_with("ss") || word.ends_with("us") || word.ends_with("is") => word,
        _ => ["ches", "shes", "xes", "sses", "zes"]
            .iter()
            .find(|ending| word.ends_with(**ending))
            .map_or_else(|| word.strip_suffix('s'), |_| word.strip_suffix("es"))
            .filter(enough)
            .unwrap_or(word),
    };
    let stem = ["ing", "ed", "ly"]
        .iter()
        .find_map(|ending| singular.strip_suffix(ending))
        .filter(|stem| enough(stem) && stem.contains(['a', 'e', 'i', 'o', 'u', 'y']))
        .unwrap_or(singular);
    let stem = undouble(stem, stem.len() < singular.len());
    // `study`, `studi(ed)`, `studi(e)` and `make`, `mak(ing)` meet here.
    let bare = stem.trim_end_matches('e');
    let bare = bare.strip_suffix(['y', 'i']).unwrap_or(bare);
    if bare.len() >= 3 { bare } else { stem }
}

/// `stopp(ed)` → `stop`, but `fall` stays.
fn undouble(stem: &str, cut: bool) -> &str {
    let bytes = stem.as_bytes();
    match bytes {
        [.., a, b]
            if cut && a == b && !matches!(b, b'l' | b's' | b'e' | b'o') && bytes.len() > 3 =>
        {
            &stem[..stem.len() - 1]
        }
        _ => stem,
    }
}

/// Full-width forms and typographic marks → their plain ones; common accents go.
pub(crate) fn fold(character: char) -> char {
    match character {
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character)
        }
        '\u{3000}' | '\u{a0}' => ' ',
        '’' | '‘' | 'ʼ' | '`' => '\'',
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => 'a',
        'è' | 'é' | 'ê' | 'ë' => 'e',
        'ì' | 'í' | 'î' | 'ï' => 'i',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ō' => 'o',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        'ç' => 'c',
        'ñ' => 'n',
        'É' => 'E',
        'Ö' => 'O',
        'Ü' => 'U',
        other => other,
    }
}

/// A character that is a token by itself.
pub(crate) fn is_han(character: char) -> bool {
    matches!(u32::from(character),
        0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xac00..=0xd7af | 0xf900..=0xfaff
        | 0x2_0000..=0x3_134f | 0x3007)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        tokenize(text).iter().map(|token| token.text(text)).collect()
    }

    #[test]
    fn words_numbers_and_characters_are_cut_apart() {
        assert_eq!(cut("It's 1,000km, don't"), ["It's", "1,000", "km", "don't"]);
        assert_eq!(cut("价格是3.5元（约）"), ["价", "格", "是", "3.5", "元", "约"]);
        assert_eq!(cut("in 1999,2000 and 10."), ["in", "1999", "2000", "and", "10"]);
    }

    #[test]
    fn full_width_digits_are_digits() {
        assert_eq!(tokenize("２０２６")[0].key, tokenize("2026")[0].key);
    }

    #[test]
    fn forms_of_a_word_have_one_key() {
        for (one, other) in [
            ("makes", "making"),
            ("stopped", "stop"),
            ("studies", "studied"),
            ("churches", "church"),
            ("went", "going"),
            ("founded", "founds"),
            ("Beyoncé", "beyonce"),
        ] {
            assert_eq!(tokenize(one)[0].key, tokenize(other)[0].key, "{one} {other}");
        }
        assert_ne!(tokenize("universe")[0].key, tokenize("university")[0].key);
        assert_ne!(tokenize("news")[0].key, tokenize("knew")[0].key);
    }
}
