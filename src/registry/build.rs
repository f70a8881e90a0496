//! Settings in, one provider out. The only file that names concrete ones.

use std::{
    cell::RefCell,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

#[cfg(feature = "local")]
use anima_local::LocalSettings;
use anima_provider::{DirectReply, Playbook, PlaybookProvider, Provider};
use anima_remote::{RemoteProvider, SecretSource, SetupError};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{Entry, RegistryError, health::Health, memory};
use crate::settings::{ProviderSettings, secret, unknown_name, without_values};

/// The kinds of provider there are.
const KINDS: [&str; 6] = [LOCAL, "openai", "gemini", "chatglm", "direct", "scripted"];

/// The kind whose models are loaded into this process, which takes time and memory.
pub(super) const LOCAL: &str = "local";

/// Default of `first_token_ms` for providers on this machine: a prefill on a CPU takes its time.
const LOCAL_FIRST_TOKEN: Duration = Duration::from_mins(1);

/// Default of `first_token_ms` for servers: they answer within seconds or not at all.
pub(super) const REMOTE_FIRST_TOKEN: Duration = Duration::from_secs(8);

/// A provider that is ready, and what it was made of.
#[derive(Clone)]
pub(crate) struct Made {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) health: Arc<Health>,
    origin: Origin,
}

impl Made {
    /// Whether these settings would make the very same provider.
    pub(super) fn is_of(&self, settings: &ProviderSettings) -> bool {
        self.origin.kind == settings.kind
            && self.origin.options == settings.options
            && self.origin.files.iter().all(|(file, content)| *content == content_of(file))
    }

    /// The files that it was made of, beside its model.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.origin.files.iter().map(|(file, _)| file.as_path())
    }

    /// The provider as it was asked when it was made.
    pub(super) fn kept(&self) -> Entry {
        let first_token = usual_first_token(&self.origin.kind);
        Entry {
            provider: Arc::clone(&self.provider),
            first_token,
            health: Arc::clone(&self.health),
        }
    }

    /// The provider with what its settings say of how it is asked.
    pub(super) fn entry(&self, settings: &ProviderSettings) -> Entry {
        let usual = self.kept();
        let first_token = settings.first_token_ms.map(Duration::from_millis);
        Entry { first_token: first_token.unwrap_or(usual.first_token), ..usual }
    }
}

/// How long the first piece of text may take where the settings do not say.
fn usual_first_token(kind: &str) -> Duration {
    match kind {
        "openai" | "gemini" | "chatglm" => REMOTE_FIRST_TOKEN,
        _ => LOCAL_FIRST_TOKEN,
    }
}

/// What a provider is made of; while it stays the same, so does the provider.
#[derive(Clone)]
struct Origin {
    kind: String,
    options: Map<String, Value>,
    /// Files with keys and answers, each with its content in short.
    files: Vec<(PathBuf, u64)>,
}

/// The content of a file in short; an unreadable one is like an empty one.
fn content_of(file: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    fs::read(file).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

/// Makes one provider ready.
///
/// # Errors
/// When its settings cannot be used, or its model cannot be loaded.
pub(super) async fn build(
    name: &str,
    settings: &ProviderSettings,
    home: &Path,
) -> Result<Made, RegistryError> {
    let mut files = Vec::new();
    let provider = match settings.kind.as_str() {
        LOCAL => {
            memory::check(settings, home).map_err(|error| RegistryError::Load {
                name: name.to_owned(),
                source: error.into(),
            })?;
            load_local(name, settings, home, &mut files).await?
        }
        _ => light(name, settings, home, &mut files)?,
    };
    Ok(made(name, settings, provider, files))
}

/// Makes a provider ready that loads no model, which takes no time.
///
/// # Errors
/// When its settings cannot be used.
pub(super) fn build_light(
    name: &str,
    settings: &ProviderSettings,
    home: &Path,
) -> Result<Made, RegistryError> {
    let mut files = Vec::new();
    let provider = light(name, settings, home, &mut files)?;
    Ok(made(name, settings, provider, files))
}

fn made(
    name: &str,
    settings: &ProviderSettings,
    provider: Arc<dyn Provider>,
    files: Vec<(PathBuf, u64)>,
) -> Made {
    let model = settings.options.get("model").and_then(Value::as_str).map(str::to_owned);
    let origin = Origin { kind: settings.kind.clone(), options: settings.options.clone(), files };
    let health = Arc::new(Health::new(name, &settings.kind, model));
    Made { provider, health, origin }
}

fn light(
    name: &str,
    settings: &ProviderSettings,
    home: &Path,
    files: &mut Vec<(PathBuf, u64)>,
) -> Result<Arc<dyn Provider>, RegistryError> {
    // A file counts as what it was before it was read: one that changes meanwhile is read again.
    let read = RefCell::new(Vec::new());
    let note = |file: PathBuf| {
        let content = content_of(&file);
        read.borrow_mut().push((file, content));
    };
    let reveal = |source: SecretSource<'_>| {
        if let SecretSource::File(path) = source {
            note(home.join(path));
        }
        secret::reveal(source, home)
    };
    let provider: Arc<dyn Provider> = match settings.kind.as_str() {
        "openai" => remote(name, RemoteProvider::openai(name, options(name, settings)?, &reveal))?,
        "gemini" => remote(name, RemoteProvider::gemini(name, options(name, settings)?, &reveal))?,
        "chatglm" => {
            remote(name, RemoteProvider::chatglm(name, options(name, settings)?, &reveal))?
        }
        "direct" => {
            let NoOptions {} = options(name, settings)?;
            Arc::new(DirectReply::new(name))
        }
        "scripted" => {
            let ScriptedOptions { file } = options(name, settings)?;
            let file = home.join(file);
            note(file.clone());
            Arc::new(PlaybookProvider::new(name, playbook(name, &file)?))
        }
        other => {
            return Err(wrong_kind(
                name,
                unknown_name("kind of provider", other, KINDS.into_iter()),
            ));
        }
    };
    files.extend(read.into_inner());
    Ok(provider)
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
        message: without_values(&error.to_string()),
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

/// What is written about a local model, with paths that start from `home`.
#[cfg(feature = "local")]
fn local_settings(
    name: &str,
    settings: &ProviderSettings,
    home: &Path,
) -> Result<LocalSettings, RegistryError> {
    let mut local: LocalSettings = options(name, settings)?;
    local.model = home.join(&local.model);
    local.chat_template = local.chat_template.map(|path| home.join(path));
    Ok(local)
}

/// Looks whether the settings of a local model can be used, without loading it.
///
/// # Errors
/// When they cannot, or there is no such model.
pub(super) fn vet_local(
    name: &str,
    settings: &ProviderSettings,
    home: &Path,
) -> Result<(), RegistryError> {
    #[cfg(feature = "local")]
    {
        let model = local_settings(name, settings, home)?.model;
        if model.exists() {
            return Ok(());
        }
        let message = format!("model: there is no {}", model.display());
        Err(RegistryError::Options { name: name.to_owned(), message })
    }
    #[cfg(not(feature = "local"))]
    {
        let _ = (settings, home);
        Err(no_engine(name))
    }
}

/// Loads a local model.
#[cfg(feature = "local")]
async fn load_local(
    name: &str,
    settings: &ProviderSettings,
    home: &Path,
    files: &mut Vec<(PathBuf, u64)>,
) -> Result<Arc<dyn Provider>, RegistryError> {
    let local = local_settings(name, settings, home)?;
    files.extend(local.chat_template.iter().map(|file| (file.clone(), content_of(file))));
    anima_local::load(name, local)
        .await
        .map_err(|error| RegistryError::Load { name: name.to_owned(), source: Box::new(error) })
}

#[cfg(not(feature = "local"))]
#[expect(clippy::unused_async, reason = "its twin with the engine waits for the model")]
async fn load_local(
    name: &str,
    _: &ProviderSettings,
    _: &Path,
    _: &mut Vec<(PathBuf, u64)>,
) -> Result<Arc<dyn Provider>, RegistryError> {
    Err(no_engine(name))
}

#[cfg(not(feature = "local"))]
fn no_engine(name: &str) -> RegistryError {
    let message = "this build has no local engine; build with the feature `local`";
    wrong_kind(name, message.to_owned())
}
