//! Identifiers of turns, and what all identifiers have in common.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// Most characters of an identifier.
const MAX_CHARS: usize = 64;

/// A text that cannot be an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an id has 1 to 64 of the characters A-Z a-z 0-9 _ - . :")]
pub struct InvalidId;

/// Whether `text` can be an identifier.
pub(super) fn is_valid(text: &str) -> bool {
    (1..=MAX_CHARS).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte))
}

/// A new identifier with 122 random bits, not to be guessed.
pub(super) fn random() -> String {
    Uuid::new_v4().simple().to_string()
}

/// One turn of a session.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct TurnId(Arc<str>);

impl TurnId {
    /// Takes an identifier from outside.
    ///
    /// # Errors
    /// When the text is empty, longer than 64 characters, or has others than `A-Z a-z 0-9 _ - . :`.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
        let text = text.into();
        if is_valid(&text) { Ok(Self(text.into())) } else { Err(InvalidId) }
    }

    /// Makes a new one.
    pub fn generate() -> Self {
        Self(random().into())
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TurnId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for TurnId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_from_outside_is_checked() {
        for good in ["a", "turn-1", "A_b.c:9", &"x".repeat(64)] {
            assert_eq!(TurnId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "{a}", "a\r\nb", "a\0b", "é", "*", &"x".repeat(65)] {
            assert_eq!(TurnId::parse(bad), Err(InvalidId), "{bad:?}");
        }
    }
}
