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
    /// The provider by whose vectors passages are found, beside their words; `None`: by words alone.
    pub embedder: Option<String>,
    /// A passage that is found by its vector is at least so similar to what was said, from -1.0 to 1.0.
    pub least_similarity: f32,
    /// How long a turn waits for the vector of what was said, in milliseconds.
    pub embed_ms: u64,
    /// Most memory that the vectors of a persona's passages take, in MiB.
    pub vectors_mib: usize,
    /// What stands before what was said when a vector is made of it, as some models want it.
    pub question_prefix: String,
    /// What stands before a passage when a vector is made of it.
    pub passage_prefix: String,
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
            embedder: None,
            least_similarity: 0.45,
            embed_ms: 300,
            vectors_mib: 512,
            question_prefix: String::new(),
            passage_prefix: String::new(),
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
        if !(-1.0..=1.0).contains(&self.least_similarity) {
            let message = "must be from -1.0 to 1.0";
            return Err(SettingsError::value("knowledge.least_similarity", message));
        }
        if !(1..=10_000).contains(&self.embed_ms) {
            return Err(SettingsError::value("knowledge.embed_ms", "must be from 1 to 10000"));
        }
        if !(1..=65_536).contains(&self.vectors_mib) {
            return Err(SettingsError::value("knowledge.vectors_mib", "must be from 1 to 65536"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_named() {
        let base = KnowledgeSettings::default();
        assert!(base.validate().is_ok());
        for (settings, key) in [
            (KnowledgeSettings { least_coverage: 1.5, ..base.clone() }, "least_coverage"),
            (KnowledgeSettings { least_similarity: f32::NAN, ..base.clone() }, "least_similarity"),
            (KnowledgeSettings { passages: 21, ..base.clone() }, "passages"),
            (KnowledgeSettings { embed_ms: 0, ..base.clone() }, "embed_ms"),
            (KnowledgeSettings { vectors_mib: 0, ..base }, "vectors_mib"),
        ] {
            let error = settings.validate().unwrap_err().to_string();
            assert!(error.contains(&format!("knowledge.{key}")), "{error}");
        }
    }
}
