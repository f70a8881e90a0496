//! The evidence of a turn, indexed once and asked for every sentence.

use crate::{
    hash::{KeyMap, KeySet, join, key},
    parsed::Parsed,
    quantity::Quantity,
    sentences::sentences,
    tokens::{Kind, Token, fold},
};

/// A text that answers may rest on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// How a verdict names it.
    pub source_id: String,
    /// What it says.
    pub text: String,
}

/// A sentence of the evidence.
#[derive(Debug)]
pub(crate) struct Line {
    /// Index of the passage.
    pub(crate) passage: usize,
    /// The first byte in the passage.
    pub(crate) start: usize,
    /// The byte after it.
    pub(crate) end: usize,
    /// The keys of its tokens lie here in [`Evidence::keys`].
    pub(crate) first: usize,
    /// The index after the last of them.
    pub(crate) last: usize,
}

/// Where a content unit occurs.
#[derive(Debug, Default)]
pub(crate) struct Posting {
    /// The sentences, rising.
    pub(crate) lines: Vec<u32>,
    /// Those in which it is said.
    pub(crate) plain: Vec<u32>,
    /// Those in which it is negated.
    pub(crate) negated: Vec<u32>,
}

/// All that is known in a turn, ready to be asked.
#[derive(Debug, Default)]
pub struct Evidence {
    passages: Vec<Passage>,
    pub(crate) lines: Vec<Line>,
    /// Every token, in order.
    pub(crate) keys: Vec<u64>,
    /// The sentence of every token.
    pub(crate) line_of: Vec<u32>,
    pub(crate) positions: KeyMap<Vec<u32>>,
    pub(crate) postings: KeyMap<Posting>,
    pub(crate) loose: KeySet,
    pub(crate) pairs: KeySet,
    pub(crate) triples: KeySet,
    shingles: KeySet,
    pub(crate) quantities: Vec<(Quantity, u32)>,
}

impl Evidence {
    /// Indexes passages. Takes about a millisecond for 32 KiB; meant for once a turn.
    pub fn index(passages: impl IntoIterator<Item = Passage>) -> Self {
        let mut evidence = Self::default();
        for passage in passages {
            for range in sentences(&passage.text) {
                evidence.add(&passage.text[range.clone()], range.start);
            }
            evidence.passages.push(passage);
        }
        evidence
    }

    /// Nothing can be held against an answer.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// What was indexed.
    pub fn passages(&self) -> &[Passage] {
        &self.passages
    }

    /// The text of a sentence.
    pub(crate) fn line_text(&self, line: usize) -> &str {
        self.lines.get(line).map_or("", |line| {
            self.passages
                .get(line.passage)
                .and_then(|p| p.text.get(line.start..line.end))
                .unwrap_or("")
        })
    }

    /// A number as the evidence writes it.
    pub(crate) fn quantity_text(&self, quantity: &Quantity, line: usize) -> Option<String> {
        let passage = self.passages.get(self.lines.get(line)?.passage)?;
        passage.text.get(quantity.start..quantity.end).map(str::to_owned)
    }

    /// The name of the passage that a sentence is from.
    pub(crate) fn source_of(&self, line: usize) -> Option<&str> {
        let passage = self.lines.get(line)?.passage;
        self.passages.get(passage).map(|passage| passage.source_id.as_str())
    }

    /// The share of rows of four letters of a text that no passage has.
    #[expect(clippy::cast_precision_loss, reason = "counts of letters")]
    pub(crate) fn missing_shingles(&self, text: &str) -> f64 {
        let (mut missing, mut all) = (0_usize, 0_usize);
        for shingle in shingles(text) {
            all += 1;
            missing += usize::from(!self.shingles.contains(&shingle));
        }
        missing as f64 / all.max(1) as f64
    }

    /// The sentences that a unit occurs in.
    pub(crate) fn lines_with(&self, unit: u64) -> &[u32] {
        self.postings.get(&unit).map_or(&[], |posting| &posting.lines)
    }

    /// How much a unit says: rare ones more.
    #[expect(clippy::cast_precision_loss, reason = "counts of sentences")]
    pub(crate) fn weight(&self, unit: u64) -> f64 {
        let all = self.lines.len() as f64;
        (1.0 + all / (self.lines_with(unit).len() as f64).max(1.0)).ln()
    }

    fn add(&mut self, text: &str, offset: usize) {
        let line = u32::try_from(self.lines.len()).unwrap_or(u32::MAX);
        let first = self.keys.len();
        let parsed = Parsed::new(text);
        for (at, token) in parsed.tokens.iter().enumerate() {
            let position = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
            self.keys.push(token.key);
            self.line_of.push(line);
            self.positions.entry(token.key).or_default().push(position);
            if let Some(loose) = loose(token, text) {
                self.loose.insert(loose);
            }
            if let Some(before) = at.checked_sub(1).map(|before| &parsed.tokens[before]) {
                self.pairs.insert(join(before.key, token.key));
                if let Some(first) = at.checked_sub(2).map(|first| &parsed.tokens[first]) {
                    self.triples.insert(join(join(first.key, before.key), token.key));
                }
            }
        }
        self.shingles.extend(shingles(text));
        for unit in &parsed.units {
            let posting = self.postings.entry(unit.key).or_default();
            let list = if unit.negated { &mut posting.negated } else { &mut posting.plain };
            for list in [list, &mut posting.lines] {
                if list.last() != Some(&line) {
                    list.push(line);
                }
            }
        }
        self.quantities.extend(parsed.quantities.iter().map(|quantity| {
            let mut quantity = *quantity;
            quantity.start += offset;
            quantity.end += offset;
            (quantity, line)
        }));
        self.lines.push(Line {
            passage: self.passages.len(),
            start: offset,
            end: offset + text.len(),
            first,
            last: self.keys.len(),
        });
    }
}

/// A key that near forms of a word share: its first five letters; a Chinese character itself.
pub(crate) fn loose(token: &Token, text: &str) -> Option<u64> {
    match token.kind {
        Kind::Han => Some(token.key),
        Kind::Number => None,
        Kind::Word => {
            let word = token.text(text);
            let end = word.char_indices().nth(5).map_or(word.len(), |(at, _)| at);
            (word.chars().count() >= 5).then(|| key(&word[..end].to_lowercase()))
        }
    }
}

/// The keys of all rows of four letters, without what stands between words.
fn shingles(text: &str) -> impl Iterator<Item = u64> {
    let mut row = [0_u64; 4];
    let mut seen = 0;
    let letters = text.chars().map(fold).filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).filter_map(move |letter| {
        row.rotate_left(1);
        row[3] = u64::from(u32::from(letter));
        seen += 1;
        (seen >= 4).then(|| row.iter().fold(0, |key, letter| join(key, *letter)))
    })
}
