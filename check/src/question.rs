//! What a question asks for, in Chinese and English, and whether an answer is of that kind.

use crate::{
    parsed::Parsed,
    sentences::sentences,
    tokens::{Kind, Token},
};

/// The kinds of answer that a question may ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a question may ask for several things")]
pub(crate) struct Asked {
    /// How many, how much.
    pub(crate) number: bool,
    /// When.
    pub(crate) date: bool,
    /// Who.
    pub(crate) person: bool,
    /// Where.
    pub(crate) place: bool,
    /// Why.
    pub(crate) reason: bool,
    /// How, or what something means: a sentence is wanted.
    pub(crate) account: bool,
}

impl Asked {
    /// Reads a question.
    pub(crate) fn of(question: &str) -> Self {
        let lower = question.to_lowercase();
        let any = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let word = |wanted: &str| lower.split(|c: char| !c.is_alphanumeric()).any(|w| w == wanted);
        let date = any(&[
            "何时",
            "什么时候",
            "哪年",
            "哪一年",
            "几年",
            "几月",
            "时间",
            "哪天",
            "哪一天",
            "日期",
            "年份",
            "哪个年代",
            "什么时期",
            "哪个朝代",
            "what year",
            "which year",
            "what date",
            "what time",
        ]) || word("when");
        Self {
            number: any(&[
                "多少", "几个", "几", "多大", "多高", "多长", "多远", "多重", "多深", "how many",
                "how much", "how old", "how tall", "how long", "how far",
            ]) && !any(&["几年", "几月"]),
            date,
            person: any(&["谁", "哪位", "何人", "什么人", "哪个人"]) || word("who") || word("whom"),
            place: any(&[
                "哪里",
                "哪儿",
                "何地",
                "何处",
                "什么地方",
                "哪个国家",
                "哪个城市",
                "哪座城市",
                "位于哪",
                "在哪",
                "哪个地区",
                "哪个省",
                "which country",
                "which city",
                "what country",
                "what city",
            ]) || word("where"),
            reason: any(&["为什么", "为何", "原因", "缘故"]) || word("why"),
            account: any(&[
                "如何",
                "怎么",
                "怎样",
                "什么意思",
                "指的是什么",
                "是指什么",
                "有何",
                "有哪些",
            ]) || (word("how") && !any(&["how many", "how much", "how old", "how long"])),
        }
    }
}

/// Whether a question is one sentence that asks, of one who wants to know and not to chat.
pub fn asks_directly(question: &str) -> bool {
    let mut words = question.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let begins = words.next().is_some_and(|word| {
        matches!(
            word.to_lowercase().as_str(),
            "what"
                | "which"
                | "who"
                | "whose"
                | "when"
                | "where"
                | "how"
                | "in"
                | "are"
                | "is"
                | "was"
                | "were"
                | "did"
                | "does"
                | "has"
                | "of"
                | "the"
        )
    });
    // Within a title the words have capitals.
    let personal = words
        .any(|word| matches!(word, "you" | "your" | "i" | "I" | "my" | "me" | "we"))
        || question.contains(['你', '您', '我']);
    let asks = question.trim_end().ends_with(['?', '？']);
    let chinese = Asked::of(question) != Asked::default();
    let one = sentences(question).len() <= 2;
    !personal && one && (asks || begins || chinese && !question.is_ascii())
}

const PLACE_ENDS: &str = "国省市县区镇村乡州洲路街道山河江湖海岛港城府郡里岸部方站馆院校园";

/// What an answer looks like.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "an answer may hold several things")]
pub(crate) struct Shape {
    /// It has a number.
    pub(crate) number: bool,
    /// It has a date.
    pub(crate) date: bool,
    /// It ends like the name of a place, or is written with a capital.
    pub(crate) place: bool,
    /// It is short enough for a name and has no number.
    pub(crate) name: bool,
}

impl Shape {
    /// Looks at an answer.
    pub(crate) fn of(text: &str, parsed: &Parsed) -> Self {
        let digit = |token: &Token| {
            token.kind == Kind::Number || "一二三四五六七八九十百千万两".contains(token.text(text))
        };
        let number = !parsed.quantities.is_empty() || parsed.tokens.iter().any(digit);
        let ends =
            |token: &&Token| token.kind == Kind::Han && PLACE_ENDS.contains(token.text(text));
        let capital = parsed.tokens.iter().skip(1).any(|token| token.capital);
        Self {
            number,
            date: parsed.quantities.iter().any(|quantity| quantity.unit.is_date()),
            place: parsed.tokens.last().as_ref().is_some_and(ends) || capital,
            name: parsed.tokens.len() <= 8 && parsed.quantities.is_empty(),
        }
    }
}

/// How well the answer fits the noun that is asked for: 哪个国家 wants …国, 多少米 wants …米.
/// 1 fits, -1 does not, 0 when no noun is asked for.
pub(crate) fn noun_fit(question: &str, answer: &str) -> f64 {
    let Some(noun) = asked_noun(question) else { return 0.0 };
    let fits = answer.chars().any(|character| noun.contains(character));
    if fits { 1.0 } else { -1.0 }
}

fn asked_noun(question: &str) -> Option<&str> {
    let starts = [
        "多少", "哪一", "哪个", "哪些", "哪座", "哪种", "哪所", "哪位", "哪家", "哪部", "什么",
        "几", "哪",
    ];
    let (at, start) = starts
        .iter()
        .filter_map(|start| Some((question.find(start)?, *start)))
        .min_by_key(|(at, start)| (*at, usize::MAX - start.len()))?;
    let rest = question.get(at + start.len()..)?.trim_start_matches(['个', '一']);
    let end =
        rest.char_indices().find(|(_, c)| "的？?，,是在有了被为与和".contains(*c) || c.is_ascii());
    let noun = &rest[..end.map_or(rest.len(), |(at, _)| at)];
    let end = noun.char_indices().nth(3).map_or(noun.len(), |(at, _)| at);
    (end > 0).then(|| &noun[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_ask_for_kinds_of_answers() {
        assert!(Asked::of("博物馆有多少展厅？").number);
        assert!(Asked::of("它建于哪一年").date);
        assert!(Asked::of("Who built it?").person);
        assert!(!Asked::of("The whole thing?").person);
        assert!(Asked::of("How does it work").account);
        assert!(!Asked::of("How many are there").account);
    }

    #[test]
    fn the_noun_asked_for_is_looked_for_in_the_answer() {
        assert!(noun_fit("他来自哪个国家？", "法国") > 0.0);
        assert!(noun_fit("他来自哪个国家？", "1998") < 0.0);
        assert!(noun_fit("有多少米高", "三百米") > 0.0);
        assert!(noun_fit("Who is it", "x").abs() < f64::EPSILON);
    }
}
