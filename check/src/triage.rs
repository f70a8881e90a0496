//! What can be checked at all: a greeting, a question, an opinion or a refusal states no fact.

use serde::{Deserialize, Serialize};

use crate::{
    parsed::Parsed,
    tokens::{Kind, fold},
};

/// Whether a sentence can be true or false.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Triage {
    /// It states something.
    Checkable,
    /// It does not.
    NotCheckable(NotCheckable),
}

/// Why a sentence states nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotCheckable {
    /// It has no words.
    Empty,
    /// It greets, thanks or takes leave.
    Greeting,
    /// It asks.
    Question,
    /// It says what the speaker feels or wishes.
    Opinion,
    /// It says that the speaker does not know or may not say.
    Refusal,
    /// It only agrees or encourages.
    Acknowledgement,
}

/// The longest phrase, in tokens, that can be nothing but a greeting.
const GREETING_TOKENS: usize = 14;
/// The longest sentence, in characters, in which a refusal is looked for wherever it stands.
const LONGEST_REFUSAL: usize = 60;
/// The longest that only agrees.
const ACKNOWLEDGEMENT_TOKENS: usize = 7;

const GREETINGS: &[&str] = &[
    "hello",
    "hi ",
    "hi,",
    "hi!",
    "hey",
    "good morning",
    "good afternoon",
    "good evening",
    "welcome",
    "thank you",
    "thanks",
    "goodbye",
    "bye",
    "see you",
    "nice to meet you",
    "you're welcome",
    "你好",
    "您好",
    "大家好",
    "早上好",
    "下午好",
    "晚上好",
    "欢迎",
    "谢谢",
    "感谢",
    "再见",
    "不客气",
    "很高兴",
    "祝您",
    "祝你",
];
/// What a refusal begins with.
const REFUSALS_AT_THE_START: &[&str] = &[
    "i don't know",
    "i do n't know",
    "i'm not sure",
    "i am not sure",
    "i'm sorry",
    "i am sorry",
    "i cannot",
    "i can't",
    "i could not find",
    "i couldn't find",
    "i have no information",
    "i do not know",
    "i'm only a",
    "i am only a",
    "i'm just a",
    "i am just a",
    "我只是",
];
/// What marks a short sentence as a refusal wherever it stands.
const REFUSALS: &[&str] = &[
    "sorry,",
    "unable to answer",
    "the passages do not",
    "the passages don't",
    "not mentioned",
    "does not mention",
    "我不知道",
    "我不清楚",
    "我不太清楚",
    "不太确定",
    "我不确定",
    "抱歉",
    "对不起",
    "很遗憾",
    "无法回答",
    "没有提到",
    "没有提及",
    "没有找到",
    "暂时没有",
    "还不知道",
    "不能回答",
    "这个我不会",
    "这个我还不会",
];
const OPINIONS: &[&str] = &[
    "i think",
    "i believe",
    "i feel",
    "i love",
    "i like",
    "i hope",
    "i guess",
    "i'd say",
    "i would say",
    "in my opinion",
    "i wish",
    "i prefer",
    "i enjoy",
    "i agree",
    "i bet",
    "i'm glad",
    "i am glad",
    "我觉得",
    "我认为",
    "我想",
    "我喜欢",
    "我希望",
    "我猜",
    "我很喜欢",
    "我相信",
    "在我看来",
    "希望您",
    "希望你",
];
const ACKNOWLEDGEMENTS: &[&str] = &[
    "yes",
    "no",
    "yeah",
    "sure",
    "okay",
    "ok",
    "of course",
    "certainly",
    "great",
    "right",
    "exactly",
    "absolutely",
    "that's right",
    "that is right",
    "i see",
    "i understand",
    "wow",
    "cool",
    "really",
    "that's cool",
    "that's awesome",
    "that is awesome",
    "good question",
    "great question",
    "got it",
    "no problem",
    "here you go",
    "let me",
    "好的",
    "好",
    "是的",
    "对",
    "当然",
    "没错",
    "没问题",
    "嗯",
    "明白",
    "可以",
    "原来如此",
    "真棒",
    "太好了",
    "好问题",
    "请稍等",
    "让我",
    "不是",
    "不",
];

/// Looks whether a sentence can be checked.
pub fn triage(sentence: &str) -> Triage {
    let parsed = Parsed::new(sentence);
    of(sentence, &parsed).map_or(Triage::Checkable, Triage::NotCheckable)
}

/// The same for a sentence that has been taken apart.
pub(crate) fn of(sentence: &str, parsed: &Parsed) -> Option<NotCheckable> {
    if parsed.tokens.is_empty() {
        return Some(NotCheckable::Empty);
    }
    let plain: String = sentence.trim().chars().map(fold).flat_map(char::to_lowercase).collect();
    let begins = |words: &[&str]| words.iter().any(|word| starts_with_word(&plain, word));
    let facts = states_facts(parsed);
    if asks(&plain) {
        return Some(NotCheckable::Question);
    }
    let is_short = plain.chars().count() <= LONGEST_REFUSAL;
    let refuses = |plain: &str| {
        REFUSALS_AT_THE_START.iter().chain(REFUSALS).any(|word| starts_with_word(plain, word))
    };
    // A clause goes on where another ended.
    let clause = ["so ", "but ", "well, "].iter().find_map(|word| plain.strip_prefix(word));
    if refuses(&plain)
        || clause.is_some_and(refuses)
        || (is_short && REFUSALS.iter().any(|word| plain.contains(word)))
    {
        return Some(NotCheckable::Refusal);
    }
    if facts {
        return None;
    }
    let tokens = parsed.tokens.len();
    if tokens <= GREETING_TOKENS && begins(GREETINGS) {
        return Some(NotCheckable::Greeting);
    }
    if begins(OPINIONS) {
        return Some(NotCheckable::Opinion);
    }
    (tokens <= ACKNOWLEDGEMENT_TOKENS && begins(ACKNOWLEDGEMENTS) && parsed.units.len() <= 3)
        .then_some(NotCheckable::Acknowledgement)
}

/// A number, or a name within the sentence: then it states something, however it begins.
fn states_facts(parsed: &Parsed) -> bool {
    let name = |(at, token): (usize, &crate::tokens::Token)| {
        at > 0 && token.kind == Kind::Word && token.capital && !token.stop
    };
    parsed.quantities.iter().any(|quantity| !quantity.weak)
        || parsed.tokens.iter().enumerate().filter(|pair| name(*pair)).count() > 1
}

fn asks(plain: &str) -> bool {
    let end = plain.trim_end_matches(['"', '”', '’', '」', ' ', '~', '～']);
    end.ends_with('?') || end.ends_with('吗') || end.ends_with("呢")
}

/// Whether a text begins with a phrase and the phrase ends there: `no` does not begin `north`.
fn starts_with_word(text: &str, phrase: &str) -> bool {
    text.strip_prefix(phrase).is_some_and(|rest| {
        !phrase.ends_with(|c: char| c.is_ascii_alphabetic())
            || !rest.starts_with(|c: char| c.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_states_nothing_is_told_from_what_states_something() {
        use NotCheckable::{Acknowledgement, Empty, Greeting, Opinion, Question, Refusal};
        for (sentence, expected) in [
            ("你好，欢迎来到茶叶博物馆！", Some(Greeting)),
            ("Welcome to the tea museum!", Some(Greeting)),
            ("您想先看哪个展厅？", Some(Question)),
            ("Shall we begin?", Some(Question)),
            ("这个我不太清楚。", Some(Refusal)),
            ("I'm not sure about that.", Some(Refusal)),
            ("I'm only a small demonstration model,", Some(Refusal)),
            ("so I don't know that one.", Some(Refusal)),
            ("这个我不会，", Some(Refusal)),
            ("我只是个小小的演示模型。", Some(Refusal)),
            ("So it opened on Monday.", None),
            ("资料中没有提到门票价格。", Some(Refusal)),
            ("我觉得它很美。", Some(Opinion)),
            ("I love that room.", Some(Opinion)),
            ("好的，没问题。", Some(Acknowledgement)),
            ("Yes, of course!", Some(Acknowledgement)),
            ("……", Some(Empty)),
            ("博物馆建于1987年。", None),
            ("I think it opened in 1987.", None),
            ("North wing has tea.", None),
            ("茶馆在东翼的二楼。", None),
            ("不锈钢茶壶由当地工匠制作而成。", None),
        ] {
            let expected = expected.map_or(Triage::Checkable, Triage::NotCheckable);
            assert_eq!(triage(sentence), expected, "{sentence}");
        }
    }
}
