//! Numbers, dates and measures of a text, as values that compare: 一百二十 = 120 = one hundred and twenty.

mod numeral;

use crate::{
    hash::key,
    lexicon::{UNITS, UnitName},
    tokens::{Kind, Token},
};

pub(crate) use self::numeral::SMALL;
use self::numeral::{Number, number};

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Nothing that is named.
    Bare,
    /// A year of the calendar.
    CalendarYear,
    /// A place in an order.
    Ordinal,
    /// A unit of the list.
    Measure(UnitName),
    /// Things, by the key of their name.
    Things(u64),
}

impl Unit {
    /// A part of a date.
    pub(crate) fn is_date(self) -> bool {
        match self {
            Self::CalendarYear => true,
            Self::Measure(UnitName(name)) => matches!(name, "month" | "day" | "clock"),
            _ => false,
        }
    }

    /// Both name a unit of the list, or a part of a date.
    fn is_firm(self) -> bool {
        matches!(self, Self::Measure(_) | Self::CalendarYear)
    }

    /// One number may be meant by both.
    fn agrees(self, other: Self) -> bool {
        self == other || !(self.is_firm() && other.is_firm())
    }
}

/// A number in a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quantity {
    /// Its value.
    pub(crate) value: f64,
    /// What it counts.
    pub(crate) unit: Unit,
    /// The first byte of the number.
    pub(crate) start: usize,
    /// The byte after the number and its unit.
    pub(crate) end: usize,
    /// Small and written as a word: `one`, 两. It seldom states a fact.
    pub(crate) weak: bool,
}

impl Quantity {
    /// The same number of the same thing, as far as one can tell.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.same_value(other) && self.unit.agrees(other.unit)
    }

    /// The same number, whatever it counts.
    pub(crate) fn same_value(&self, other: &Self) -> bool {
        (self.value - other.value).abs() <= self.value.abs() * 1e-6
    }

    /// Another number of the same thing.
    pub(crate) fn rivals(&self, other: &Self) -> bool {
        self.unit == other.unit && self.unit != Unit::Bare && !self.same_value(other)
    }
}

/// Reads the numbers of a text, and makes each of them one token, so that 三百二十 and 320 are one word
/// for everything that compares words.
pub(crate) fn quantities(text: &str, tokens: &[Token]) -> (Vec<Token>, Vec<Quantity>) {
    let mut found = Vec::new();
    let mut joined = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let number = number(text, tokens, at).filter(|number| number.tokens > 0);
        let next = at + number.as_ref().map_or(1, |number| number.tokens);
        let quantity = number
            .as_ref()
            .and_then(|number| Some((number, measure(text, tokens, at, next, number)?)));
        match quantity {
            Some((number, quantity)) => {
                found.push(quantity);
                let han = tokens[at].kind == Kind::Han;
                if next - at > 1 || han && quantity.unit.is_firm() {
                    joined.push(numeral_token(number, tokens[at].start, tokens[next - 1].end));
                } else {
                    joined.extend_from_slice(&tokens[at..next]);
                }
            }
            None => joined.extend_from_slice(&tokens[at..next]),
        }
        at = next;
    }
    (joined, found)
}

/// A numeral as one token, with the key that its digits have.
fn numeral_token(number: &Number, start: usize, end: usize) -> Token {
    let mark = if number.ordinal { "th" } else { "" };
    let key = key(&format!("{}{mark}", number.value));
    Token { start, end, kind: Kind::Number, key, form: key, stop: false, capital: false }
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

fn is_month(text: &str, token: Option<&Token>) -> bool {
    token.is_some_and(|token| {
        token.capital && {
            let word = token.text(text).to_ascii_lowercase();
            MONTHS
                .iter()
                .any(|month| *month == word || (word.len() == 3 && month.starts_with(&word)))
        }
    })
}

/// Gives a number its unit; `None` for what looks like a number and states none.
fn measure(
    text: &str,
    tokens: &[Token],
    at: usize,
    next: usize,
    number: &Number,
) -> Option<Quantity> {
    let before = at.checked_sub(1).and_then(|before| tokens.get(before));
    let (start, mut end) = (tokens[at].start, tokens[next - 1].end);
    let whole = number.value.fract() == 0.0;
    let month_beside = is_month(text, before) || is_month(text, tokens.get(next));
    let year_like = number.digits && whole && (1000.0..2100.0).contains(&number.value);
    let unit = if let Some((unit, after)) = named(text, tokens, start, next) {
        end = after;
        match unit.0 {
            "year" if year_like || number.value >= 1000.0 => Unit::CalendarYear,
            "year" => Unit::Measure(UnitName("years")),
            _ => Unit::Measure(unit),
        }
    } else if month_beside && whole && number.value <= 31.0 {
        Unit::Measure(UnitName("day"))
    } else if number.ordinal {
        Unit::Ordinal
    } else if year_like
        && !text[..start].ends_with(['$', '¥', '€', '£'])
        && tokens[at].text(text).len() == 4
    {
        Unit::CalendarYear
    } else {
        thing(text, tokens, next)
    };
    // 一 alone is an article as often as a number, and so is `one`.
    let written = !number.digits && next - at == 1 && !number.ordinal;
    let weak = written && number.value <= 3.0;
    let han = tokens[at].kind == Kind::Han;
    if weak && han && !(unit.is_firm() && number.value > 1.0 || unit.is_date()) {
        return None;
    }
    if han && written && unit == Unit::Bare && number.value >= 10.0 {
        return None;
    }
    Some(Quantity { value: number.value, unit, start, end, weak })
}

/// What is counted, where no unit is: `15 employees`, `four to fifteen employees`, `20 or more people`.
fn thing(text: &str, tokens: &[Token], next: usize) -> Unit {
    let mut end = tokens[next - 1].end;
    for token in tokens.iter().skip(next).take(4).filter(|token| token.kind != Kind::Han) {
        if text
            .get(end..token.start)
            .is_none_or(|gap| gap.contains([',', '.', ';', ':', '(', ')', '\n']))
        {
            break;
        }
        end = token.end;
        let word = token.text(text).to_ascii_lowercase();
        let number = token.kind == Kind::Number || SMALL.contains(&word.as_str());
        if !number && !token.stop {
            return Unit::Things(token.key);
        }
    }
    Unit::Bare
}

/// The unit of the list that stands around a number, and the byte after it.
fn named(text: &str, tokens: &[Token], start: usize, next: usize) -> Option<(UnitName, usize)> {
    let end = tokens[next - 1].end;
    for sign in ["$", "¥", "￥", "€", "£"] {
        if text[..start].ends_with(sign) {
            return UNITS.get(&key(sign)).map(|unit| (*unit, end));
        }
    }
    if text[..start].ends_with("百分之") {
        return UNITS.get(&key("百分之")).map(|unit| (*unit, end));
    }
    let sign = text[end..].trim_start().chars().next()?;
    if matches!(sign, '%' | '％' | '°' | '℃' | '€') {
        let after = end + text[end..].find(sign)? + sign.len_utf8();
        return UNITS.get(&key(sign.encode_utf8(&mut [0; 4]))).map(|unit| (*unit, after));
    }
    let mut first = next;
    // 三百多人, 30余名: about as many.
    while tokens
        .get(first)
        .is_some_and(|token| matches!(token.text(text), "多" | "余" | "来" | "几"))
    {
        first += 1;
    }
    let token = tokens.get(first)?;
    if token.kind == Kind::Word {
        return UNITS.get(&token.form).map(|unit| (*unit, token.end));
    }
    (1..=4usize).rev().find_map(|length| {
        let last = tokens.get(first + length - 1)?;
        let form = text.get(token.start..last.end)?;
        UNITS.get(&key(form)).map(|unit| (*unit, last.end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::tokenize;

    fn values(text: &str) -> Vec<f64> {
        quantities(text, &tokenize(text)).1.iter().map(|quantity| quantity.value).collect()
    }

    fn only(text: &str) -> Quantity {
        let (_, found) = quantities(text, &tokenize(text));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        found[0]
    }

    #[test]
    fn one_value_is_read_from_all_its_spellings() {
        for text in ["120座", "一百二十座", "one hundred twenty", "１２０"] {
            assert_eq!(values(text), [120.0], "{text}");
        }
        assert_eq!(values("3.5万人"), [35_000.0]);
        assert_eq!(values("三万五千人"), [35_000.0]);
        assert_eq!(values("二〇二六年"), [2026.0]);
        assert_eq!(values("$1.5 million"), [1_500_000.0]);
        assert_eq!(values("两亿三千万元"), [230_000_000.0]);
        assert_eq!(values("十五天"), [15.0]);
    }

    #[test]
    fn a_numeral_is_one_word_however_it_is_written() {
        let keys = |text: &str| -> Vec<u64> {
            quantities(text, &tokenize(text)).0.iter().map(|token| token.key).collect()
        };
        assert_eq!(keys("三百二十岁"), keys("320岁"));
        assert_eq!(keys("三天"), keys("3天"));
        assert_eq!(keys("3.5万人"), keys("35000人"));
        assert_eq!(keys("two thousand rooms"), keys("2000 rooms"));
        assert_eq!(keys("第十"), keys("10th"));
        assert_ne!(keys("三百二十岁"), keys("三百二十一岁"));
        assert_eq!(keys("十分重要"), keys("十分重要"));
        assert_eq!(keys("万一").len(), 2, "no numeral, and no token of one");
    }

    #[test]
    fn units_are_read_on_either_side() {
        assert_eq!(only("¥300").unit, only("300元").unit);
        assert_eq!(only("30%").unit, only("百分之三十").unit);
        assert_eq!(only("5公里").unit, only("5 kilometres").unit);
        assert_eq!(only("三百多人").unit, only("300名").unit);
        assert_eq!(only("in 1998").unit, only("1998年").unit);
        assert_eq!(only("June 5").unit, only("5日").unit);
        assert_eq!(only("the 3rd").unit, only("第三").unit);
    }

    #[test]
    fn articles_are_no_numbers() {
        assert!(values("这是一个博物馆，一些人").is_empty());
        assert!(values("千万不要").is_empty());
    }

    #[test]
    fn one_number_of_two_things_is_no_match() {
        assert!(only("300元").matches(&only("300块")));
        assert!(!only("300元").matches(&only("300公里")));
        assert!(only("300").matches(&only("300公里")));
        assert!(only("300元").rivals(&only("200元")));
        assert!(!only("300元").rivals(&only("200公里")));
    }
}
