use proptest::prelude::*;

use super::*;

fn read(pieces: &[&str]) -> Vec<Marked> {
    let mut filter = EmotionFilter::new();
    let mut marked: Vec<Marked> = pieces.iter().flat_map(|piece| filter.push(piece)).collect();
    marked.extend(filter.finish());
    let mut joined: Vec<Marked> = Vec::new();
    for mark in marked {
        match (joined.last_mut(), mark) {
            (Some(Marked::Text(text)), Marked::Text(more)) => text.push_str(&more),
            (_, mark) => joined.push(mark),
        }
    }
    joined
}

/// The marks of a text in one line: `joy|你好|!wave`.
fn line(text: &str) -> String {
    let marks: Vec<String> = read(&[text])
        .into_iter()
        .map(|mark| match mark {
            Marked::Text(text) => format!("{text:?}"),
            Marked::Emotion(emotion) => emotion.tag().to_owned(),
            Marked::Action(Action(name)) => format!("!{name}"),
        })
        .collect();
    marks.join(" ")
}

#[test]
fn every_dialect_is_read() {
    for (text, marks) in [
        ("[joy]你好", r#"joy "你好""#),
        ("[joy] Hello", r#"joy "Hello""#),
        ("<|EMOTE_HAPPY|>你好", r#"joy "你好""#),
        ("<|EMOTE_NO_SUCH|>你好", r#"neutral "你好""#),
        (
            r#"<|ACT {"emotion":{"name":"surprised","intensity":1},"motion":"shrug"}|>哇"#,
            r#"surprise !shrug "哇""#,
        ),
        (r#"<|ACT:{"emotion":"sad"}|>唉"#, r#"sad "唉""#),
        (r#"<|ACT {"emotion":{"name":"odd"}}|>唉"#, r#"neutral "唉""#),
        (r"<|ACT {broken|>唉", r#""唉""#),
        ("等<|DELAY 1|>等", r#""等等""#),
        ("[face:joy][animation:wave]你好", r#"joy !wave "你好""#),
        ("[face:unheard_of]你好", r#"neutral "你好""#),
        ("[language:en] Hi [pause:1.5] you", r#""Hi you""#),
        ("【表情：开心】【动作：挥手】你好", r#"joy !挥手 "你好""#),
        ("(开心)你好", r#"joy "你好""#),
        ("（难过）唉", r#"sad "唉""#),
        ("[生气]哼", r#"anger "哼""#),
        ("【好奇】咦", r#"curious "咦""#),
        ("(Happy) hi", r#"joy "hi""#),
        ("( happy ) hi", r#"joy "hi""#),
        ("哈哈(笑)", r#""哈哈" joy"#),
        ("一[joy]二[sad]三", r#""一" joy "二" sad "三""#),
        ("[joy][sad]一", r#"joy sad "一""#),
    ] {
        assert_eq!(line(text), marks, "{text:?}");
    }
}

#[test]
fn what_is_no_tag_stays() {
    for text in [
        "见[1]。",
        "(2024年)",
        "数组[i]",
        "[text](https://a.b/c)",
        "[joy](https://a.b/c)",
        "array[joy]",
        "a_[joy]",
        "x1(happy)",
        "*waves*",
        "[joyous]",
        "(happy birthday)",
        "120 (normal)",
        "[",
        "[jo",
        "(ha",
        "<|",
        "<|EMO",
        "<|im_end|>",
        "<b>",
        "[]",
        "()",
        "[face:]",
        "[pause:long]",
        "[note: joy]",
        "[face:<b>]",
        "（见附录）",
        "[[1]]",
        "<|EMOTE_没有|>",
        "<|ACTION|>",
        "a < b",
        "[ joy",
        "[   joy]",
    ] {
        assert_eq!(read(&[text]), [Marked::Text(text.to_owned())], "{text:?}");
    }
    assert_eq!(read(&[""]), []);
}

#[test]
fn an_act_tag_that_never_ends_is_text() {
    let text = format!("<|ACT {{\"motion\":\"{}", "很长".repeat(200));
    assert_eq!(read(&[&text]), [Marked::Text(text.clone())]);
}

#[test]
fn a_tag_inside_brackets_is_found() {
    assert_eq!(line("[[joy]]"), r#""[" joy "]""#);
    assert_eq!(line("(([joy]"), r#""((" joy"#);
}

#[test]
fn no_double_blank_stays_behind() {
    for (text, left) in [
        ("[joy] 你好", "你好"),
        ("[joy]\n\n你好", "你好"),
        ("[joy] [animation:wave] 你好", "你好"),
        ("一 [joy] 二", "一 二"),
        ("一[joy] 二", "一 二"),
        ("一 [joy]\n二", "一 \n二"),
        ("一\n[joy]\n二", "一\n二"),
        ("一  二", "一  二"),
    ] {
        let text_left: String = read(&[text])
            .into_iter()
            .filter_map(|mark| if let Marked::Text(text) = mark { Some(text) } else { None })
            .collect();
        assert_eq!(text_left, left, "{text:?}");
    }
}

#[test]
fn text_is_held_back_only_while_it_can_become_a_tag() {
    let mut filter = EmotionFilter::new();
    assert_eq!(filter.push("你好"), [Marked::Text("你好".to_owned())]);
    assert_eq!(filter.push("["), []);
    assert_eq!(filter.push("1"), [Marked::Text("[1".to_owned())]);
    assert_eq!(filter.push("] ("), [Marked::Text("] ".to_owned())]);
    assert_eq!(filter.push("happ"), []);
    assert_eq!(filter.push("ily"), [Marked::Text("(happily".to_owned())]);
    assert_eq!(filter.push(" （开心）")[1..], [Marked::Emotion(Emotion::Joy)]);
}

#[test]
fn every_emotion_is_read_from_its_own_tag() {
    for emotion in [
        Emotion::Neutral,
        Emotion::Joy,
        Emotion::Calm,
        Emotion::Sad,
        Emotion::Surprise,
        Emotion::Sorry,
        Emotion::Curious,
        Emotion::Proud,
        Emotion::Anger,
        Emotion::Fear,
    ] {
        assert_eq!(Emotion::from_name(emotion.tag()), Some(emotion));
        assert_eq!(serde_json::json!(emotion), emotion.tag());
    }
    assert_eq!(Emotion::from_name(" HAPPY "), Some(Emotion::Joy));
    assert_eq!(Emotion::from_name("平静"), Some(Emotion::Calm));
    assert_eq!(Emotion::from_name("table"), None);
}

fn any_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("[joy]"),
        Just("(happy)"),
        Just("（开心）"),
        Just("【sad】"),
        Just("[face:joy]"),
        Just("[animation:wave]"),
        Just("<|EMOTE_SAD|>"),
        Just("<|ACT {\"motion\":\"nod\"}|>"),
        Just("<|DELAY 1|>"),
        Just("[joy](u)"),
        Just("[1]"),
        Just("[jo"),
        Just("<|"),
        Just("|"),
        Just(">"),
        Just("["),
        Just("]"),
        Just("("),
        Just(" "),
        Just("\n"),
        Just("你好。"),
        Just("abc"),
        Just("😊"),
        Just("[face:"),
        Just("<|ACT {"),
        Just("joy"),
        Just("("),
    ];
    prop::collection::vec(part, 0..16).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_cuts_give_the_same_result(text in any_text(), cuts in prop::collection::vec(1usize..6, 0..60)) {
        let mut pieces = Vec::new();
        let mut left: Vec<char> = text.chars().collect();
        for cut in cuts {
            let rest = left.split_off(cut.min(left.len()));
            pieces.push(left.into_iter().collect::<String>());
            left = rest;
        }
        pieces.push(left.into_iter().collect());
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        prop_assert_eq!(read(&pieces), read(&[&text]));
        let mut whole = EmotionFilter::new();
        let at_once = whole.push(&text).into_iter().chain(whole.finish()).collect::<Vec<_>>();
        let texts = |marks: &[Marked]| marks.iter().filter_map(|mark| match mark {
            Marked::Text(text) => Some(text.as_str()),
            _ => None,
        }).collect::<String>();
        prop_assert_eq!(texts(&at_once), texts(&read(&pieces)));
    }

    #[test]
    fn text_without_brackets_is_passed_on_whole(text in r"[^<\[(（【]+") {
        prop_assert_eq!(read(&[&text]), [Marked::Text(text.clone())]);
    }
}
