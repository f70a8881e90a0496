//! The providers by name: settings in, providers out. The only file that names concrete ones.

pub mod health;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

#[cfg(feature = "local")]
use anima_local::{LocalProvider, LocalSettings};
use anima_provider::{BoxError, DirectReply, Playbook, PlaybookProvider, Provider};
use anima_remote::{RemoteProvider, SecretSource, SetupError};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use thiserror::Error;

use crate::{
    settings::{ProviderSettings, Settings, secret, unknown_name},
    turn::{TurnError, TurnErrorCode},
};
use health::Health;

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

/// Default of `first_token_ms` for providers on this machine: a prefill on a CPU takes its time.
const LOCAL_FIRST_TOKEN: Duration = Duration::from_mins(1);

/// Default of `first_token_ms` for servers: they answer within seconds or not at all.
const REMOTE_FIRST_TOKEN: Duration = Duration::from_secs(8);

impl Registry {
    /// Makes every provider of the settings ready; local models are loaded here.
    ///
    /// # Errors
    /// The first provider that cannot be used, and why.
    pub async fn load(settings: &Settings) -> Result<Self, RegistryError> {
        let mut entries = BTreeMap::new();
        let mut aliases = BTreeMap::new();
        for (name, provider) in settings.enabled_providers() {
            entries.insert(name.clone(), build(name, provider, &settings.home).await?);
            aliases.extend(provider.aliases.iter().map(|alias| (alias.clone(), name.clone())));
        }
        let default = aliases.get(&settings.turn.provider).unwrap_or(&settings.turn.provider);
        Ok(Self {
            default: default.clone(),
            entries,
            aliases,
            fallback: settings.turn.fallback.clone(),
        })
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
        Self { entries, aliases: BTreeMap::new(), default, fallback: order }
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
        self.entries.get_key_value(name).map(|(name, _)| name.as_str()).ok_or_else(|| {
            let known = self.names().chain(self.aliases.keys().map(String::as_str));
            TurnError::new(
                TurnErrorCode::NotFound,
                unknown_name("provider", wanted, known.collect::<Vec<_>>().into_iter()),
            )
        })
    }

    /// Every provider, by name.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The name of the default provider.
    pub fn default_name(&self) -> &str {
        &self.default
    }

    /// Every provider's name.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.entries.keys().map(String::as_str)
    }
}

/// The kinds of provider there are.
const KINDS: [&str; 6] = ["local", "openai", "gemini", "chatglm", "direct", "scripted"];

/// Makes one provider ready.
async fn build(
    name: &str,
    settings: &ProviderSettings,
    home: &Path,
) -> Result<Entry, RegistryError> {
    let mut first_token = LOCAL_FIRST_TOKEN;
    let reveal = |source: SecretSource<'_>| secret::reveal(source, home);
    let provider = match settings.kind.as_str() {
        "local" => load_local(name, settings, home).await?,
        "openai" => {
            first_token = REMOTE_FIRST_TOKEN;
            remote(name, RemoteProvider::openai(name, options(name, settings)?, &reveal))?
        }
        "gemini" => {
            first_token = REMOTE_FIRST_TOKEN;
            remote(name, RemoteProvider::gemini(name, options(name, settings)?, &reveal))?
        }
        "chatglm" => {
            first_token = REMOTE_FIRST_TOKEN;
            remote(name, RemoteProvider::chatglm(name, options(name, settings)?, &reveal))?
        }
        "direct" => {
            let NoOptions {} = options(name, settings)?;
            Arc::new(DirectReply::new(name))
        }
        "scripted" => {
            let ScriptedOptions { file } = options(name, settings)?;
            Arc::new(PlaybookProvider::new(name, playbook(name, &home.join(file))?))
        }
        other => {
            return Err(wrong_kind(
                name,
                unknown_name("kind of provider", other, KINDS.into_iter()),
            ));
        }
    };
    let first_token = settings.first_token_ms.map_or(first_token, Duration::from_millis);
    let model = settings.options.get("model").and_then(Value::as_str).map(str::to_owned);
    let health = Arc::new(Health::new(name, &settings.kind, model));
    Ok(Entry { provider, first_token, health })
}

/// The keys of a kind that has none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoOptions {}

/// The keys of the kind `scripted`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptedOptions {
    /// A playbook in TOML.
    file: PathBuf,
}

/// The keys that belong to the provider's kind.
fn options<T: DeserializeOwned>(
    name: &str,
    settings: &ProviderSettings,
) -> Result<T, RegistryError> {
    let options = Value::Object(settings.options.clone());
    serde_json::from_value(options).map_err(|error| RegistryError::Options {
        name: name.to_owned(),
        message: error.to_string(),
    })
}

fn remote(
    name: &str,
    made: Result<RemoteProvider, SetupError>,
) -> Result<Arc<dyn Provider>, RegistryError> {
    match made {
        Ok(provider) => Ok(Arc::new(provider)),
        Err(error) => {
            Err(RegistryError::Options { name: name.to_owned(), message: error.to_string() })
        }
    }
}

fn playbook(name: &str, file: &Path) -> Result<Playbook, RegistryError> {
    let wrong = |why: String| RegistryError::Options {
        name: name.to_owned(),
        message: format!("the playbook {} cannot be used: {why}", file.display()),
    };
    let text = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))
}

fn wrong_kind(name: &str, message: String) -> RegistryError {
    RegistryError::Kind { name: name.to_owned(), message }
}

/// Loads a local model.
#[cfg(feature = "local")]
async fn load_local(
    name: &str,
    settings: &ProviderSettings,
    home: &Path,
) -> Result<Arc<dyn Provider>, RegistryError> {
    let mut local: LocalSettings = options(name, settings)?;
    local.model = home.join(&local.model);
    local.chat_template = local.chat_template.map(|path| home.join(path));
    let provider = LocalProvider::load(name, local)
        .await
        .map_err(|error| RegistryError::Load { name: name.to_owned(), source: Box::new(error) })?;
    Ok(Arc::new(provider))
}

#[cfg(not(feature = "local"))]
#[expect(clippy::unused_async, reason = "its twin with the engine waits for the model")]
async fn load_local(
    name: &str,
    _: &ProviderSettings,
    _: &Path,
) -> Result<Arc<dyn Provider>, RegistryError> {
    Err(wrong_kind(
        name,
        "this build has no local engine; build with the feature `local`".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
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
