//! Questions with fixed answers, and how alike two questions are.

mod kinds;

use crate::words::{Cutting, is_stop, plain, words_but};
use kinds::with_kinds;

/// A question, in the ways that it may be put, and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The question; further ways to put it follow.
    pub questions: Vec<String>,
    /// What is answered, word for word.
    pub answer: String,
}

impl Pair {
    /// A pair whose questions are parted by `|` or by lines; `None` without a question or an answer.
    pub fn of(questions: &str, answer: &str) -> Option<Self> {
        let questions: Vec<String> = questions
            .split(['|', '｜', '\n'])
            .map(|question| question.trim().to_owned())
            .filter(|question| !question.is_empty())
            .collect();
        let answer = answer.trim().to_owned();
        (!questions.is_empty() && !answer.is_empty()).then_some(Self { questions, answer })
    }
}

/// The words of a question that make it this question: what it asks for (a time, a place, a price)
/// counts, and so does a denial; politeness does not. Each comes once.
pub fn asked_words(question: &str) -> Vec<String> {
    let (kinds, rest) = with_kinds(&plain(question));
    let mut words: Vec<String> = kinds.into_iter().map(str::to_owned).collect();
    let left_out = |word: &str| is_stop(word) && !kinds::counts(word);
    for word in words_but(&rest, Cutting::Longest, left_out) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

/// How alike two questions are by their words, from 0.0 to 1.0: the share of their weight that they
/// have in common. `weight` says how much a word tells, rare ones more.
pub fn likeness(said: &[String], listed: &[String], weight: impl Fn(&str) -> f32) -> f32 {
    let sum = |words: &[String]| words.iter().map(|word| weight(word)).sum::<f32>();
    let common = said.iter().filter(|word| listed.contains(word)).map(|word| weight(word));
    let (common, all) = (common.sum::<f32>(), sum(said) + sum(listed));
    if all > 0.0 { 2.0 * common / all } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alike(one: &str, other: &str) -> f32 {
        likeness(&asked_words(one), &asked_words(other), |_| 1.0)
    }

    #[test]
    fn politeness_and_the_form_of_a_question_do_not_tell_questions_apart() {
        for (one, other) in [
            ("几点开门", "请问你们什么时候开门呀？"),
            ("厕所在哪", "洗手间在哪里？厕所在哪儿"),
            ("门票多少钱", "请问门票要多少钱啊"),
            ("What time do you open?", "When do you open"),
            ("Who are you?", "so, who are you"),
        ] {
            assert!(alike(one, other) >= 0.65, "{one} {other} {}", alike(one, other));
        }
        assert!(alike("几点开门", "请问你们什么时候开门呀？") > 0.99);
    }

    #[test]
    fn what_is_asked_for_and_denials_tell_questions_apart() {
        for (one, other) in [
            ("几点开门", "几点关门"),
            ("门票多少钱", "门票在哪里买"),
            ("可以拍照吗", "不可以拍照吗"),
            ("When do you open?", "Where do you open?"),
            ("Is it open on Monday?", "Is it open on Sunday?"),
        ] {
            assert!(alike(one, other) < 0.8, "{one} {other} {}", alike(one, other));
        }
    }

    #[test]
    fn a_question_without_words_is_like_no_other() {
        assert!(alike("？", "？") < f32::EPSILON);
    }
}
