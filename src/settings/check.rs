//! `[check]`: who helps to check what is answered, and how long sentences wait for that.

use serde::{Deserialize, Serialize};

use super::SettingsError;

/// `[check]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckSettings {
    /// The provider that judges what the comparison of words leaves open; `None`: nobody does.
    pub judge: Option<String>,
    /// The provider that mends sentences that are not borne out; `None`: nobody does.
    pub repair: Option<String>,
    /// How long a sentence may wait, and a call take, in milliseconds.
    pub deadline_ms: u64,
    /// How long the first sentence of a turn may wait, in milliseconds.
    pub hold_first_ms: u64,
    /// How many further answers are asked for where nothing is known; 0 asks for none.
    pub samples: u32,
    /// The provider that gives them; `None`: the one that answers.
    pub samples_from: Option<String>,
    /// Whether the local engine that answers may judge and repair, too.
    pub same_engine: SameEngine,
}

/// Whether one local engine may answer and help to check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SameEngine {
    /// It is not asked: it serves one after the other, and other turns would wait.
    #[default]
    Refuse,
    /// It is asked all the same.
    Allow,
}

impl Default for CheckSettings {
    fn default() -> Self {
        Self {
            judge: None,
            repair: None,
            deadline_ms: 2_500,
            hold_first_ms: 800,
            samples: 0,
            samples_from: None,
            same_engine: SameEngine::Refuse,
        }
    }
}

impl CheckSettings {
    /// The providers that are named, with their keys.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let named = [
            ("check.judge", &self.judge),
            ("check.repair", &self.repair),
            ("check.samples_from", &self.samples_from),
        ];
        named.into_iter().filter_map(|(key, name)| Some((key, name.as_deref()?)))
    }

    pub(super) fn validate(&self) -> Result<(), SettingsError> {
        if !(50..=60_000).contains(&self.deadline_ms) {
            return Err(SettingsError::value("check.deadline_ms", "must be from 50 to 60000"));
        }
        if self.hold_first_ms > self.deadline_ms {
            let message = "must be at most check.deadline_ms";
            return Err(SettingsError::value("check.hold_first_ms", message));
        }
        if self.samples != 0 && !(3..=5).contains(&self.samples) {
            return Err(SettingsError::value("check.samples", "must be 0, or from 3 to 5"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_named() {
        let base = CheckSettings::default();
        assert!(base.validate().is_ok());
        for (settings, key) in [
            (CheckSettings { deadline_ms: 10, hold_first_ms: 0, ..base.clone() }, "deadline_ms"),
            (CheckSettings { hold_first_ms: 9_000, ..base.clone() }, "hold_first_ms"),
            (CheckSettings { samples: 2, ..base.clone() }, "samples"),
            (CheckSettings { samples: 6, ..base }, "samples"),
        ] {
            let error = settings.validate().unwrap_err().to_string();
            assert!(error.contains(&format!("check.{key}")), "{error}");
        }
    }
}
