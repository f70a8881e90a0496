//! The dialogues: what a person says, and what the answers have to hold.

use serde::Deserialize;

use super::super::model::suite::Fact;
use crate::turn::UserText;

/// A dialogue.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dialogue {
    /// Its name.
    pub id: String,
    /// Who answers; the configuration's persona when absent.
    #[serde(default)]
    pub persona: Option<String>,
    /// The prompt style; the persona's when absent.
    #[serde(default)]
    pub style: Option<String>,
    /// Facts that the answers may rest on.
    #[serde(default)]
    pub knowledge: Vec<String>,
    /// What is said, one after the other.
    pub turns: Vec<Line>,
}

/// What a person says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The words.
    pub says: String,
    /// What has to be in the answer.
    #[serde(default)]
    pub expects: Vec<Fact>,
    /// What must not be in it.
    #[serde(default)]
    pub forbids: Vec<String>,
}

impl Dialogue {
    /// What is wrong with it, where something is.
    pub(super) fn fault(&self) -> Option<String> {
        if self.turns.is_empty() {
            return Some("nothing is said in it".to_owned());
        }
        self.turns
            .iter()
            .find_map(|line| UserText::parse(line.says.as_str()).err())
            .map(|error| error.to_string())
    }
}
