//! A text as the words that it is found by: the same for what is indexed and what is asked.
//!
//! Chinese is cut by jieba: a text into every word in it, a question into the longest ones; English words are
//! brought to their stems; numbers stay as they are. Words that stand in every text are left out.

mod stop;

use std::sync::LazyLock;

use jieba_rs::Jieba;
use tantivy::tokenizer::{Language, RawTokenizer, Stemmer, TextAnalyzer, TokenStream};

pub(crate) use stop::is_stop;

/// The dictionary of Chinese words. Loading it takes a moment, so texts without Chinese do without.
static JIEBA: LazyLock<Jieba> = LazyLock::new(Jieba::new);

/// Longer runs of letters are no words: encoded data, most likely.
const LONGEST: usize = 64;

/// What kind of run a character belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    Han,
    /// Scripts without spaces that no dictionary is there for: each character counts as a word.
    Single,
    Letters,
    Other,
}

/// The words to look for when a person says something, repeated ones repeated.
///
/// `你们几点开门？` gives `几点` and `开门`; `The museum opened in 1987` gives `museum`, `open` and `1987`.
pub fn words(text: &str) -> Vec<String> {
    words_but(text, Cutting::Asked, is_stop)
}

/// The shorter words in a long Chinese one, which may be found where that is not.
pub(crate) fn parts_of(word: &str) -> Vec<String> {
    if !word.chars().all(is_han) {
        return Vec::new();
    }
    let tokens = JIEBA.cut_for_search(word, false);
    let parts = tokens.iter().map(|token| token.word);
    parts.filter(|part| *part != word && !is_stop(part)).map(str::to_owned).collect()
}

/// The words that a text is found by: those that [`words`] may cut out of any part of it.
pub(crate) fn indexed_words(text: &str) -> Vec<String> {
    words_but(text, Cutting::Every, is_stop)
}

/// How Chinese is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cutting {
    /// Into every word that stands in it, however they overlap.
    Every,
    /// Into the longest words, and pairs of the characters that belong to none.
    Asked,
    /// Into the longest words alone.
    Longest,
}

/// The words of a text, without those that are `left_out` as they are written.
pub(crate) fn words_but(
    text: &str,
    cutting: Cutting,
    left_out: impl Fn(&str) -> bool,
) -> Vec<String> {
    let text = plain(text);
    let mut words = Vec::new();
    let mut stems = Stems::new();
    for (script, run) in runs(&text) {
        match script {
            Script::Han => chinese(run, cutting, &left_out, &mut words),
            Script::Single => words.extend(run.chars().map(String::from)),
            Script::Letters if run.len() <= LONGEST => {
                let word = run.split('\'').next().unwrap_or(run);
                if !left_out(word) {
                    words.push(stems.of(word));
                }
            }
            Script::Letters | Script::Other => {}
        }
    }
    words
}

/// Cuts Chinese by the dictionary alone: guessing words that it does not have would cut a name in one
/// way in a document and in another way in a question. What it leaves as single characters is found
/// by these, and by neighbours joined.
fn chinese(run: &str, cutting: Cutting, left_out: impl Fn(&str) -> bool, words: &mut Vec<String>) {
    let tokens = match cutting {
        Cutting::Every => JIEBA.cut_for_search(run, false),
        Cutting::Asked | Cutting::Longest => JIEBA.cut(run, false),
    };
    let first = words.len();
    let mut single: Option<&str> = None;
    for token in tokens {
        let is_single = token.word.chars().nth(1).is_none();
        if left_out(token.word) {
            single = None;
            continue;
        }
        if let Some(before) = single.filter(|_| is_single && cutting != Cutting::Longest) {
            words.push(format!("{before}{}", token.word));
        }
        single = is_single.then_some(token.word);
        words.push(token.word.to_owned());
    }
    if cutting == Cutting::Every {
        for token in JIEBA.cut_all(run) {
            if !left_out(token.word) && !words[first..].iter().any(|word| word == token.word) {
                words.push(token.word.to_owned());
            }
        }
    }
}

/// Loads the dictionary of Chinese words, so that no turn has to wait for it.
pub(crate) fn warm() {
    LazyLock::force(&JIEBA);
}

/// Lower case, and wide forms of ASCII as ASCII.
pub(crate) fn plain(text: &str) -> String {
    let narrow = |c: char| match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        '\u{3000}' => ' ',
        '\u{2019}' => '\'',
        _ => c,
    };
    text.chars().map(narrow).flat_map(char::to_lowercase).collect()
}

pub(crate) fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{323AF}')
}

fn script(c: char) -> Script {
    match c {
        _ if is_han(c) => Script::Han,
        '\u{3040}'..='\u{30FF}' | '\u{0E00}'..='\u{0E7F}' | '\u{AC00}'..='\u{D7AF}' => {
            Script::Single
        }
        _ if c.is_alphanumeric() => Script::Letters,
        _ => Script::Other,
    }
}

/// The text in runs of one script. A point or an apostrophe between two characters of a run belongs
/// to it (`3.5`, `don't`), a comma only between digits.
fn runs(text: &str) -> Vec<(Script, &str)> {
    let characters: Vec<(usize, char)> = text.char_indices().collect();
    let mut runs: Vec<(Script, &str)> = Vec::new();
    let (mut start, mut current) = (0, Script::Other);
    for (place, &(offset, c)) in characters.iter().enumerate() {
        let mut kind = script(c);
        if kind == Script::Other && current == Script::Letters {
            let before = characters[place - 1].1;
            let after = characters.get(place + 1).map_or(' ', |&(_, after)| after);
            let joins = match c {
                '.' | ',' => before.is_ascii_digit() && after.is_ascii_digit(),
                '\'' => before.is_alphabetic() && after.is_alphabetic(),
                _ => false,
            };
            if joins {
                kind = Script::Letters;
            }
        }
        if kind != current {
            if offset > start {
                runs.push((current, &text[start..offset]));
            }
            (start, current) = (offset, kind);
        }
    }
    if start < text.len() {
        runs.push((current, &text[start..]));
    }
    runs
}

/// English words brought to their stems.
struct Stems {
    analyzer: Option<TextAnalyzer>,
}

impl Stems {
    fn new() -> Self {
        Self { analyzer: None }
    }

    fn of(&mut self, word: &str) -> String {
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return word.replace(',', "");
        }
        if !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return word.to_owned();
        }
        let analyzer = self.analyzer.get_or_insert_with(|| {
            TextAnalyzer::builder(RawTokenizer::default())
                .filter(Stemmer::new(Language::English))
                .build()
        });
        let mut stream = analyzer.token_stream(word);
        let stem = stream.next().map(|token| token.text.clone());
        stem.unwrap_or_else(|| word.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_is_cut_into_words_and_what_stands_everywhere_is_left_out() {
        assert_eq!(words("你们的博物馆几点开门呢？"), ["博物馆", "几点", "开门"]);
        assert_eq!(words("Ｗi-Fi 密码是什么"), ["wi", "fi", "密码"]);
    }

    #[test]
    fn english_words_come_as_stems_and_numbers_as_they_are() {
        assert_eq!(words("The museums opened in 1987."), ["museum", "open", "1987"]);
        assert_eq!(words("1,200 visitors at 3.5 % didn't pay"), words("1200 visitor 3.5 did pay"));
        assert_eq!(words("门票30元"), ["门票", "30", "元"]);
    }

    #[test]
    fn endless_runs_are_no_words() {
        assert!(words(&"a".repeat(10_000)).is_empty());
        assert_eq!(words(""), Vec::<String>::new());
        assert_eq!(words("...''.,"), Vec::<String>::new());
    }
}
