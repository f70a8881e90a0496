//! `[knowledge]`

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::SettingsError;

/// The name of fixed answers, where that of a provider would stand; no provider may have it.
pub const FIXED_ANSWERS: &str = "knowledge";

/// `[knowledge]`: what is made of the folders that personas name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KnowledgeSettings {
    /// Whether personas use their knowledge at all.
    pub enabled: bool,
    /// Folder of the indexes; a relative path starts from `history.data`.
    pub index: PathBuf,
    /// Most passages that a prompt is given.
    pub passages: usize,
    /// Most characters of these passages together.
    pub characters: usize,
    /// A passage has at least this share of what was said, by the weight of its words, from 0.0 to 1.0.
    pub least_coverage: f32,
    /// A listed question answers directly when it is at least so much like what was said, from 0.0 to
    /// 1.0.
    pub least_likeness: f32,
}

impl Default for KnowledgeSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            index: "knowledge".into(),
            passages: 3,
            characters: 900,
            least_coverage: 0.2,
            least_likeness: 0.75,
        }
    }
}

impl KnowledgeSettings {
    /// # Errors
    /// When a value is out of its range.
    pub(super) fn validate(&self) -> Result<(), SettingsError> {
        let shares = [
            ("knowledge.least_coverage", self.least_coverage),
            ("knowledge.least_likeness", self.least_likeness),
        ];
        for (key, share) in shares {
            if !(0.0..=1.0).contains(&share) {
                return Err(SettingsError::value(key, "must be from 0.0 to 1.0"));
            }
        }
        if self.passages > 20 {
            return Err(SettingsError::value("knowledge.passages", "must be at most 20"));
        }
        Ok(())
    }
}
