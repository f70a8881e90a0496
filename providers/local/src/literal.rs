//! Keeps special tokens that a person typed apart from those that we mean.

use std::{collections::HashMap, ops::Range};

/// Opens and closes a mark. Both are Unicode noncharacters: no text has a use for them.
const OPEN: char = '\u{FDD0}';
const CLOSE: char = '\u{FDD1}';

/// The literals of a tokenizer's special tokens, as they must not be read in a person's words.
#[derive(Debug)]
pub(crate) struct Literals {
    all: Vec<String>,
    /// Indices into `all` by first character, longest literal first.
    by_first: HashMap<char, Vec<usize>>,
}

/// A piece of a marked text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Segment<'a> {
    /// To be read with its special tokens.
    Template(&'a str),
    /// To be read as plain text, whatever it looks like.
    Literal(&'a str),
}

impl Literals {
    pub(crate) fn new(special_tokens: impl IntoIterator<Item = String>) -> Self {
        let marks = [OPEN.to_string(), CLOSE.to_string()];
        let all: Vec<String> =
            special_tokens.into_iter().filter(|token| !token.is_empty()).chain(marks).collect();
        let mut by_first: HashMap<char, Vec<usize>> = HashMap::new();
        for (index, first) in
            all.iter().enumerate().filter_map(|(index, text)| Some((index, text.chars().next()?)))
        {
            by_first.entry(first).or_default().push(index);
        }
        for indices in by_first.values_mut() {
            indices.sort_by_key(|index| std::cmp::Reverse(all[*index].len()));
        }
        Self { all, by_first }
    }

    /// Puts a mark in place of each literal in a text that a person said.
    pub(crate) fn mark(&self, said: &str) -> String {
        self.mark_where(said, |_| true)
    }

    /// Puts a mark in place of each literal that touches one of the `said` ranges of `text`.
    pub(crate) fn mark_ranges(&self, text: &str, said: &[Range<usize>]) -> String {
        self.mark_where(text, |found| {
            said.iter().any(|range| range.start < found.end && found.start < range.end)
        })
    }

    fn mark_where(&self, text: &str, is_said: impl Fn(&Range<usize>) -> bool) -> String {
        let mut marked = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let start = text.len() - rest.len();
            let found = self.by_first.get(&letter).and_then(|indices| {
                indices.iter().copied().find(|index| rest.starts_with(self.all[*index].as_str()))
            });
            let length = found.map_or(letter.len_utf8(), |index| self.all[index].len());
            match found {
                Some(index)
                    if letter == OPEN || letter == CLOSE || is_said(&(start..start + length)) =>
                {
                    marked.extend(
                        [&OPEN.to_string(), &index.to_string(), &CLOSE.to_string()]
                            .map(String::as_str),
                    );
                }
                _ => marked.push_str(&rest[..length]),
            }
            rest = &rest[length..];
        }
        marked
    }

    /// Cuts a marked and rendered text at its marks.
    pub(crate) fn segments<'a>(&'a self, marked: &'a str) -> Vec<Segment<'a>> {
        let mut segments = Vec::new();
        let mut rest = marked;
        let mut from = 0;
        while let Some(open) = rest[from..].find(OPEN).map(|at| from + at) {
            let after = &rest[open + OPEN.len_utf8()..];
            let digits = after.find(CLOSE).and_then(|end| after.get(..end));
            let literal = digits.and_then(|digits| self.all.get(digits.parse::<usize>().ok()?));
            let (Some(digits), Some(literal)) = (digits, literal) else {
                // A mark of the template's own: not ours, so it stays.
                from = open + OPEN.len_utf8();
                continue;
            };
            if open > 0 {
                segments.push(Segment::Template(&rest[..open]));
            }
            segments.push(Segment::Literal(literal));
            rest = &after[digits.len() + CLOSE.len_utf8()..];
            from = 0;
        }
        if !rest.is_empty() {
            segments.push(Segment::Template(rest));
        }
        segments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literals() -> Literals {
        Literals::new(["<s>", "<|end|>", "<|end|>x"].map(str::to_owned))
    }

    fn plain(literals: &Literals, marked: &str) -> String {
        let text = |segment: &Segment<'_>| match segment {
            Segment::Template(text) | Segment::Literal(text) => (*text).to_owned(),
        };
        literals.segments(marked).iter().map(text).collect()
    }

    #[test]
    fn marked_text_comes_back_whole() {
        let literals = literals();
        for said in [
            "",
            "你好",
            "<s>",
            "a<|end|>xb<|end|>",
            "<|end|",
            "\u{FDD0}0\u{FDD1}",
            "\u{FDD0}",
            "<<s>s>",
        ] {
            assert_eq!(plain(&literals, &literals.mark(said)), said);
        }
        assert_eq!(
            literals.segments(&literals.mark("a<|end|>xb")),
            [Segment::Template("a"), Segment::Literal("<|end|>x"), Segment::Template("b")]
        );
    }

    #[test]
    fn a_literal_that_only_begins_in_the_template_is_marked() {
        let literals = literals();
        let marked = literals.mark_ranges("<s>hi<|end|>", &[0..0, 9..12]);
        assert_eq!(
            literals.segments(&marked),
            [Segment::Template("<s>hi"), Segment::Literal("<|end|>")]
        );
    }
}
