use serde_json::json;

use super::*;

fn judged(rule: Value, answer: &str) -> Judgement {
    judge(&serde_json::from_value(rule).unwrap(), answer)
}

fn near(judgement: &Judgement, score: f64) -> bool {
    (judgement.score - score).abs() < 1e-9
}

#[track_caller]
fn right(rule: &Value, answers: &[(&str, bool)]) {
    for (answer, correct) in answers {
        let judgement = judged(rule.clone(), answer);
        assert_eq!(judgement.correct, *correct, "{answer:?} by {rule}");
        let score = f64::from(u8::from(*correct));
        assert!(near(&judgement, score), "{answer:?} by {rule}: {judgement:?}");
    }
}

#[test]
fn exact_answers_need_the_same_words() {
    let rule = json!({ "kind": "exact", "answers": ["Au", "gold"] });
    right(&rule, &[("Au.", true), ("GOLD", true), ("gold, of course", false), ("", false)]);
}

#[test]
fn a_choice_is_read_however_it_is_written() {
    let rule = json!({ "kind": "choice", "choices": ["Rome", "Paris", "a car"], "answer": "B" });
    right(
        &rule,
        &[
            ("B", true),
            ("（Ｂ）", true),
            ("**B**", true),
            ("B. Paris", true),
            ("答案是B。", true),
            ("选B", true),
            ("A is tempting, but the answer is B", true),
            ("It is Paris.", true),
            ("Rome or Paris", false),
            ("C) a car", false),
            ("A good question", false),
            ("D", false),
            ("", false),
        ],
    );
    let judgement = judged(rule, "no idea");
    assert_eq!(judgement.choice, Some(Chosen { right: "B".to_owned(), made: None }));
}

#[test]
fn an_overlap_scores_by_the_nearest_reference() {
    let rule = json!({ "kind": "f1", "answers": ["nothing", "red fox"], "at_least": 0.6 });
    // Two of three words and two of two: 0.8.
    let judgement = judged(rule.clone(), "The quick red fox");
    assert!((judgement.score - 0.8).abs() < 1e-9 && judgement.correct, "{judgement:?}");
    // One of two and one of two: 0.5.
    let judgement = judged(rule, "red dog");
    assert!((judgement.score - 0.5).abs() < 1e-9 && !judgement.correct, "{judgement:?}");
    assert!((judgement.overlap.unwrap().recall - 0.5).abs() < 1e-9);
}

#[test]
fn numbers_may_be_off_by_the_tolerance() {
    let rule = json!({ "kind": "number", "answer": 3.5, "tolerance": 0.01 });
    right(&rule, &[("3.5", true), ("3.51", true), ("3.52", false), ("-3.5", false), ("pi", false)]);
    right(&json!({ "kind": "number", "answer": 0.3 }), &[("0.3", true), ("0.30", true)]);
}

#[test]
fn facts_are_counted_and_forbidden_words_cost_everything() {
    let rule = json!({ "kind": "contains", "all": ["北京", ["Tuesday", "星期二"]],
        "forbids": ["上海"], "at_most": 8 });
    assert!(near(&judged(rule.clone(), "星期二在北京"), 1.0));
    assert!(near(&judged(rule.clone(), "在北京"), 0.5));
    assert!(!judged(rule.clone(), "在北京").correct);
    assert!(near(&judged(rule.clone(), "星期二在北京上海"), 0.0));
    assert!(near(&judged(rule, "是的，星期二在北京见面吧"), 0.0));
    right(&json!({ "kind": "contains", "forbids": ["ChatGPT"] }), &[("Anima", true), (" ", false)]);
}

#[test]
fn lengths_and_patterns_bound_the_whole_answer() {
    let rule = json!({ "kind": "length", "at_least": 2, "at_most": 3 });
    right(&rule, &[("one two", true), ("一二三。", true), ("one", false), ("a b c d", false)]);
    let rule = json!({ "kind": "pattern", "pattern": "\\d{4}-\\d{2}|x" });
    right(&rule, &[(" 2024-05\n", true), ("x", true), ("in 2024-05", false)]);
}

#[test]
fn json_is_found_among_words_and_compared_by_value() {
    let rule = json!({ "kind": "json", "fields": { "name": "Ada", "age": 36 } });
    let judgement =
        judged(rule.clone(), "Here:\n```json\n{\"name\": \"ada\", \"age\": 36.0, \"x\": 1}\n```");
    assert!(judgement.correct, "{judgement:?}");
    assert!(near(&judged(rule.clone(), "{\"name\": \"Ada\"}"), 0.5));
    assert!(near(&judged(rule, "{name: Ada}"), 0.0));
}

#[test]
fn the_right_function_is_called_with_all_its_arguments_and_no_other() {
    let rule =
        json!({ "kind": "tool", "name": "weather", "arguments": { "city": "Paris", "days": 2 } });
    right(
        &rule,
        &[
            (r#"{"name":"weather","arguments":{"city":"Paris","days":2}}"#, true),
            (
                r#"Sure! {"name":"weather","parameters":{"days":2,"city":"paris","unit":null}}"#,
                true,
            ),
            (
                r#"{"function":{"name":"weather","arguments":"{\"city\":\"Paris\",\"days\":2}"}}"#,
                true,
            ),
            (r#"{"name":"weather","arguments":{"city":"Paris"}}"#, false),
            (r#"{"name":"weather","arguments":{"city":"Paris","days":2,"unit":"C"}}"#, false),
            (r#"{"name":"weather","arguments":{"city":"Paris","days":"2"}}"#, false),
            (r#"{"name":"time","arguments":{"city":"Paris","days":2}}"#, false),
            (r#"{"name":"weather","arguments":{"city":"Paris","days":2}} {"name":"time"}"#, false),
            ("The weather in Paris", false),
        ],
    );
    let none = json!({ "kind": "tool", "name": null });
    right(&none, &[("Hello!", true), (r#"{"name":"weather","arguments":{}}"#, false), ("", false)]);
}
