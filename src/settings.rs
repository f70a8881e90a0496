//! The settings tree: `base.toml`, then `<profile>.toml`, then `ANIMA__…` variables.
//!
//! Every key is documented where an operator meets it, in `config/base.toml`. A key that is not
//! known is an error that names its nearest neighbour.

mod access;
mod asking;
mod avatars;
mod check;
mod error;
mod history;
mod knowledge;
mod provider;
pub(crate) mod secret;
mod server;
mod surfaces;
mod telemetry;

use std::{
    collections::BTreeMap,
    iter,
    net::IpAddr,
    path::{Path, PathBuf},
};

use anima_remote::SecretSource;
use config::{Config, Environment, File, FileFormat};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

pub use access::{AccessSettings, KeySettings, LimitSettings, WhoReads};
pub use asking::{AskSettings, BreakerSettings, RetrySettings};
pub use avatars::{
    AvatarSettings, CharacterSettings, FaySettings, LivetalkingSettings, SpeechSettings,
    VtuberSettings,
};
pub use check::{CheckSettings, SameEngine};
pub use error::SettingsError;
pub(crate) use error::{unknown_name, without_values};
pub use history::{HistorySettings, RedisSettings, RedisUrl, StoreKind, WhenUnavailable};
pub use knowledge::{FIXED_ANSWERS, KnowledgeSettings};
pub use provider::ProviderSettings;
pub use secret::hide as hide_secrets;
pub(crate) use secret::reveal as reveal_secret;
pub use server::{ServerSettings, TlsSettings};
pub use surfaces::{ImageSettings, OpenAiSurfaceSettings, PictureSources};
pub use telemetry::{LogFormat, TelemetrySettings};

/// Everything that can be set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where and how the service listens.
    pub server: ServerSettings,
    /// Who may call, and how much.
    #[serde(default)]
    pub access: AccessSettings,
    /// The keys of callers by name.
    #[serde(default)]
    pub keys: BTreeMap<String, KeySettings>,
    /// Where and how long conversations are kept.
    pub history: HistorySettings,
    /// What holds for every session.
    pub session: SessionLimits,
    /// Who answers.
    pub turn: TurnSettings,
    /// Who helps to check what is answered.
    #[serde(default)]
    pub check: CheckSettings,
    /// What the personas know.
    #[serde(default)]
    pub knowledge: KnowledgeSettings,
    /// The providers by name.
    pub providers: BTreeMap<String, ProviderSettings>,
    /// The software of avatars.
    #[serde(default)]
    pub avatars: AvatarSettings,
    /// What the service tells about itself.
    pub telemetry: TelemetrySettings,
    /// Folder that relative paths start from: the one that holds the configuration folder.
    #[serde(skip)]
    pub home: PathBuf,
    /// Where all of this is from.
    #[serde(skip)]
    pub source: SettingsSource,
}

/// Where settings are from.
#[derive(Debug, Clone, Default)]
pub struct SettingsSource {
    /// The folder of the configuration files.
    pub folder: PathBuf,
    /// The profile.
    pub profile: String,
    /// What the command line said.
    pub overrides: Overrides,
}

/// `[session]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionLimits {
    /// Events kept for a client that comes back, in bytes.
    pub log_bytes: usize,
    /// Events kept for a client that comes back, in seconds.
    pub log_seconds: u64,
    /// Seconds without a client or a turn until a session leaves memory (not the store).
    pub idle_seconds: u64,
}

/// `[turn]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TurnSettings {
    /// Folder of templates and personas.
    pub prompts: PathBuf,
    /// The persona, unless the session or the request names another.
    pub persona: String,
    /// The provider, unless the request, the session or the persona names another.
    pub provider: String,
    /// Providers that are asked, in this order, when the chosen one fails before its first sentence.
    pub fallback: Vec<String>,
    /// How long after its beginning a turn may still repeat an attempt, in milliseconds.
    pub first_sentence_ms: u64,
    /// How long a provider may say nothing before the next one is asked beside it, in milliseconds;
    /// 0 asks one at a time.
    pub hedge_ms: u64,
    /// How often attempts are repeated.
    pub retry: RetrySettings,
    /// When a provider is left alone.
    pub breaker: BreakerSettings,
}

/// Settings given on the command line; they are stronger than files and variables.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `server.host`
    pub host: Option<IpAddr>,
    /// `server.port`
    pub port: Option<u16>,
    /// `history.data`
    pub data: Option<PathBuf>,
}

impl Settings {
    /// Reads the settings from `folder` for `profile`, lets variables and `overrides` change them,
    /// and checks the whole.
    ///
    /// # Errors
    /// When a file cannot be read, a key is unknown or missing, or a value is illegal; the message
    /// names the key.
    pub fn load(
        folder: &Path,
        profile: &str,
        overrides: &Overrides,
    ) -> Result<Self, SettingsError> {
        let home = home(folder)?;
        let file =
            |name: &str| File::from(folder.join(name)).format(FileFormat::Toml).required(true);
        let tree = Config::builder()
            .add_source(file("base.toml"))
            .add_source(file(&format!("{profile}.toml")))
            .add_source(
                Environment::with_prefix("ANIMA")
                    .prefix_separator("__")
                    .separator("__")
                    .try_parsing(true),
            )
            .build()?;
        let mut settings: Self = tree.try_deserialize()?;
        settings.home = home;
        settings.source = SettingsSource {
            folder: std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()),
            profile: profile.to_owned(),
            overrides: overrides.clone(),
        };
        settings.apply(overrides);
        settings.history.read_secrets(variable);
        settings.validate()?;
        Ok(settings)
    }

    /// The settings as their files have them now.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn read_again(&self) -> Result<Self, SettingsError> {
        Self::load(&self.source.folder, &self.source.profile, &self.source.overrides)
    }

    /// The providers that are not switched off.
    pub fn enabled_providers(&self) -> impl Iterator<Item = (&String, &ProviderSettings)> {
        self.providers.iter().filter(|(_, provider)| provider.enabled)
    }

    /// The key of those who may call `/admin/…`; `None` lets every caller on this machine.
    ///
    /// # Errors
    /// When there is nothing where it should be.
    pub fn admin_key(&self) -> Result<Option<SecretString>, SettingsError> {
        let server = &self.server;
        let (key, source) = match (&server.admin_key_env, &server.admin_key_file) {
            (None, None) => return Ok(None),
            (Some(name), None) => ("server.admin_key_env", SecretSource::Variable(name)),
            (None, Some(path)) => ("server.admin_key_file", SecretSource::File(path)),
            (Some(_), Some(_)) => {
                let message = "there is server.admin_key_env already";
                return Err(SettingsError::value("server.admin_key_file", message));
            }
        };
        let found = secret::reveal(source, &self.home);
        found.map(Some).map_err(|message| SettingsError::value(key, message))
    }

    /// One of the keys of callers, for a client that has read the same settings; `None` where there are
    /// none.
    ///
    /// # Errors
    /// When it is not where it should be.
    pub fn any_key(&self) -> Result<Option<SecretString>, SettingsError> {
        let first = self.keys.iter().next();
        first.map(|(name, key)| key.reveal(name, &self.home)).transpose()
    }

    /// Whether nobody gets in without a key.
    pub fn asks_for_keys(&self) -> bool {
        !self.keys.is_empty() && !self.access.anonymous
    }

    /// The provider that answers when nobody in particular is asked, by its own name.
    pub fn default_provider(&self) -> &str {
        let wanted = &self.turn.provider;
        let named =
            |(_, provider): &(&String, &ProviderSettings)| provider.aliases.contains(wanted);
        self.enabled_providers().find(named).map_or(wanted, |(name, _)| name)
    }

    /// The path as seen from [`Settings::home`].
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.home.join(path)
    }

    fn apply(&mut self, overrides: &Overrides) {
        if let Some(host) = overrides.host {
            self.server.host = host;
        }
        if let Some(port) = overrides.port {
            self.server.port = port;
        }
        if let Some(data) = &overrides.data {
            // Said on the command line, so it starts from where the command was given.
            self.history.data = std::path::absolute(data).unwrap_or_else(|_| data.clone());
        }
    }

    fn validate(&self) -> Result<(), SettingsError> {
        let refuse =
            |key: &str, message: String| Err(SettingsError::Value { key: key.to_owned(), message });
        let fay = self.avatars.fay.iter().map(|fay| ("avatars.fay.listen", fay.listen.ip()));
        for (key, host) in self.server.hosts().chain(fay) {
            if !host.is_loopback() && !self.server.open && !self.asks_for_keys() {
                let way_out = "can be reached from elsewhere, and callers need no key; add [keys.NAME], or set \
                               server.open = true to allow that";
                return refuse(key, format!("{host} {way_out}"));
            }
        }
        for (key, value) in [
            ("server.max_message_bytes", self.server.max_message_bytes),
            ("server.messages_per_minute", self.server.messages_per_minute as usize),
            ("server.max_connections", self.server.max_connections),
            ("server.max_http_connections", self.server.max_http_connections),
            ("server.max_turns", self.server.max_turns),
            ("session.log_bytes", self.session.log_bytes),
            (
                "session.log_seconds",
                usize::try_from(self.session.log_seconds).unwrap_or(usize::MAX),
            ),
            (
                "session.idle_seconds",
                usize::try_from(self.session.idle_seconds).unwrap_or(usize::MAX),
            ),
        ] {
            if value == 0 {
                return refuse(key, "must be at least 1".to_owned());
            }
        }
        self.server.images.validate()?;
        self.history.validate()?;
        self.avatars.validate()?;
        self.knowledge.validate()?;
        if !(0.0..=1.0).contains(&self.turn.retry.share) {
            return refuse("turn.retry.share", "must be from 0.0 to 1.0".to_owned());
        }
        if self.turn.breaker.max_open_ms < self.turn.breaker.open_ms {
            let message = "must be at least turn.breaker.open_ms".to_owned();
            return refuse("turn.breaker.max_open_ms", message);
        }
        self.telemetry.validate()?;
        let mut names: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, provider) in self.enabled_providers() {
            for known_as in iter::once(name).chain(&provider.aliases) {
                if known_as == FIXED_ANSWERS {
                    let message = format!("the name {known_as} is that of fixed answers");
                    return refuse(&format!("providers.{name}"), message);
                }
                if let Some(other) = names.insert(known_as, name) {
                    return refuse(
                        &format!("providers.{name}"),
                        format!("the name {known_as} already belongs to providers.{other}"),
                    );
                }
            }
        }
        let known = |key: &str, name: &str| {
            if names.contains_key(name) {
                Ok(())
            } else {
                refuse(key, error::unknown_name("provider", name, names.keys().copied()))
            }
        };
        known("turn.provider", &self.turn.provider)?;
        self.check.validate()?;
        self.check.named().try_for_each(|(key, name)| known(key, name))?;
        self.turn.fallback.iter().try_for_each(|name| known("turn.fallback", name))
    }
}

/// The folder that relative paths start from: the one that holds the configuration `folder`.
///
/// # Errors
/// When there is no such configuration folder.
pub fn home(folder: &Path) -> Result<PathBuf, SettingsError> {
    let folder = folder
        .canonicalize()
        .map_err(|source| SettingsError::Folder { folder: folder.to_owned(), source })?;
    Ok(folder.parent().unwrap_or(&folder).to_owned())
}

/// A variable of the environment that the settings name.
#[expect(clippy::disallowed_methods, reason = "the settings are the one place that reads them")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests;
