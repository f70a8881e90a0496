//! What an answer may rest on.

use serde::{Deserialize, Serialize};

/// A piece of text that an answer may rest on, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// Names the source for people: a document of the persona's knowledge and the place in it, or
    /// `caller:1` for the first text that came with the turn.
    pub source: String,
    /// What it says.
    pub text: String,
}
