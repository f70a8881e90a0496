use proptest::prelude::*;

use super::*;
use crate::turn::Emotion;

const ZH: &str = "# 例子\n香菜\n香菜饺子\n榴莲\n\n";
const EN: &str = "\u{feff}durian\nPineapple Pizza\npie\nart\n";

fn words(action: Action) -> Words {
    Words::new([ZH, EN], action).unwrap()
}

/// What is let through of these pieces, with marks in the form `[Joy]`.
fn through(action: Action, pieces: &[&str]) -> String {
    let mut filter = Filter::new(&words(action));
    let mut marked: Vec<_> = pieces
        .iter()
        .flat_map(|piece| filter.push(vec![Marked::Text((*piece).to_owned())]))
        .collect();
    marked.extend(filter.finish());
    shown(&marked)
}

fn shown(marked: &[Marked]) -> String {
    let shown = |mark: &Marked| match mark {
        Marked::Text(text) => text.clone(),
        Marked::Emotion(emotion) => format!("[{emotion:?}]"),
        Marked::Action(action) => format!("[{}]", action.0),
    };
    marked.iter().map(shown).collect()
}

#[test]
fn words_are_masked_and_nothing_else_is() {
    for (text, wanted) in [
        ("我爱吃香菜。", "我爱吃**。"),
        ("香菜饺子和榴莲", "****和**"),
        ("A durian, a DURIAN, a ｄｕｒｉａｎ!", "A ******, a ******, a ******!"),
        ("Pineapple\n pizza is art", "*********\n ***** is ***"),
        ("durians, predurian, start, magpie, artful", "durians, predurian, start, magpie, artful"),
        ("我吃durian啊", "我吃******啊"),
        ("香 菜、香*菜、香\u{200b}菜、榴-莲", "* *、***、***、***"),
        ("香气，菜单", "香气，菜单"),
        ("", ""),
    ] {
        assert_eq!(through(Action::Mask, &[text]), wanted);
    }
}

#[test]
fn a_word_is_found_wherever_it_is_cut() {
    let text = "我爱吃香菜饺子，还有 Ｐineapple  PIZZA 和 durian。Art? Artful pie";
    let wanted = through(Action::Mask, &[text]);
    assert_eq!(wanted, "我爱吃****，还有 *********  ***** 和 ******。***? Artful ***");
    for border in text.char_indices().map(|(at, _)| at) {
        let (before, after) = text.split_at(border);
        assert_eq!(through(Action::Mask, &[before, after]), wanted, "cut at {border}");
    }
    let pieces: Vec<_> = text.split_inclusive(|_| true).collect();
    assert_eq!(through(Action::Mask, &pieces), wanted);
}

#[test]
fn only_what_may_become_a_word_is_held_back() {
    let mut filter = Filter::new(&words(Action::Mask));
    let mut push = |text: &str| shown(&filter.push(vec![Marked::Text(text.to_owned())]));
    assert_eq!(push("你好，香"), "你好，");
    assert_eq!(push("水不错。"), "香水不错。");
    assert_eq!(push("我吃香菜"), "我吃");
    assert_eq!(push("了"), "**了");
    assert_eq!(push(" A pi"), " A ");
    assert_eq!(push("lot"), "pilot");
    assert_eq!(push("pie"), "pie");
    assert_eq!(push(" pie"), " ");
    assert_eq!(push("."), "***.");
}

#[test]
fn marks_keep_their_places_and_hide_no_word() {
    let mut filter = Filter::new(&words(Action::Mask));
    let joy = || Marked::Emotion(Emotion::Joy);
    let text = |text: &str| Marked::Text(text.to_owned());
    let mut marked = filter.push(vec![joy(), text("吃香"), joy()]);
    assert_eq!(shown(&marked), "[Joy]吃");
    marked.extend(filter.push(vec![text("菜"), joy(), text("。好"), joy()]));
    marked.extend(filter.push(vec![text("香")]));
    marked.extend(filter.push(vec![joy()]));
    marked.extend(filter.finish());
    assert_eq!(shown(&marked), "[Joy]吃*[Joy]*[Joy]。好[Joy]香[Joy]");
}

#[test]
fn where_words_are_withheld_nothing_comes_after_the_first() {
    assert_eq!(through(Action::Withhold, &["一。二香", "菜三。", "四。"]), "一。二");
    assert_eq!(through(Action::Withhold, &["One. A fine durian"]), "One. A fine ");
    let mut filter = Filter::new(&words(Action::Withhold));
    filter.push(vec![Marked::Text("香菜".to_owned())]);
    assert!(!filter.has_tripped(), "it may be the beginning of a longer one");
    filter.push(vec![Marked::Text("。".to_owned())]);
    assert!(filter.has_tripped());
    assert_eq!(filter.push(vec![Marked::Text("好".to_owned())]), []);
    assert_eq!(filter.finish(), []);
}

#[test]
fn whole_texts_are_looked_through() {
    let words = words(Action::Mask);
    assert!(words.are_in("给我来份香菜") && words.are_in("durian") && words.are_in("ＡＲＴ!"));
    assert!(!words.are_in("artful") && !words.are_in("香水") && !words.are_in(""));
}

#[test]
fn what_is_no_list_is_refused_with_its_line() {
    let new = |text: &str| Words::new([text], Action::Mask).map(drop);
    assert_eq!(new(&format!("好\n{}", "长".repeat(65))), Err(InvalidList::Line { line: 2 }));
    assert_eq!(new("\u{200b}"), Err(InvalidList::Line { line: 1 }));
    assert_eq!(new("# only\n\n"), Ok(()));
    let many: Vec<_> = (0..200_001).map(|number| format!("w{number}")).collect();
    let many = many.join("\n");
    assert_eq!(new(&many), Err(InvalidList::TooMany));
}

proptest! {
    /// The borders of the pieces make no difference, and no letter is lost.
    #[test]
    fn the_same_text_in_any_pieces_gives_the_same(
        pieces in prop::collection::vec("[香菜饺子榴莲durianpieart 。,*Ａ\u{200b}]{0,6}", 0..12)
    ) {
        let pieces: Vec<_> = pieces.iter().map(String::as_str).collect();
        let whole = pieces.concat();
        for action in [Action::Mask, Action::Withhold] {
            let cut = through(action, &pieces);
            prop_assert_eq!(&cut, &through(action, &[&whole]));
            let letters = cut.chars().zip(whole.chars());
            prop_assert!(letters.clone().all(|(out, came)| out == came || out == MASK));
            if action == Action::Mask {
                prop_assert_eq!(cut.chars().count(), whole.chars().count());
            }
        }
    }
}

#[test]
fn a_whole_text_is_masked_whatever_is_done_about_a_word_elsewhere() {
    for action in [Action::Mask, Action::Withhold] {
        let words = Words::new(["香菜\ndurian"], action).unwrap();
        assert_eq!(words.mask("香菜，Ｄurian与香 菜"), "**，******与* *");
        assert_eq!(words.mask("durians 很香"), "durians 很香");
        assert_eq!(words.mask(""), "");
    }
}
