//! How a prompt is made.

use anima_provider::Sampling;
use serde::Deserialize;

use super::Language;

/// How a prompt is made.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Style {
    /// Its name: the key in `styles.toml`.
    #[serde(skip)]
    pub name: String,
    /// What the template makes.
    pub input: StyleInput,
    /// The template, for each language.
    pub template: StyleTemplate,
    /// Texts at which the answer ends.
    #[serde(default)]
    pub stop: Vec<String>,
    /// Texts that are no part of the answer wherever they stand.
    #[serde(default)]
    pub cut: Vec<String>,
    /// The answer has fewer units than this.
    #[serde(default)]
    pub limit: Option<u32>,
    /// How the answer is drawn, where nobody stronger says.
    #[serde(default)]
    pub sampling: Sampling,
}

/// What a style's template makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StyleInput {
    /// The system text of a chat.
    Chat,
    /// The whole prompt.
    Text,
}

/// The template of a style.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum StyleTemplate {
    /// One for all languages.
    One(String),
    /// One for each.
    Each {
        /// Chinese.
        zh: String,
        /// English.
        en: String,
    },
}

impl StyleTemplate {
    /// The file for a language.
    pub fn file(&self, language: Language) -> &str {
        match (self, language) {
            (Self::One(file), _)
            | (Self::Each { zh: file, .. }, Language::Zh)
            | (Self::Each { en: file, .. }, Language::En) => file,
        }
    }
}
