//! Blocks as passages of a few hundred characters, which is what is found and shown.

use std::collections::HashMap;

use crate::{read::Block, words::is_han};

/// A passage is about so wide: 240 Chinese characters, or some 80 English words.
const AIM: usize = 480;

/// A passage is no wider than this, which a single block may reach.
const WIDEST: usize = 720;

/// A passage of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Its place in the document: the innermost heading, numbered from the second passage under it on
    /// (`Opening hours~2`); empty for the beginning of a document without headings.
    pub place: String,
    /// The headings that it stands under, as one line; empty where there are none.
    pub headings: String,
    /// What it says.
    pub text: String,
}

impl Cut {
    /// The text with its headings before it, which often name what it is about.
    pub fn shown(&self) -> String {
        match self.headings.as_str() {
            "" => self.text.clone(),
            headings => format!("{headings}: {}", self.text),
        }
    }
}

/// Cuts a document into passages: blocks under the same headings are joined while there is room, and
/// longer ones are cut between sentences.
pub fn cut(blocks: &[Block]) -> Vec<Cut> {
    let mut passages = Passages::default();
    let mut open: Option<(&[String], String)> = None;
    for block in blocks {
        for piece in pieces(&block.text) {
            match &mut open {
                Some((headings, text))
                    if *headings == block.headings && width(text) + width(piece) <= AIM =>
                {
                    text.push('\n');
                    text.push_str(piece);
                }
                _ => {
                    passages.close(open.take());
                    open = Some((&block.headings, piece.to_owned()));
                }
            }
        }
    }
    passages.close(open);
    passages.done
}

/// Passages that are whole.
#[derive(Default)]
struct Passages {
    done: Vec<Cut>,
    /// How many stand under each heading. One may come again in a document; all count that stand
    /// under its name.
    under: HashMap<String, usize>,
}

impl Passages {
    fn close(&mut self, open: Option<(&[String], String)>) {
        let Some((headings, text)) = open else { return };
        let last = headings.last().cloned().unwrap_or_default();
        let number = self.under.entry(last.clone()).or_default();
        *number += 1;
        let place = if *number == 1 { last } else { format!("{last}~{number}") };
        self.done.push(Cut { place, headings: headings.join(" · "), text });
    }
}

/// How much room a text takes: a Chinese character says about as much as two letters.
fn width(text: &str) -> usize {
    text.chars().map(|c| if is_han(c) { 2 } else { 1 }).sum()
}

/// A text in pieces that are no wider than a passage may be, cut between lines or sentences where
/// that is possible, and else between words or anywhere.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text.trim();
    while width(rest) > WIDEST {
        let end = place_to_cut(rest);
        let (piece, tail) = rest.split_at(end);
        pieces.push(piece.trim());
        rest = tail.trim_start();
    }
    pieces.push(rest);
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// Where to cut a text that is too wide: after the last sentence that fits into what is aimed at.
fn place_to_cut(text: &str) -> usize {
    let (mut room, mut fits) = (0, 0);
    let mut sentence = None;
    let mut space = None;
    let mut characters = text.char_indices().peekable();
    while let Some((offset, c)) = characters.next() {
        room += if is_han(c) { 2 } else { 1 };
        if room > AIM {
            break;
        }
        fits = offset + c.len_utf8();
        let next = characters.peek().map_or(' ', |(_, next)| *next);
        match c {
            '。' | '！' | '？' | '；' | '\n' => sentence = Some(fits),
            '.' | '!' | '?' | ';' if next.is_whitespace() => sentence = Some(fits),
            '，' | '、' => space = Some(fits),
            _ if c.is_whitespace() => space = Some(fits),
            _ => {}
        }
    }
    // A cut in the first third would leave passages that say too little.
    let late = |place: &usize| *place * 3 > fits;
    sentence.filter(late).or(space.filter(late)).unwrap_or(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(heading: &str, text: &str) -> Block {
        let headings = if heading.is_empty() { vec![] } else { vec![heading.to_owned()] };
        Block { headings, text: text.to_owned() }
    }

    #[test]
    fn short_blocks_under_one_heading_are_one_passage() {
        let cuts = cut(&[block("A", "One."), block("A", "Two."), block("B", "Three.")]);
        assert_eq!(cuts.len(), 2);
        assert_eq!(cuts[0].shown(), "A: One.\nTwo.");
        assert_eq!(cuts[1].place, "B");
    }

    #[test]
    fn places_under_one_heading_are_numbered() {
        let long = "x".repeat(400);
        let cuts =
            cut(&[block("A~1", &long), block("A~1", &long), block("B", "."), block("A~1", ".")]);
        let places: Vec<_> = cuts.iter().map(|cut| cut.place.as_str()).collect();
        assert_eq!(places.len(), 4);
        assert_eq!(places.iter().collect::<std::collections::HashSet<_>>().len(), 4, "{places:?}");
        assert_eq!(cut(&[block("", "One.")])[0].place, "");
    }

    #[test]
    fn long_texts_are_cut_between_sentences_and_nothing_is_lost() {
        for sentence in
            ["茶馆建于一八九零年，后来重修过两次。", "The tea house was rebuilt twice. "]
        {
            let text = sentence.repeat(60);
            let cuts = cut(&[block("", &text)]);
            assert!(cuts.len() > 2);
            for cut in &cuts {
                assert!(width(&cut.text) <= WIDEST && cut.text.ends_with(['。', '.']), "{cut:?}");
            }
            let bare = |text: &str| text.split_whitespace().collect::<String>();
            let joined: String = cuts.iter().map(|cut| bare(&cut.text)).collect();
            assert_eq!(joined, bare(&text));
        }
        let cuts = cut(&[block("", &"字".repeat(10_000))]);
        assert_eq!(cuts.iter().map(|cut| cut.text.chars().count()).sum::<usize>(), 10_000);
    }
}
