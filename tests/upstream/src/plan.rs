//! What is answered, how fast, and what goes wrong.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use crate::Fault;

/// How requests are answered.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// What goes wrong.
    #[serde(deserialize_with = "by_name")]
    pub fault: Fault,
    /// The answer, piece by piece.
    pub pieces: Vec<String>,
    /// Instead of `pieces`: so many tokens that say which stream they belong to and their number in
    /// it, `7.0 7.1 7.2 …`, by which a reader proves that nothing was lost, doubled or mixed up.
    pub stamps: usize,
    /// Instead of `pieces`, in the formats of OpenAI and GLM: what stands in `choices`, one a chunk;
    /// the last one has the reason to end.
    pub choices: Vec<Value>,
    /// Words that mean the same, for vectors: each has a number for every such list, which says how many
    /// of its words the text has. Without any a vector says how long its text is and how it begins.
    pub meanings: Vec<Vec<String>>,
    /// Milliseconds to the first piece.
    pub first_ms: u64,
    /// Milliseconds between pieces.
    pub every_ms: u64,
    /// How many requests this holds for, after which all is well again; `None` means all.
    pub times: Option<u64>,
}

impl Default for Plan {
    fn default() -> Self {
        let pieces = ["慢慢呼吸", "几次，", "把大事", "拆成小步。", "再找人", "聊聊。"];
        Self {
            fault: Fault::None,
            pieces: pieces.map(str::to_owned).to_vec(),
            stamps: 0,
            choices: Vec::new(),
            meanings: Vec::new(),
            first_ms: 0,
            every_ms: 0,
            times: None,
        }
    }
}

impl Plan {
    /// A plan with this fault.
    pub fn failing(fault: Fault) -> Self {
        Self { fault, ..Self::default() }
    }

    /// A plan that says `pieces`.
    pub fn saying<I: IntoIterator<Item = S>, S: Into<String>>(pieces: I) -> Self {
        Self { pieces: pieces.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// A plan that sends these choices as they are.
    pub fn choosing(choices: impl IntoIterator<Item = Value>) -> Self {
        Self { choices: choices.into_iter().collect(), ..Self::default() }
    }

    /// A plan whose vectors know which words mean the same.
    pub fn meaning(words: &[&[&str]]) -> Self {
        let owned = |words: &&[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self { meanings: words.iter().map(owned).collect(), ..Self::default() }
    }

    /// The pieces of the answer to the request of this number.
    pub(crate) fn pieces(&self, stream: u64) -> Vec<String> {
        match self.stamps {
            0 => self.pieces.clone(),
            tokens => (0..tokens).map(|token| format!("{stream}.{token} ")).collect(),
        }
    }

    /// How long to wait before the piece of this number.
    pub(crate) fn pause(&self, piece: usize) -> Duration {
        Duration::from_millis(if piece == 0 { self.first_ms } else { self.every_ms })
    }
}

fn by_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Fault, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}
