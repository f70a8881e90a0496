//! What a question asks for: a time, a place, a price. Different words ask for the same.

use crate::words::is_han;

/// What is asked for, and the ways to ask for it, longer ones before shorter ones that they hold.
const KINDS: [(&str, &[&str]); 9] = [
    ("?duration", &["多长时间", "多久", "how long"]),
    (
        "?when",
        &[
            "什么时候",
            "什么时间",
            "啥时候",
            "几点钟",
            "几点",
            "何时",
            "what time",
            "at what hour",
            "when",
        ],
    ),
    (
        "?price",
        &["多少钱", "多少元", "什么价格", "什么价", "how much", "what price", "what does it cost"],
    ),
    ("?count", &["多少个", "多少", "how many", "几个"]),
    (
        "?where",
        &["什么地方", "在哪里", "在哪儿", "哪里", "哪儿", "何处", "在哪", "whereabouts", "where"],
    ),
    ("?why", &["为什么", "为何", "为啥", "how come", "why"]),
    ("?how", &["怎么样", "怎么", "怎样", "如何", "how"]),
    ("?who", &["哪位", "何人", "谁", "who"]),
    ("?which", &["哪一个", "哪个", "哪些", "which"]),
];

/// Words that stand in every text, but not in every question.
const COUNTS: [&str; 11] =
    ["不", "没", "没有", "not", "no", "don", "didn", "isn", "won", "上", "下"];

/// Whether a word that stands in every text tells questions apart.
pub(super) fn counts(word: &str) -> bool {
    COUNTS.contains(&word)
}

/// What a question in lower case asks for, and the question without the words that say so.
pub(super) fn with_kinds(question: &str) -> (Vec<&'static str>, String) {
    let mut rest = question.to_owned();
    let mut kinds = Vec::new();
    for (kind, ways) in KINDS {
        for way in ways {
            while let Some(place) = find(&rest, way) {
                rest.replace_range(place..place + way.len(), " ");
                if !kinds.contains(&kind) {
                    kinds.push(kind);
                }
            }
        }
    }
    (kinds, rest)
}

/// Where a way to ask stands: anywhere in Chinese, as whole words in English.
fn find(text: &str, way: &str) -> Option<usize> {
    let is_chinese = way.chars().all(is_han);
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let mut places = text.match_indices(way).map(|(place, _)| place);
    places.find(|place| {
        is_chinese
            || !(is_letter(text[..*place].chars().next_back())
                || is_letter(text[*place + way.len()..].chars().next()))
    })
}
