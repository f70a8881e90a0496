//! The check with the weights that ship, on two made-up museums: whoever changes a feature, a word
//! list or the weights sees here what it does to plain cases.

use anima_check::{Evidence, Lexical, Passage, Sentence, Status, sentences};
use serde::Deserialize;

const CHINESE: &str = "云雾茶馆于1987年开馆，共有12个展厅。馆内最老的茶树有320岁，长在中庭。\
    茶馆每周一闭馆，其余日子九点开门。馆内禁止使用闪光灯。门票每人40元，学生半价。\
    创始人林若溪曾是一位植物学家。东翼展示绿茶，西翼展示红茶。2019年的参观人数比前一年增加了两成。";
const ENGLISH: &str = "The Winterbourne lamp collection opened in 1962 and has 240 lamps. Ada Winterbourne \
    gave the lamps to the city. Admission is free on Sundays. The oldest lamp was found in a shipwreck in \
    1903. The reading room does not allow food or drinks. Attendance increased by 30 percent in 2021. The \
    guided tour takes ninety minutes.";

#[derive(Deserialize)]
struct Case {
    text: String,
    question: String,
    verdict: String,
    reason: Option<String>,
    /// The check is wrong about it, and it is known.
    #[serde(default)]
    known_miss: bool,
}

fn cases() -> Result<Vec<Case>, serde_json::Error> {
    include_str!("museum.jsonl").lines().map(serde_json::from_str).collect()
}

fn evidence() -> Evidence {
    let passage =
        |id: &str, text: &str| Passage { source_id: id.to_owned(), text: text.to_owned() };
    Evidence::index([passage("tea", CHINESE), passage("lamps", ENGLISH)])
}

#[test]
fn plain_cases_are_told_apart() {
    let (evidence, lexical) = (evidence(), Lexical::shipped().unwrap());
    let mut wrong = Vec::new();
    for case in cases().unwrap() {
        let verdict = lexical.check(&Sentence::spoken(&case.text, &case.question), &evidence);
        let right = match case.verdict.as_str() {
            "supported" => verdict.status == Status::Supported,
            "not_checkable" => verdict.status == Status::NotCheckable,
            _ => matches!(verdict.status, Status::Unsupported | Status::Contradicted),
        };
        let codes: Vec<String> = verdict
            .reasons
            .iter()
            .map(|reason| serde_json::to_value(reason.code).unwrap().as_str().unwrap().to_owned())
            .collect();
        let right = right && case.reason.is_none_or(|reason| codes.contains(&reason));
        // One that is right now has to lose its mark.
        if right == case.known_miss {
            wrong.push(format!(
                "{}: {:?} {:?} {codes:?}",
                case.text, verdict.status, verdict.probability
            ));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_the_evidence_says_is_supported_by_its_passage() {
    let (evidence, lexical) = (evidence(), Lexical::shipped().unwrap());
    for (source, text) in [("tea", CHINESE), ("lamps", ENGLISH)] {
        for range in sentences(text) {
            let verdict = lexical.check(&Sentence::spoken(&text[range.clone()], "?"), &evidence);
            assert_eq!(verdict.status, Status::Supported, "{}", &text[range]);
            assert_eq!(verdict.sources, [source]);
        }
    }
}

#[test]
fn places_are_bytes_of_the_sentence_and_show_what_the_evidence_has() {
    let (evidence, lexical) = (evidence(), Lexical::shipped().unwrap());
    let text = "门票每人80元。";
    let verdict = lexical.check(&Sentence::spoken(text, "门票多少钱？"), &evidence);
    let reason = &verdict.reasons[0];
    assert_eq!(&text[reason.span.clone()], "80元");
    assert_eq!(reason.nearest.as_deref(), Some("40元"));
    assert_eq!(verdict.suggestion.as_deref(), Some("门票每人40元。"));
}

#[test]
fn without_evidence_nothing_is_called_false() {
    let lexical = Lexical::shipped().unwrap();
    let sentence = Sentence::spoken("It opened in 1999.", "When?");
    let verdict = lexical.check(&sentence, &Evidence::index([]));
    assert_eq!(verdict.status, Status::Uncertain);
    assert!(verdict.reasons.is_empty() && verdict.escalate);
}

#[test]
fn odd_texts_break_nothing() {
    let lexical = Lexical::shipped().unwrap();
    let long = "第".repeat(3_000) + &"9".repeat(400);
    for text in [
        "",
        "。",
        "第",
        "１／２",
        "$",
        "5%",
        "’s",
        "\u{202e}万",
        "🙂🙂",
        "一二三四五六七八九十百千万亿",
        &long,
    ] {
        let passage = Passage { source_id: "x".to_owned(), text: text.to_owned() };
        let evidence = Evidence::index([passage]);
        for question in ["", text] {
            let verdict = lexical.check(&Sentence::spoken(text, question), &evidence);
            assert!(verdict.reasons.iter().all(|reason| text.get(reason.span.clone()).is_some()));
        }
    }
}
