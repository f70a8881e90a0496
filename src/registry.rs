//! The providers by name, as one configuration has them. `registry/build.rs` makes them of settings;
//! `registry/pool.rs` makes the next registry of a changed configuration.

mod build;
mod examine;
pub mod health;
mod memory;
mod pool;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anima_provider::{BoxError, Provider};
use thiserror::Error;

use crate::{
    settings::{Settings, unknown_name},
    turn::{TurnError, TurnErrorCode},
};
use health::Health;

pub use examine::{Examined, examine};
pub use pool::{Coming, Phase};
pub(crate) use pool::{Difference, Pool, load, retire};

/// Why a provider of the configuration cannot be used.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// No such kind, or none in this build.
    #[error("providers.{name}.kind: {message}")]
    Kind {
        /// The provider.
        name: String,
        /// What is wrong and what is legal.
        message: String,
    },
    /// A key of the provider is wrong.
    #[error("providers.{name}: {message}")]
    Options {
        /// The provider.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// It cannot be made ready.
    #[error("providers.{name} cannot be made ready")]
    Load {
        /// The provider.
        name: String,
        /// Why.
        source: BoxError,
    },
}

/// The providers, and who answers when nobody in particular is asked.
pub struct Registry {
    entries: BTreeMap<String, Entry>,
    aliases: BTreeMap<String, String>,
    default: String,
    fallback: Vec<String>,
    /// Those whose models are not there yet.
    coming: BTreeMap<String, Arc<Coming>>,
}

/// A provider and what its configuration says of it.
#[derive(Clone)]
pub struct Entry {
    /// The provider.
    pub provider: Arc<dyn Provider>,
    /// How long its first piece of text may take once it works on a request.
    pub first_token: Duration,
    /// How it is doing.
    pub health: Arc<Health>,
}

impl Registry {
    /// Makes every provider of the settings ready; local models are loaded here.
    ///
    /// # Errors
    /// The first provider that cannot be used, and why.
    pub async fn load(settings: &Settings) -> Result<Self, RegistryError> {
        let mut pool = Pool::fill(settings).await?;
        let default = settings.default_provider();
        Ok(pool.registry(&Pool::default(), settings, default, default))
    }

    /// A registry of ready providers; the first is the default and the others, in their order, are
    /// the fallback.
    pub fn of(
        providers: impl IntoIterator<Item = Arc<dyn Provider>>,
        first_token: Duration,
    ) -> Self {
        let (mut entries, mut order) = (BTreeMap::new(), Vec::new());
        for provider in providers {
            let name = provider.name().to_owned();
            order.push(name.clone());
            let health = Arc::new(Health::new(&name, "scripted", None));
            entries.insert(name, Entry { provider, first_token, health });
        }
        let default = if order.is_empty() { String::new() } else { order.remove(0) };
        let (aliases, coming) = (BTreeMap::new(), BTreeMap::new());
        Self { entries, aliases, default, fallback: order, coming }
    }

    /// Those who may answer, the one to ask first in front. `wanted` is a name or an alias.
    ///
    /// # Errors
    /// When the wanted provider is not there.
    pub fn pick(&self, wanted: Option<&str>) -> Result<Vec<Entry>, TurnError> {
        let first = self.resolve(wanted.unwrap_or(&self.default))?;
        let rest = self.fallback.iter().filter_map(|name| self.resolve(name).ok());
        let rest = rest.filter(|name| *name != first);
        Ok(std::iter::once(first)
            .chain(rest)
            .filter_map(|name| self.entries.get(name))
            .cloned()
            .collect())
    }

    /// The configured name behind a name or an alias.
    ///
    /// # Errors
    /// When there is none; the message names the nearest.
    pub fn resolve<'a>(&'a self, wanted: &str) -> Result<&'a str, TurnError> {
        let name = self.aliases.get(wanted).map_or(wanted, String::as_str);
        match (self.entries.get_key_value(name), self.coming.get(name)) {
            (Some((name, _)), _) => Ok(name),
            (None, Some(coming)) => Err(not_there_yet(coming)),
            (None, None) => {
                let known = self.names().chain(self.aliases.keys().map(String::as_str));
                Err(TurnError::new(
                    TurnErrorCode::NotFound,
                    unknown_name("provider", wanted, known.collect::<Vec<_>>().into_iter()),
                ))
            }
        }
    }

    /// Whether this is the name of a provider or an alias, be it there already or coming.
    pub fn knows(&self, name: &str) -> bool {
        let name = self.aliases.get(name).map_or(name, String::as_str);
        self.entries.contains_key(name) || self.coming.contains_key(name)
    }

    /// The providers whose models are not there yet, by name.
    pub fn coming(&self) -> impl Iterator<Item = &Coming> {
        self.coming.values().map(Arc::as_ref)
    }

    /// Every provider, by name.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The name of the default provider.
    pub fn default_name(&self) -> &str {
        &self.default
    }

    /// Every other name of a provider, and the provider's own.
    pub fn aliases(&self) -> impl Iterator<Item = (&str, &str)> {
        self.aliases.iter().map(|(alias, name)| (alias.as_str(), name.as_str()))
    }

    /// Every provider's name.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.entries.keys().map(String::as_str)
    }
}

/// How long to stay away from a provider whose model is being loaded, in milliseconds.
const LOADING_MS: u64 = 2000;

/// Why nobody can be answered by a provider whose model is not there yet.
fn not_there_yet(coming: &Coming) -> TurnError {
    let name = &coming.name;
    let (message, wait) = match coming.phase() {
        // Why stands in the log and in `anima providers`; it may name folders of this machine.
        Phase::Failed { .. } => (format!("the model of {name} could not be loaded"), None),
        _ => (format!("the model of {name} is being loaded"), Some(LOADING_MS)),
    };
    let error = TurnError::new(TurnErrorCode::ProviderUnavailable, message);
    TurnError { retry_after_ms: wait, ..error }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::{build::REMOTE_FIRST_TOKEN, *};
    use crate::settings::Overrides;

    /// The shipped settings with `options` as their only provider.
    fn settings(options: Value) -> Settings {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let mut settings = Settings::load(&config, "local", &Overrides::default()).unwrap();
        let provider = serde_json::from_value(options).unwrap();
        settings.providers = BTreeMap::from([("far".to_owned(), provider)]);
        "far".clone_into(&mut settings.turn.provider);
        settings
    }

    #[tokio::test]
    async fn models_on_servers_are_made_of_settings_and_have_a_shorter_deadline() {
        for kind in ["openai", "gemini", "chatglm"] {
            let options = json!({ "kind": kind, "model": "m", "base_url": "http://127.0.0.1:1" });
            let registry = Registry::load(&settings(options)).await.unwrap();
            let first = &registry.pick(None).unwrap()[0];
            assert_eq!((first.provider.name(), first.first_token), ("far", REMOTE_FIRST_TOKEN));
            let options = json!({ "kind": kind, "model": "m", "base_url": "http://127.0.0.1:1",
                "first_token_ms": 5 });
            let registry = Registry::load(&settings(options)).await.unwrap();
            assert_eq!(registry.pick(None).unwrap()[0].first_token, Duration::from_millis(5));
        }
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_provider_is_said_with_its_key() {
        for (options, message) in [
            (json!({ "kind": "openia" }), "did you mean `openai`"),
            (
                json!({ "kind": "openai", "model": "m" }),
                "providers.far: api_key_env: name the variable",
            ),
            (
                json!({ "kind": "gemini", "model": "m", "api_key_env": "NO_SUCH_VARIABLE" }),
                "providers.far: api_key_env: the variable NO_SUCH_VARIABLE is not set",
            ),
            (json!({ "kind": "chatglm", "model": "m", "api_key": "x" }), "providers.far: api_key"),
        ] {
            let error = Registry::load(&settings(options)).await.err().unwrap().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
