//! What the surfaces of other servers' APIs do that is a matter of choice.

use serde::{Deserialize, Serialize};

use super::SettingsError;

/// `[server.images]`: pictures that callers name by their address.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSettings {
    /// Where they are fetched from.
    pub fetch: PictureSources,
    /// Hosts that are fetched from although their addresses are not public.
    pub trusted: Vec<String>,
    /// Most bytes of the pictures of one call.
    pub max_bytes: usize,
    /// How long the pictures of a call may take together, redirections included, in milliseconds.
    pub timeout_ms: u64,
}

/// Where pictures are fetched from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PictureSources {
    /// From nowhere.
    Off,
    /// From public addresses, by TLS.
    Https,
    /// From public addresses, by TLS or without.
    Http,
}

impl ImageSettings {
    /// Whether a host's addresses are not looked at.
    pub fn trusts(&self, host: &str) -> bool {
        self.trusted.iter().any(|trusted| trusted.eq_ignore_ascii_case(host))
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// The first key that is out of its range.
    pub(super) fn validate(&self) -> Result<(), SettingsError> {
        if self.max_bytes == 0 {
            return Err(SettingsError::value("server.images.max_bytes", "must be at least 1"));
        }
        if !(1..=60_000).contains(&self.timeout_ms) {
            let message = "must be from 1 to 60000";
            return Err(SettingsError::value("server.images.timeout_ms", message));
        }
        Ok(())
    }
}

/// `[server.openai]`: what callers of `OpenAI`'s API get.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenAiSurfaceSettings {
    /// `choices` of a chat completion holds the whole conversation, the answer last, as the demo of
    /// Chinese-LLaMA-Alpaca-3 gives it.
    pub whole_conversation: bool,
}
