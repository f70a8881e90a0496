//! How far the check may go with what a persona says.

use std::fmt;

use anima_check::{Policy, Preset, Status};
use serde::{Deserialize, Deserializer, de};

/// What a persona's `check` says: one policy for every verdict, or a preset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The same whatever is found.
    Policy(Policy),
    /// By what is found.
    Preset(Preset),
}

impl Default for Rule {
    fn default() -> Self {
        Self::Policy(Policy::Annotate)
    }
}

/// Every rule by its name.
const NAMES: [(&str, Rule); 9] = [
    ("off", Rule::Policy(Policy::Off)),
    ("annotate", Rule::Policy(Policy::Annotate)),
    ("hedge", Rule::Policy(Policy::Hedge)),
    ("rewrite", Rule::Policy(Policy::Rewrite)),
    ("withhold", Rule::Policy(Policy::Withhold)),
    ("correct", Rule::Policy(Policy::Correct)),
    ("chat", Rule::Preset(Preset::Chat)),
    ("guide", Rule::Preset(Preset::Guide)),
    ("strict", Rule::Preset(Preset::Strict)),
];

impl Rule {
    /// The names of all rules.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.into_iter().map(|(name, _)| name)
    }

    /// The rule of this name.
    pub fn of(name: &str) -> Option<Self> {
        NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, rule)| rule)
    }

    /// What is done about a verdict.
    pub fn policy(self, status: Status) -> Policy {
        match self {
            Self::Policy(policy) => policy,
            Self::Preset(preset) => preset.policy(status),
        }
    }

    /// Whether anything is checked.
    pub fn is_off(self) -> bool {
        self == Self::Policy(Policy::Off)
    }

    /// Whether a sentence that somebody else should look at waits for that. The preset for
    /// conversation lets it go, and corrects it afterwards.
    pub fn holds(self) -> bool {
        match self {
            Self::Policy(policy) => {
                matches!(policy, Policy::Hedge | Policy::Rewrite | Policy::Withhold)
            }
            Self::Preset(preset) => preset != Preset::Chat,
        }
    }

    /// Whether the model is to be drawn from with care, too.
    pub fn is_strict(self) -> bool {
        self == Self::Preset(Preset::Strict)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = NAMES.into_iter().find(|(_, rule)| rule == self);
        formatter.write_str(known.map_or("", |(name, _)| name))
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::of(&name).ok_or_else(|| {
            let known = Self::names().collect::<Vec<_>>().join(", ");
            de::Error::custom(format!("there is no check `{name}`: it is one of {known}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Persona {
        check: Rule,
    }

    #[test]
    fn a_rule_is_read_by_its_name_and_an_unknown_one_names_the_others() {
        for (name, rule) in NAMES {
            let persona: Persona = toml::from_str(&format!("check = \"{name}\"")).unwrap();
            assert_eq!((persona.check, rule.to_string().as_str()), (rule, name));
        }
        let error = toml::from_str::<Persona>("check = \"stirct\"").unwrap_err().to_string();
        assert!(error.contains("stirct") && error.contains("withhold, correct, chat"), "{error}");
    }

    #[test]
    fn only_rules_that_could_change_a_sentence_hold_it() {
        let holding: Vec<_> =
            NAMES.into_iter().filter(|(_, rule)| rule.holds()).map(|(name, _)| name).collect();
        assert_eq!(holding, ["hedge", "rewrite", "withhold", "guide", "strict"]);
    }
}
