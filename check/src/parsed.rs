//! A text as the check sees it: tokens, content units, quantities, what is negated.

use crate::{
    hash::{KeySet, join, key},
    quantity::{Quantity, quantities},
    tokens::{Kind, Token, tokenize},
};
use std::sync::LazyLock;

/// What coverage counts: a content word, a number, or a pair of adjacent Chinese characters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit {
    /// What is compared.
    pub(crate) key: u64,
    /// The first of its tokens.
    pub(crate) token: usize,
    /// Its first byte.
    pub(crate) start: usize,
    /// The byte after it.
    pub(crate) end: usize,
    /// It stands in the scope of a negation.
    pub(crate) negated: bool,
}

/// A text, taken apart once.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// All tokens.
    pub(crate) tokens: Vec<Token>,
    /// The content units, in order.
    pub(crate) units: Vec<Unit>,
    /// The numbers.
    pub(crate) quantities: Vec<Quantity>,
}

static NEGATORS: LazyLock<KeySet> = LazyLock::new(|| {
    [
        "not",
        "no",
        "never",
        "none",
        "neither",
        "nor",
        "without",
        "cannot",
        "n't",
        "can't",
        "don't",
        "doesn't",
        "didn't",
        "isn't",
        "aren't",
        "wasn't",
        "weren't",
        "won't",
        "wouldn't",
        "couldn't",
        "shouldn't",
        "hasn't",
        "haven't",
        "hadn't",
        "不",
        "没",
        "無",
        "无",
        "未",
        "非",
        "勿",
        "别",
        "莫",
    ]
    .map(key)
    .into_iter()
    .collect()
});

/// Words in which a negator negates nothing: 不仅, 不断, 非常, 别人.
static HARMLESS: LazyLock<KeySet> = LazyLock::new(|| {
    [
        "不仅", "不但", "不断", "不同", "不少", "不久", "不过", "不只", "不管", "不论", "不料",
        "不禁", "不得", "不愧", "不单", "非常", "非洲", "别人", "别名", "别称", "别墅", "无论",
        "无数", "无线", "未来", "莫斯", "无锡", "没收",
    ]
    .map(crate::tokens::stem)
    .into_iter()
    .collect()
});

/// How many content tokens after a negator it is taken to negate.
const SCOPE: usize = 3;
/// How many Chinese characters after a negator it is taken to negate.
const HAN_SCOPE: usize = 4;

impl Parsed {
    /// Takes a text apart.
    pub(crate) fn new(text: &str) -> Self {
        let (tokens, quantities) = quantities(text, &tokenize(text));
        let negated = negated(text, &tokens);
        let units = units(text, &tokens, &negated);
        Self { tokens, units, quantities }
    }
}

fn gap_has_clause_mark(text: &str, one: &Token, next: &Token) -> bool {
    text.get(one.end..next.start).is_some_and(|gap| {
        gap.contains([',', '，', '。', '；', ';', '.', '、', '：', ':', '(', '（', '!', '！', '\n'])
    })
}

/// Whether a token is a word that negates.
pub(crate) fn negates(tokens: &[Token], at: usize) -> bool {
    let token = &tokens[at];
    if !NEGATORS.contains(&token.form) {
        return false;
    }
    let pair = |one: Option<&Token>, two: Option<&Token>| match (one, two) {
        (Some(one), Some(two)) if one.touches(two) => HARMLESS.contains(&join(one.key, two.key)),
        _ => false,
    };
    token.kind != Kind::Han || !pair(Some(token), tokens.get(at + 1))
}

fn negated(text: &str, tokens: &[Token]) -> Vec<bool> {
    let mut negated = vec![false; tokens.len()];
    for at in 0..tokens.len() {
        if !negates(tokens, at) {
            continue;
        }
        let mut left = if tokens[at].kind == Kind::Han { HAN_SCOPE } else { SCOPE };
        let mut before = &tokens[at];
        for next in at + 1..tokens.len() {
            if left == 0 || gap_has_clause_mark(text, before, &tokens[next]) {
                break;
            }
            before = &tokens[next];
            negated[next] = true;
            left -= usize::from(!before.stop || before.kind == Kind::Han);
        }
    }
    negated
}

fn units(text: &str, tokens: &[Token], negated: &[bool]) -> Vec<Unit> {
    let mut units = Vec::with_capacity(tokens.len());
    let pairs = |one: usize| {
        let (Some(a), Some(b)) = (tokens.get(one), tokens.get(one + 1)) else { return false };
        a.kind == Kind::Han && b.kind == Kind::Han && !a.stop && !b.stop && a.touches(b)
    };
    for (at, token) in tokens.iter().enumerate() {
        let unit =
            |key, end| Unit { key, token: at, start: token.start, end, negated: negated[at] };
        if token.stop || NEGATORS.contains(&token.form) && token.kind != Kind::Han {
            continue;
        }
        if token.kind != Kind::Han {
            units.push(unit(token.key, token.end));
        } else if pairs(at) {
            let next = &tokens[at + 1];
            units.push(unit(join(token.key, next.key), next.end));
        } else if !(at > 0 && pairs(at - 1)) {
            units.push(unit(token.key, token.end));
        }
    }
    debug_assert!(units.iter().all(|unit| text.get(unit.start..unit.end).is_some()));
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negated(text: &str) -> Vec<String> {
        let parsed = Parsed::new(text);
        parsed
            .units
            .iter()
            .filter(|unit| unit.negated)
            .map(|unit| text[unit.start..unit.end].to_owned())
            .collect()
    }

    #[test]
    fn a_negation_reaches_to_the_end_of_its_clause() {
        assert_eq!(negated("It does not open, but sells tickets"), ["open"]);
        assert!(negated("馆内不允许拍照，请放心").contains(&"拍照".to_owned()));
        assert!(!negated("馆内不允许拍照，请放心").contains(&"放心".to_owned()));
    }

    #[test]
    fn words_that_only_look_negative_negate_nothing() {
        assert_eq!(negated("这里非常大，未来不仅有茶"), Vec::<String>::new());
    }

    #[test]
    fn units_of_chinese_are_pairs_without_particles() {
        let text = "博物馆的茶 open";
        let units: Vec<_> =
            Parsed::new(text).units.iter().map(|unit| &text[unit.start..unit.end]).collect();
        assert_eq!(units, ["博物", "物馆", "茶", "open"]);
    }
}
