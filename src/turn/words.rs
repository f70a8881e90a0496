//! The words that come in with a turn.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A text that cannot be a person's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidText {
    /// Nothing but white space.
    #[error("there is nothing to answer: the text is empty")]
    Empty,
    /// More than [`UserText::MAX_BYTES`].
    #[error("the text has {bytes} bytes and at most {} are taken", UserText::MAX_BYTES)]
    TooLong {
        /// Length of the text.
        bytes: usize,
    },
}

/// What a person said: not empty, not over-long, kept exactly as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserText(String);

impl UserText {
    /// Most bytes of one text, in UTF-8.
    pub const MAX_BYTES: usize = 32 * 1024;

    /// Takes a text from outside.
    ///
    /// # Errors
    /// When it is empty or too long.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidText> {
        let text = text.into();
        if text.trim().is_empty() {
            return Err(InvalidText::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidText::TooLong { bytes: text.len() });
        }
        Ok(Self(text))
    }

    /// The words as they came.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
