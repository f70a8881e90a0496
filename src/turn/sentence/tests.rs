use proptest::prelude::*;

use super::*;

fn drafts(options: SegmenterOptions, marks: impl IntoIterator<Item = Marked>) -> Vec<Draft> {
    let mut segmenter = Segmenter::new(options);
    let mut drafts: Vec<Draft> = marks.into_iter().flat_map(|mark| segmenter.push(mark)).collect();
    drafts.extend(segmenter.finish());
    drafts
}

/// The sentences of a text, without a first fragment.
fn sentences(text: &str) -> Vec<String> {
    limited(text, None, 120)
}

fn limited(text: &str, first_fragment: Option<usize>, max_chars: usize) -> Vec<String> {
    let options = SegmenterOptions { first_fragment, max_chars };
    drafts(options, [Marked::Text(text.to_owned())]).into_iter().map(|draft| draft.text).collect()
}

fn text(text: &str) -> Marked {
    Marked::Text(text.to_owned())
}

fn action(name: &str) -> Action {
    Action(name.to_owned())
}

/// Each text has its sentences divided by `|`.
fn check(cases: &[&str]) {
    for case in cases {
        let whole: String = case.replace('|', "");
        let expected: Vec<&str> = case.split('|').collect();
        assert_eq!(sentences(&whole), expected, "{whole:?}");
    }
}

#[test]
fn chinese_is_cut_at_its_end_marks() {
    check(&[
        "你好。|我是小安。",
        "你好！|你叫什么？|我叫小安",
        "真的吗？！|太好了！！！|嗯……|好吧。",
        "他说：“你好。我走了。”|然后他走了。",
        "他说：“你好！”，然后走了。",
        "“加油！”的声音很大。",
        "（他来了。）|然后走了。",
        "《你好吗？》是一本书。",
        "「你好。」|「再见。」",
        "他问：“她说‘走吧。’了吗？”|我不知道。",
        "今天天气不错.|我们走吧.",
        "圆周率是3.14。|版本是v1.2.3，很新。",
        "请看 https://a.b/c?d=e&f=g!h 。|谢谢。",
        "价格是1,000元；很便宜：真的，10：30见。|好。",
        "我爱你～❤️",
        "你好！😊 |很高兴👍🏻！|再见。",
        "**你好。**|**再见。**",
        "*你好。*|再见。",
        "我在Rust.org工作。",
        "他笑了！～|我也笑了。",
    ]);
}

#[test]
fn english_is_cut_at_full_stops_that_end_a_sentence() {
    check(&[
        "Hello. |How are you? |Fine!",
        "Mr. Smith met Dr. Who. |They talked.",
        "Fruit, e.g. apples, i.e. food. |Good.",
        "The U.S. Army came. |It left.",
        "Apples, pears, etc. are fruit. |Apples, pears, etc. |They are fruit.",
        "See No. 5 for details. |No. |I said no.",
        "We meet at 5 p.m. in the hall. |We meet at 5 p.m. |Then we go.",
        "It is 3.14 or v1.2.3. |See example.com or main.rs now. |Mail a.b@c.de today.",
        "Visit https://a.b/c?d=e. |Thanks.",
        "Wait... what? |Well... |Now!",
        "He said \"Stop!\" and left. |She said \"Go.\" |They went.",
        "\"Stop!\" he said. |\"Why?\" |\"Because.\"",
        "George W. Bush spoke. |So do I. |Then J. K. Rowling spoke.",
        "Really?! |Yes!! |Good.",
        "Hello!|How are you?",
        "Is a!=b? |No.",
        "(This is so.) |Next.",
        "'Hello.' |She left.",
        "Don't stop. |It's fine.",
        "A 5\" nail. |Another one.",
        "Sad :( but true. |Next.",
        "In 1999. |Then more.",
    ]);
}

#[test]
fn lines_are_sentences_and_list_numbers_are_not() {
    check(&[
        "步骤：\n|1. 先洗米\n|2. 再煮饭\n|好了。",
        "- 苹果\n|- 梨\n\n|完",
        "1. First. |2. Then.",
        "Title\n\n|Text goes on\n|and on.",
        "A. 选项一\n|B. 选项二",
        "你好。\n\n|再见。",
    ]);
    assert_eq!(sentences("你好。\n---\n再见。"), ["你好。\n---\n", "再见。"]);
    assert_eq!(sentences("他说：“一\n二”三。"), ["他说：“一\n二”三。"]);
    assert_eq!(sentences("他说：“一\n\n二。三。"), ["他说：“一\n\n", "二。", "三。"]);
}

#[test]
fn a_piece_without_a_letter_is_no_sentence() {
    assert_eq!(sentences("……你好。"), ["……你好。"]);
    assert_eq!(sentences("\n\n你好。"), ["\n\n你好。"]);
    assert_eq!(sentences("你好。 。 !"), ["你好。 。 !"]);
    assert_eq!(sentences("你好。\n😊"), ["你好。\n😊"]);
    assert_eq!(sentences("😊"), ["😊"]);
    assert_eq!(sentences("？"), ["？"]);
    assert_eq!(sentences(" \n"), Vec::<String>::new());
    assert_eq!(sentences(""), Vec::<String>::new());
}

#[test]
fn the_first_sentence_may_begin_with_a_fragment() {
    for (text, expected) in [
        (
            "你好呀，我是小安，很高兴。再见，朋友。",
            vec!["你好呀，我是小安，", "很高兴。", "再见，朋友。"],
        ),
        ("今天天气很好，我们去玩吧。", vec!["今天天气很好，", "我们去玩吧。"]),
        ("你好，我。", vec!["你好，我。"]),
        ("苹果、梨、桃子、香蕉都好。", vec!["苹果、梨、桃子、香蕉都好。"]),
        ("他轻声说道：“好的，好的，走吧。”", vec!["他轻声说道：", "“好的，好的，走吧。”"]),
        ("“今天很好，明天也好。”", vec!["“今天很好，明天也好。”"]),
        ("这一共是1,000元。", vec!["这一共是1,000元。"]),
        ("To be honest with you, I am fine.", vec!["To be honest with you, ", "I am fine."]),
        ("我们走吧——他说。", vec!["我们走吧——", "他说。"]),
        ("这个https://a.b/c好", vec!["这个https://a.b/c好"]),
        ("现在时间10:30整", vec!["现在时间10:30整"]),
    ] {
        assert_eq!(limited(text, Some(4), 120), expected, "{text:?}");
    }
}

#[test]
fn a_long_sentence_is_cut_at_its_last_clause_or_word() {
    assert_eq!(
        limited("一二三，四五六七，八九十一二", None, 10),
        ["一二三，四五六七，", "八九十一二"]
    );
    assert_eq!(limited("一二三四五六七八九十一二", None, 10), ["一二三四五六七八九十", "一二"]);
    assert_eq!(limited("alpha beta gamma delta", None, 12), ["alpha beta ", "gamma delta"]);
    assert_eq!(limited("abcdefghijklmnop", None, 10), ["abcdefghij", "klmnop"]);
    assert_eq!(limited("aaaaaaa👨‍👩‍👧‍👦bbbbb", None, 10), ["aaaaaaa", "👨‍👩‍👧‍👦bbbbb"]);
    assert_eq!(limited("一二三四五六七八九十。二", None, 10), ["一二三四五六七八九十。", "二"]);
}

#[test]
fn an_unbalanced_quote_does_not_swallow_the_rest() {
    let sentences = limited("他说：“你好。我走了。再见。真的再见。一二三。", None, 12);
    assert_eq!(sentences, ["他说：“你好。我走了。", "再见。", "真的再见。", "一二三。"]);
    let sentences = limited("他说\"一二三四五六七八九十。\"然后走了。他又说\"好\"。", None, 10);
    assert_eq!(sentences.concat(), "他说\"一二三四五六七八九十。\"然后走了。他又说\"好\"。");
    assert!(sentences.ends_with(&["他又说\"好\"。".to_owned()]), "{sentences:?}");
}

#[test]
fn a_sentence_is_released_with_the_first_letter_of_the_next() {
    let mut segmenter = Segmenter::new(SegmenterOptions::default());
    assert_eq!(segmenter.push(text("你好。")), []);
    assert_eq!(segmenter.push(text("“")), []);
    assert_eq!(segmenter.push(text("我")).len(), 1);
    assert_eq!(segmenter.finish().map(|draft| draft.text).as_deref(), Some("“我"));
    assert_eq!(segmenter.finish(), None);
}

#[test]
fn an_emotion_holds_from_the_next_sentence_on() {
    let options = SegmenterOptions::default();
    let joy = || Marked::Emotion(Emotion::Joy);
    let emotions = |marks: Vec<Marked>| -> Vec<(String, Emotion)> {
        drafts(options, marks).into_iter().map(|draft| (draft.text, draft.emotion)).collect()
    };
    assert_eq!(
        emotions(vec![joy(), text("你好。再见。")]),
        [("你好。".to_owned(), Emotion::Joy), ("再见。".to_owned(), Emotion::Joy)]
    );
    assert_eq!(
        emotions(vec![text("你"), joy(), text("好。再见。")]),
        [("你好。".to_owned(), Emotion::Neutral), ("再见。".to_owned(), Emotion::Joy)]
    );
    assert_eq!(
        emotions(vec![text("你好。 "), joy(), Marked::Emotion(Emotion::Sad), text("再见。")]),
        [("你好。 ".to_owned(), Emotion::Neutral), ("再见。".to_owned(), Emotion::Sad)]
    );
}

#[test]
fn a_gesture_belongs_to_its_sentence_or_the_next() {
    let wave = || Marked::Action(action("wave"));
    let actions = |marks: Vec<Marked>| -> Vec<usize> {
        drafts(SegmenterOptions::default(), marks).iter().map(|draft| draft.actions.len()).collect()
    };
    assert_eq!(actions(vec![wave(), text("你好。再见。")]), [1, 0]);
    assert_eq!(actions(vec![text("你"), wave(), text("好。再见。")]), [1, 0]);
    assert_eq!(actions(vec![text("你好。"), wave(), text("再见。")]), [0, 1]);
    assert_eq!(actions(vec![text("你好。再见。"), wave()]), [0, 1]);
    assert_eq!(actions(vec![text("你好。再见。"), wave(), text("\n")]), [0, 1]);
    assert_eq!(actions(vec![text("3."), wave(), text("14很好。再见")]), [1, 0]);
}

fn any_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[你好我们去学校吃饭]{1,6}",
        "[a-zA-Z]{1,7}",
        "[0-9]{1,4}",
        prop::sample::select(vec![
            "。",
            "！",
            "？",
            "!",
            "?",
            ".",
            "…",
            "……",
            "...",
            "，",
            ",",
            "、",
            "；",
            ":",
            "：",
            "——",
            "～",
            "“",
            "”",
            "‘",
            "’",
            "\"",
            "'",
            "「",
            "」",
            "（",
            "）",
            "(",
            ")",
            "[",
            "]",
            "《",
            "》",
            "*",
            "**",
            "`",
            " ",
            " ",
            "\n",
            "\n\n",
            "\r\n",
            "😊",
            "👨‍👩‍👧‍👦",
            "👍🏻",
            "❤️",
            "e.g. ",
            "Mr. ",
            "No. 5",
            "3.14",
            "https://a.b/c?d=e.f",
            "a.b@c.de",
            "1. ",
            "- ",
            "U.S. ",
            "p.m. ",
            "[joy]",
            "e\u{301}",
            "<br>",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}

fn any_options() -> impl Strategy<Value = SegmenterOptions> {
    (prop::option::of(1usize..8), 1usize..60)
        .prop_map(|(first_fragment, max_chars)| SegmenterOptions { first_fragment, max_chars })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_cuts_give_the_same_sentences(
        whole in any_text(),
        options in any_options(),
        cuts in prop::collection::vec(1usize..9, 0..80),
        marks in prop::collection::vec(any::<bool>(), 0..80),
    ) {
        // The marks stand at fixed places of the text: behind every tenth character.
        let characters: Vec<char> = whole.chars().collect();
        let mut at_once = Vec::new();
        let mut in_pieces = Vec::new();
        let mut cuts = cuts.into_iter();
        for (index, block) in characters.chunks(10).enumerate() {
            at_once.push(Marked::Text(block.iter().collect()));
            let mut rest = block;
            while !rest.is_empty() {
                let (piece, more) = rest.split_at(cuts.next().unwrap_or(10).min(rest.len()));
                in_pieces.push(Marked::Text(piece.iter().collect()));
                rest = more;
            }
            if let Some(emotion) = marks.get(index) {
                let mark = if *emotion { Marked::Emotion(Emotion::Joy) } else { Marked::Action(action("nod")) };
                at_once.push(mark.clone());
                in_pieces.push(mark);
            }
        }
        prop_assert_eq!(drafts(options, in_pieces), drafts(options, at_once));
    }

    #[test]
    fn no_text_is_lost_and_no_sentence_is_empty(whole in any_text(), options in any_options()) {
        let drafts = drafts(options, [Marked::Text(whole.clone())]);
        let joined: String = drafts.iter().map(|draft| draft.text.as_str()).collect();
        if whole.trim().is_empty() {
            prop_assert_eq!(drafts, []);
        } else {
            prop_assert_eq!(joined, whole);
            let spoken = |draft: &Draft| draft.text.chars().any(char::is_alphanumeric);
            prop_assert!(drafts.len() == 1 || drafts.iter().all(spoken), "{:?}", drafts);
        }
    }

    #[test]
    fn no_sentence_is_longer_than_the_limit(whole in "[a-z你好。，\"“” ]{0,200}") {
        let options = SegmenterOptions { first_fragment: None, max_chars: 20 };
        for draft in drafts(options, [Marked::Text(whole)]) {
            let letters = draft.text.trim_start_matches(|c: char| !c.is_alphanumeric());
            let letters = letters.trim_end_matches(|c: char| !c.is_alphanumeric());
            prop_assert!(letters.chars().count() <= 20, "{:?}", draft.text);
        }
    }
}
