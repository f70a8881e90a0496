//! What an operator writes about any remote provider.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use anima_provider::{Capabilities, Sampling};
use reqwest::{
    Url,
    header::{HeaderMap, HeaderName},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::{
    gate::Gate,
    secret::{Blotter, HeaderSource, Reveal, SecretSource, hidden},
    wire,
};

/// A key of a remote provider that cannot be used. Holds no secret.
#[derive(Debug, Error)]
#[error("{key}: {message}")]
pub struct SetupError {
    key: String,
    message: String,
}

impl SetupError {
    pub(crate) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }
}

/// The keys that every kind of remote provider has.
#[derive(Debug, Clone, Deserialize)]
pub struct CommonSettings {
    /// The model, as the server calls it.
    #[serde(default)]
    pub model: Option<String>,
    /// Where the server is; default: the provider's own service.
    #[serde(default)]
    pub base_url: Option<SecretString>,
    /// The variable that holds the key.
    #[serde(default)]
    pub api_key_env: Option<String>,
    /// The file that holds the key.
    #[serde(default)]
    pub api_key_file: Option<PathBuf>,
    /// Further headers of every request.
    #[serde(default, deserialize_with = "headers")]
    pub headers: BTreeMap<String, HeaderSource>,
    /// The proxy to go through; `environment` takes it from `HTTPS_PROXY` and its like. Default: none.
    #[serde(default)]
    pub proxy: Option<SecretString>,
    /// How long connecting may take, in milliseconds. Default: 2000.
    #[serde(default = "default_connect_ms")]
    pub connect_ms: u64,
    /// Whether the model looks at pictures. Default: false.
    #[serde(default)]
    pub images: bool,
    /// Tokens of prompt and answer together, where it is known.
    #[serde(default)]
    pub context_length: Option<usize>,
    /// Most answers at a time. Default: 64.
    #[serde(default = "default_concurrent")]
    pub max_concurrent: usize,
    /// Requests that may wait; one more is refused. Default: 256.
    #[serde(default = "default_queue")]
    pub queue: usize,
    /// How answers are drawn where a request does not say.
    #[serde(default)]
    pub sampling: Sampling,
    /// Names of sampling fields that are never sent.
    #[serde(default)]
    pub omit: BTreeSet<String>,
    /// What is added to the body of every request, over everything that is there.
    #[serde(default)]
    pub extra: Map<String, Value>,
}

/// By hand: what serde says of something that is no table repeats it.
fn headers<'de, D>(deserializer: D) -> Result<BTreeMap<String, HeaderSource>, D::Error>
where
    D: Deserializer<'de>,
{
    let Value::Object(table) = Value::deserialize(deserializer)? else {
        return Err(D::Error::custom("headers is a table of names and values"));
    };
    let source =
        |(name, value)| Ok((name, serde_json::from_value(value).map_err(D::Error::custom)?));
    table.into_iter().map(source).collect()
}

fn default_connect_ms() -> u64 {
    2000
}

fn default_concurrent() -> usize {
    64
}

fn default_queue() -> usize {
    256
}

/// The names that `omit` may hold.
const FIELDS: [&str; 9] = [
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "frequency_penalty",
    "presence_penalty",
    "max_tokens",
    "stop",
];

/// Parts of a body that `extra` must leave alone.
const OURS: [&str; 6] = ["messages", "contents", "input", "instructions", "stream", "model"];

/// Where requests go and what goes with each of them.
pub(crate) struct Target {
    /// Without a slash at its end.
    pub(crate) base: String,
    pub(crate) key: Option<SecretString>,
    pub(crate) headers: HeaderMap,
    pub(crate) http: reqwest::Client,
    pub(crate) blotter: Blotter,
}

impl CommonSettings {
    /// Refuses keys that neither the kind nor [`CommonSettings`] has.
    pub(crate) fn refuse_unknown(unknown: &Map<String, Value>) -> Result<(), SetupError> {
        match unknown.keys().next() {
            Some(key) if key == "api_key" => {
                let way_out = "keep the key in a variable and name that in api_key_env";
                Err(SetupError::new(key, way_out))
            }
            Some(key) => Err(SetupError::new(key, "there is no such key; see docs/providers.md")),
            None => Ok(()),
        }
    }

    /// Checks everything that needs no server.
    pub(crate) fn validate(&self) -> Result<(), SetupError> {
        if let Err((key, legal)) = self.sampling.validate() {
            return Err(SetupError::new(format!("sampling.{key}"), format!("must be {legal}")));
        }
        for (key, value) in [("max_concurrent", self.max_concurrent), ("queue", self.queue)] {
            if value == 0 {
                return Err(SetupError::new(key, "must be at least 1"));
            }
        }
        if let Some(name) = self.omit.iter().find(|name| !FIELDS.contains(&name.as_str())) {
            let known = FIELDS.join(", ");
            return Err(SetupError::new("omit", format!("{name} is none of {known}")));
        }
        if let Some(key) = OURS.iter().find(|key| self.extra.contains_key(**key)) {
            return Err(SetupError::new(format!("extra.{key}"), "is ours to fill in"));
        }
        Ok(())
    }

    /// The model, which has to be named.
    pub(crate) fn model(&self) -> Result<String, SetupError> {
        match &self.model {
            Some(model) if !model.trim().is_empty() => Ok(model.clone()),
            _ => Err(SetupError::new("model", "name the model, as the server calls it")),
        }
    }

    /// What a provider with these settings takes.
    pub(crate) fn capabilities(&self) -> Capabilities {
        Capabilities {
            chat: true,
            images: self.images,
            context_length: self.context_length,
            ..Capabilities::default()
        }
    }

    /// The queue before the server.
    pub(crate) fn gate(&self) -> Gate {
        Gate::new(self.max_concurrent, self.queue)
    }

    /// Fetches the secrets and prepares the connection. `default_base` is the provider's own service.
    pub(crate) fn target(
        &self,
        default_base: &str,
        reveal: Reveal<'_>,
    ) -> Result<Target, SetupError> {
        let base = self.base(default_base)?;
        let key = self.key(reveal)?;
        let mut blotter = Blotter::default();
        if let Some(key) = &key {
            blotter.add(key);
        }
        let mut headers = HeaderMap::new();
        for (name, source) in &self.headers {
            let value = source.reveal(name, reveal)?;
            blotter.add(&value);
            let key = format!("headers.{name}");
            let name = HeaderName::try_from(name)
                .map_err(|_| SetupError::new(&key, "is no name of a header"))?;
            headers.insert(name, hidden(&key, value.expose_secret())?);
        }
        let http = wire::client(Duration::from_millis(self.connect_ms), self.proxy.as_ref())?;
        Ok(Target { base, key, headers, http, blotter })
    }

    fn base(&self, default: &str) -> Result<String, SetupError> {
        let written = self.base_url.as_ref().map(ExposeSecret::expose_secret);
        let wrong = |message: &str| Err(SetupError::new("base_url", message));
        // The address itself is not repeated: it is where secrets end up by mistake.
        let Ok(url) = Url::parse(written.unwrap_or(default)) else {
            return wrong("is no address such as \"http://127.0.0.1:8000/v1\"");
        };
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return wrong("must begin with http:// or https://");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return wrong("holds a name or password; use api_key_env or headers");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return wrong("holds a query; use api_key_env, headers or azure.api_version");
        }
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }

    fn key(&self, reveal: Reveal<'_>) -> Result<Option<SecretString>, SetupError> {
        let (key, source) = match (&self.api_key_env, &self.api_key_file) {
            (None, None) => return Ok(None),
            (Some(name), None) => ("api_key_env", SecretSource::Variable(name)),
            (None, Some(path)) => ("api_key_file", SecretSource::File(path)),
            (Some(_), Some(_)) => {
                return Err(SetupError::new("api_key_file", "there is api_key_env already"));
            }
        };
        reveal(source).map(Some).map_err(|message| SetupError::new(key, message))
    }
}
