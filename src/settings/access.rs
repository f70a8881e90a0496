//! `[access]` and `[keys.NAME]`: who may call, and how much.

use std::path::{Path, PathBuf};

use anima_remote::SecretSource;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{SettingsError, secret};

/// `[access]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessSettings {
    /// Lets callers without a key in although there are keys. Without keys everybody is.
    pub anonymous: bool,
    /// Who may read `/metrics`.
    pub metrics: WhoReads,
    /// The header in which a proxy says where a caller is; `None` believes the connection alone.
    pub address_header: Option<String>,
    /// What each address may use that calls without a key.
    pub limits: LimitSettings,
}

/// Who may read what says nothing of anybody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhoReads {
    /// Everybody who can reach the service.
    #[default]
    Open,
    /// Those who have a key of `[keys]` or the admin key.
    Key,
}

/// `[keys.NAME]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySettings {
    /// The variable that holds the key.
    pub key_env: Option<String>,
    /// The file that holds it.
    pub key_file: Option<PathBuf>,
    /// Whose sessions those who have the key see; `None` is the default tenant.
    pub tenant: Option<String>,
    /// What may be used with it.
    #[serde(default)]
    pub limits: LimitSettings,
}

/// What a caller may use; 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Requests in a minute, `WebSockets` that are opened among them.
    pub requests_per_minute: u32,
    /// Turns in a minute, on average.
    pub turns_per_minute: u32,
    /// Turns that may come at once; 0 is as many as in a minute.
    pub burst: u32,
    /// Turns that run at a time.
    pub concurrent_turns: u32,
    /// Turns in a day, which begins at midnight, UTC.
    pub turns_per_day: u64,
    /// Tokens in a day, of prompts and answers. The turn that reaches it is still answered.
    pub tokens_per_day: u64,
}

impl KeySettings {
    /// Fetches the key.
    pub(crate) fn reveal(&self, name: &str, home: &Path) -> Result<SecretString, SettingsError> {
        let at = |part: &str| format!("keys.{name}.{part}");
        let (key, source) = match (&self.key_env, &self.key_file) {
            (Some(variable), None) => (at("key_env"), SecretSource::Variable(variable)),
            (None, Some(path)) => (at("key_file"), SecretSource::File(path)),
            (None, None) => {
                let message = "a key needs key_env or key_file, which say where it is";
                return Err(SettingsError::value(&format!("keys.{name}"), message));
            }
            (Some(_), Some(_)) => {
                return Err(SettingsError::value(&at("key_file"), "there is a key_env already"));
            }
        };
        secret::reveal(source, home).map_err(|message| SettingsError::value(&key, message))
    }
}
