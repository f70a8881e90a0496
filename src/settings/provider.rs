//! `[providers.NAME]`: who answers.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `[providers.NAME]`: what all kinds have; the rest belongs to the kind.
#[derive(Clone, Serialize, Deserialize)]
pub struct ProviderSettings {
    /// The kind of provider.
    pub kind: String,
    /// Whether it is there at all: a profile cannot take out what `base.toml` has put in, but it can
    /// switch it off.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Other names that callers use for it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// How long the first piece of text may take once the provider works on the request, in
    /// milliseconds; `None` means the default of its kind.
    #[serde(default)]
    pub first_token_ms: Option<u64>,
    /// The keys of its kind.
    #[serde(flatten)]
    pub options: Map<String, Value>,
}

fn yes() -> bool {
    true
}

impl fmt::Debug for ProviderSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values of its kind's keys may be secrets, such as those of headers.
        formatter
            .debug_struct("ProviderSettings")
            .field("kind", &self.kind)
            .field("enabled", &self.enabled)
            .field("aliases", &self.aliases)
            .field("first_token_ms", &self.first_token_ms)
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .finish()
    }
}
