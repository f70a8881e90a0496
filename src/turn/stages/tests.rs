//! The stages together.

use std::sync::Arc;

use super::*;
use crate::turn::{
    VerdictStatus,
    check::{Grounds, Help, Patience, Rule},
    filter::Action,
    knowledge::Passage,
};

fn released(mut stages: Stages, text: &str) -> String {
    stages.push(text);
    stages.finish();
    stages.released().to_owned()
}

#[test]
fn only_a_model_thinks() {
    let text = "[joy]I <think>really</think> like it.";
    assert_eq!(released(Stages::new(None, &[]), text), "I like it.");
    assert_eq!(released(Stages::for_speech(), text), "I <think>really</think> like it.");
}

fn words(action: Action) -> Words {
    Words::new(["香菜\ndurian"], action).unwrap()
}

/// The sentences and how they are said, of an answer that comes letter by letter.
fn told(stages: Stages, text: &str) -> (Vec<(String, String)>, bool) {
    let mut stages = stages;
    let mut events: Vec<_> =
        text.chars().flat_map(|letter| stages.push(&letter.to_string())).collect();
    events.extend(stages.finish());
    let sentences = events.into_iter().filter_map(|event| match event {
        TurnEvent::Sentence(sentence) => Some((sentence.text, sentence.speech)),
        _ => None,
    });
    let sentences: Vec<_> = sentences.collect();
    let joined: String = sentences.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(joined, stages.released());
    (sentences, stages.is_filtered())
}

#[test]
fn a_masked_word_is_neither_shown_nor_said() {
    let stages = Stages::new(None, &[]).without(Some(&words(Action::Mask)));
    let (sentences, filtered) = told(stages, "我爱吃香菜。A [joy]durian, too.");
    let pairs: Vec<_> = sentences.iter().map(|(text, said)| (&text[..], &said[..])).collect();
    assert_eq!(pairs, [("我爱吃**。", "我爱吃。"), ("A ******, too.", "A, too.")]);
    assert!(!filtered);
}

#[test]
fn a_sentence_with_a_word_is_withheld_whole_and_the_ones_before_are_told() {
    let stages = || Stages::new(None, &[]).without(Some(&words(Action::Withhold)));
    let shown = |text: &str| {
        let (sentences, filtered) = told(stages(), text);
        (sentences.into_iter().map(|(text, _)| text).collect::<String>(), filtered)
    };
    let whole = |text: &str, filtered| (text.to_owned(), filtered);
    assert_eq!(shown("你好，我在这里。我最爱吃香菜。再见。"), whole("你好，我在这里。", true));
    assert_eq!(shown("你好，我在这里。香菜。再见。"), whole("你好，我在这里。", true));
    assert_eq!(shown("你好，我在这里。香"), whole("你好，我在这里。香", false));
    assert_eq!(shown("I am here. Have a durian"), whole("I am here. ", true));
    assert_eq!(shown("Durian!"), whole("", true));
}

#[test]
fn reasoning_is_masked_as_it_streams() {
    let mut stages = Stages::new(None, &[]).without(Some(&words(Action::Withhold)));
    let mut events: Vec<_> = ["<think>吃香", "菜</think>好", "。"]
        .into_iter()
        .flat_map(|piece| stages.push(piece))
        .collect();
    events.extend(stages.think("香菜！".to_owned()));
    events.extend(stages.finish());
    let thought: String = events
        .iter()
        .filter_map(|event| match event {
            TurnEvent::Reasoning(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(thought, "吃****！");
    assert_eq!(stages.released(), "好。");
}

#[test]
fn what_is_passed_on_is_as_it_came() {
    let text = "<think>hm</think>[joy]<think>**One.**</think>  Two, three.\n";
    assert_eq!(
        released(Stages::for_relay(false), text),
        "[joy]<think>**One.**</think>  Two, three.\n"
    );
    assert_eq!(released(Stages::for_relay(true), text), text);
    let mut stages = Stages::for_relay(false);
    let delta = |text: &str| TurnEvent::Delta(text.to_owned());
    assert_eq!(stages.push("One. T"), [delta("One. T")]);
    assert_eq!(stages.push("wo"), [delta("wo")]);
    assert_eq!(stages.finish(), []);
}

#[test]
fn what_is_passed_on_may_be_checked_beside_it() {
    let known = Passage { source: "a".to_owned(), text: "The house has 12 rooms.".to_owned() };
    let grounds = Grounds::new(Rule::default(), "", vec![known], true);
    let check = Check::new(Some(Arc::new(grounds)), Help::default(), Patience::default());
    let mut stages = Stages::for_relay(false).annotated(check);
    let text = "<think>hm</think>**The house** has 12 rooms. [joy]It has 99 rooms";
    let mut events: Vec<_> =
        text.chars().flat_map(|letter| stages.push(&letter.to_string())).collect();
    events.extend(stages.finish());
    let passed: String = events
        .iter()
        .filter_map(|event| match event {
            TurnEvent::Delta(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(passed, "**The house** has 12 rooms. [joy]It has 99 rooms");
    assert_eq!((stages.released(), stages.is_settled()), (passed.as_str(), true));
    let statuses: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            TurnEvent::Verdict(verdict) => Some(verdict.status),
            _ => None,
        })
        .collect();
    // The tag is no word of its sentence, which the number alone speaks against.
    assert_eq!(statuses, [VerdictStatus::Supported, VerdictStatus::Contradicted]);
    let whole = events.iter().filter(|event| matches!(event, TurnEvent::Sentence(_))).count();
    assert_eq!(whole, 2);
}
