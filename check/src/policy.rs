//! What is done about a verdict.

use serde::{Deserialize, Serialize};

use crate::verdict::Status;

/// How far the check may change what is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Nothing is checked.
    Off,
    /// Verdicts are told and nothing is changed.
    #[default]
    Annotate,
    /// A sentence that is not borne out is said with a caution.
    Hedge,
    /// It is said anew from the evidence, or else with a caution.
    Rewrite,
    /// It is not said.
    Withhold,
    /// It is said, and corrected afterwards when the verdict comes late.
    Correct,
}

/// A choice of policies for the kinds of verdicts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// For conversation: cautious where the evidence is silent, corrected where it says otherwise.
    #[default]
    Chat,
    /// For a guide: what is not borne out is said anew.
    Guide,
    /// What is not borne out is not said.
    Strict,
}

impl Preset {
    /// What a preset does about a verdict.
    pub fn policy(self, status: Status) -> Policy {
        match (self, status) {
            (
                _,
                Status::Supported | Status::NotCheckable | Status::Unchecked | Status::Uncertain,
            ) => Policy::Annotate,
            (Self::Chat, Status::Contradicted) => Policy::Correct,
            (Self::Chat, Status::Unsupported) => Policy::Hedge,
            (Self::Guide, _) => Policy::Rewrite,
            (Self::Strict, _) => Policy::Withhold,
        }
    }
}

/// What is at hand when a sentence is decided on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Situation {
    /// The sentence was said before its verdict came.
    pub released: bool,
    /// There is a correction that a judge has proved with a quote.
    pub corrected: bool,
}

/// What to do with a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Say it as it is.
    Pass,
    /// Say it as it is, and show the verdict.
    Annotate,
    /// Say it after a caution: [`hedge`], or [`doubt`] where the evidence says otherwise.
    Hedge,
    /// Say the proved correction instead.
    Replace,
    /// Say [`withheld`] instead.
    Withhold,
    /// It was said: say the proved correction after it.
    CorrectAfter,
}

/// Decides. A sentence is changed only for a verdict against it, replaced only by a correction that
/// is proved, and what was said cannot be unsaid.
pub fn decide(status: Status, policy: Policy, situation: Situation) -> Action {
    let against = matches!(status, Status::Unsupported | Status::Contradicted);
    let Situation { released, corrected } = situation;
    match policy {
        Policy::Off => Action::Pass,
        _ if matches!(status, Status::NotCheckable | Status::Supported) => Action::Pass,
        Policy::Annotate => Action::Annotate,
        _ if !against => Action::Annotate,
        Policy::Rewrite | Policy::Correct if released && corrected => Action::CorrectAfter,
        _ if released => Action::Annotate,
        Policy::Rewrite | Policy::Correct if corrected => Action::Replace,
        Policy::Hedge | Policy::Rewrite | Policy::Correct => Action::Hedge,
        Policy::Withhold => Action::Withhold,
    }
}

/// The languages that cautions are there in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Chinese.
    Chinese,
    /// English, and what is neither.
    English,
}

impl Language {
    /// The language of a text.
    pub fn of(text: &str) -> Self {
        let han = text.chars().filter(|c| crate::tokens::is_han(*c)).count();
        let letters = text.chars().filter(char::is_ascii_alphabetic).count();
        if han * 2 >= letters.max(1) { Self::Chinese } else { Self::English }
    }
}

/// A sentence after a caution.
pub fn hedge(sentence: &str) -> String {
    match Language::of(sentence) {
        Language::Chinese => format!("我手头的资料没有提到，不过{sentence}"),
        Language::English => format!("My notes don't say so, but as far as I know: {sentence}"),
    }
}

/// A sentence that the evidence speaks against, after a caution that says so.
pub fn doubt(sentence: &str) -> String {
    match Language::of(sentence) {
        Language::Chinese => format!("资料里的说法可能不一样，我记得是：{sentence}"),
        Language::English => format!("My notes may say otherwise, but I remember: {sentence}"),
    }
}

/// What is said in place of a sentence that is withheld.
pub fn withheld(language: Language) -> &'static str {
    match language {
        Language::Chinese => "这一点我需要再确认一下。",
        Language::English => "Let me check that first.",
    }
}

/// A correction of a sentence that was said.
pub fn corrected(correction: &str) -> String {
    match Language::of(correction) {
        Language::Chinese => format!("更正一下：{correction}"),
        Language::English => format!("Let me correct that: {correction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Situation = Situation { released: false, corrected: false };

    #[test]
    fn only_a_verdict_against_a_sentence_changes_it() {
        for status in
            [Status::Supported, Status::NotCheckable, Status::Unchecked, Status::Uncertain]
        {
            for policy in [Policy::Hedge, Policy::Rewrite, Policy::Withhold, Policy::Correct] {
                let action = decide(status, policy, Situation { released: false, corrected: true });
                assert!(matches!(action, Action::Pass | Action::Annotate), "{status:?} {policy:?}");
            }
        }
        assert_eq!(decide(Status::Contradicted, Policy::Annotate, NONE), Action::Annotate);
        assert_eq!(decide(Status::Contradicted, Policy::Off, NONE), Action::Pass);
    }

    #[test]
    fn a_sentence_is_replaced_only_by_a_proved_correction() {
        let proved = Situation { corrected: true, ..NONE };
        assert_eq!(decide(Status::Contradicted, Policy::Rewrite, proved), Action::Replace);
        assert_eq!(decide(Status::Contradicted, Policy::Rewrite, NONE), Action::Hedge);
        assert_eq!(decide(Status::Unsupported, Policy::Withhold, proved), Action::Withhold);
    }

    #[test]
    fn what_was_said_is_corrected_or_annotated() {
        let late = Situation { released: true, corrected: true };
        assert_eq!(decide(Status::Contradicted, Policy::Correct, late), Action::CorrectAfter);
        let unproved = Situation { released: true, corrected: false };
        for policy in [Policy::Hedge, Policy::Rewrite, Policy::Withhold, Policy::Correct] {
            assert_eq!(decide(Status::Contradicted, policy, unproved), Action::Annotate);
        }
    }

    #[test]
    fn presets_grow_stricter() {
        let of =
            |preset: Preset| decide(Status::Unsupported, preset.policy(Status::Unsupported), NONE);
        assert_eq!(of(Preset::Chat), Action::Hedge);
        assert_eq!(of(Preset::Guide), Action::Hedge);
        assert_eq!(of(Preset::Strict), Action::Withhold);
    }

    #[test]
    fn cautions_speak_the_sentence_s_language() {
        assert!(hedge("它建于1987年。").starts_with("我手头"));
        assert!(hedge("It opened in 1987.").starts_with("My notes"));
        assert!(doubt("它建于1987年。").starts_with("资料里"));
        assert!(doubt("It opened in 1987.").ends_with("remember: It opened in 1987."));
        assert_eq!(Language::of("参观 Tea House 需要预约"), Language::Chinese);
    }
}
