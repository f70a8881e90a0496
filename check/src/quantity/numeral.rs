//! Numerals as they are written, as values: `3.5万`, `two hundred and five`, 三百二十.

use crate::tokens::{Kind, Token};

/// A number as it is written.
pub(super) struct Number {
    /// What it is worth.
    pub(super) value: f64,
    /// How many tokens write it.
    pub(super) tokens: usize,
    /// It has digits.
    pub(super) digits: bool,
    /// It is a place in an order.
    pub(super) ordinal: bool,
}

/// The number that begins at a token.
pub(super) fn number(text: &str, tokens: &[Token], at: usize) -> Option<Number> {
    match tokens[at].kind {
        Kind::Number => digits(text, tokens, at),
        Kind::Word => english(text, tokens, at),
        Kind::Han => chinese(text, tokens, at),
    }
}

/// `3.5`, `3,000`, `3.5万`, `3 million`, `1st`.
fn digits(text: &str, tokens: &[Token], at: usize) -> Option<Number> {
    let written: String =
        tokens[at].text(text).chars().map(crate::tokens::fold).filter(|c| *c != ',').collect();
    let mut value: f64 = written.parse().ok()?;
    let (mut used, mut ordinal) = (1, false);
    while let Some(next) = tokens.get(at + used) {
        let word = next.text(text);
        let touches = tokens[at + used - 1].touches(next);
        let scale = match word {
            "十" if touches => 10.0,
            "百" if touches => 100.0,
            "千" if touches => 1e3,
            "万" if touches => 1e4,
            "亿" if touches => 1e8,
            _ if next.kind == Kind::Word => {
                if let Some(scale) = english_scale(&word.to_ascii_lowercase()) {
                    scale
                } else {
                    ordinal = touches && matches!(word, "st" | "nd" | "rd" | "th");
                    used += usize::from(ordinal);
                    break;
                }
            }
            _ => break,
        };
        // 千米 and 千克 are units, not thousands.
        let unit = tokens.get(at + used + 1).map(|after| after.text(text));
        if word == "千" && matches!(unit, Some("米" | "克" | "瓦")) {
            break;
        }
        value *= scale;
        used += 1;
    }
    Some(Number { value, tokens: used, digits: true, ordinal })
}

fn english_scale(word: &str) -> Option<f64> {
    Some(match word {
        "hundred" => 100.0,
        "thousand" | "k" => 1e3,
        "million" | "mn" => 1e6,
        "billion" | "bn" => 1e9,
        "trillion" => 1e12,
        _ => return None,
    })
}

/// The numbers that are one word, from zero on.
pub(crate) const SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 8] =
    ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const ORDINALS: [&str; 12] = [
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth",
];

#[expect(clippy::cast_precision_loss, reason = "the lists are short")]
fn english(text: &str, tokens: &[Token], at: usize) -> Option<Number> {
    let (mut total, mut group, mut used, mut seen) = (0.0, 0.0, 0, false);
    while let Some(token) = tokens.get(at + used).filter(|token| token.kind == Kind::Word) {
        let word = token.text(text).to_ascii_lowercase();
        if let Some(small) = SMALL.iter().position(|name| *name == word) {
            group += small as f64;
        } else if let Some(ten) = TENS.iter().position(|name| *name == word) {
            group += (ten as f64 + 2.0) * 10.0;
        } else if let Some(place) = ORDINALS.iter().position(|name| *name == word) {
            let value = total + group + place as f64 + 1.0;
            return Some(Number { value, tokens: used + 1, digits: false, ordinal: true });
        } else if let Some(scale) = english_scale(&word).filter(|_| seen && word != "k") {
            if scale > 100.0 {
                total += group * scale;
                group = 0.0;
            } else {
                group *= scale;
            }
        } else {
            break;
        }
        seen = true;
        used += 1;
    }
    seen.then_some(Number { value: total + group, tokens: used, digits: false, ordinal: false })
}

/// 一百二十, 两千, 三万五千, 二〇二六, 第十.
fn chinese(text: &str, tokens: &[Token], at: usize) -> Option<Number> {
    let ordinal = tokens[at].text(text) == "第";
    let first = at + usize::from(ordinal);
    if ordinal && tokens.get(first).is_some_and(|token| token.kind == Kind::Number) {
        let number = digits(text, tokens, first)?;
        return Some(Number { ordinal, tokens: number.tokens + 1, ..number });
    }
    let (mut total, mut section, mut digit, mut used) = (0.0, 0.0, None::<f64>, 0);
    let (mut row, mut scaled) = (0.0, false);
    while let Some(token) = tokens.get(first + used) {
        if used > 0 && !tokens[first + used - 1].touches(token) {
            break;
        }
        let word = token.text(text);
        if let Some(value) = chinese_digit(word) {
            row = row * 10.0 + value;
            digit = Some(value);
        } else if let Some(scale) = chinese_scale(word) {
            if used == 0 && scale > 10.0 {
                break;
            }
            scaled = true;
            if scale > 1e4 {
                total = (total + section + digit.unwrap_or(0.0)) * scale;
                section = 0.0;
            } else if scale > 1e3 {
                total += (section + digit.unwrap_or(0.0)) * scale;
                section = 0.0;
            } else {
                section += digit.unwrap_or(1.0) * scale;
            }
            digit = None;
        } else {
            break;
        }
        used += 1;
    }
    if used == 0 {
        return None;
    }
    // Digits in a row are read one by one: 二〇二六.
    let value = if scaled { total + section + digit.unwrap_or(0.0) } else { row };
    let tokens = used + usize::from(ordinal);
    Some(Number { value, tokens, digits: false, ordinal })
}

fn chinese_digit(word: &str) -> Option<f64> {
    Some(match word {
        "〇" | "零" => 0.0,
        "一" => 1.0,
        "二" | "两" => 2.0,
        "三" => 3.0,
        "四" => 4.0,
        "五" => 5.0,
        "六" => 6.0,
        "七" => 7.0,
        "八" => 8.0,
        "九" => 9.0,
        _ => return None,
    })
}

fn chinese_scale(word: &str) -> Option<f64> {
    Some(match word {
        "十" => 10.0,
        "百" => 100.0,
        "千" => 1e3,
        "万" => 1e4,
        "亿" => 1e8,
        _ => return None,
    })
}
