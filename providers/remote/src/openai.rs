//! OpenAI, and every server that speaks like it.

use std::sync::Arc;

use anima_provider::{Capabilities, EventStream, OutputKinds, ProviderError, Request};
use async_openai::config::Config;
use async_trait::async_trait;
use reqwest::{
    Url,
    header::{AUTHORIZATION, HeaderMap, HeaderName},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    CommonSettings, RemoteProvider, Reveal, SetupError, chat, embeddings::EmbeddingServer,
    merge::merge, provider::Dialect, responses::Responses, sampling, scorer::EchoScorer,
    secret::hidden, transport::ChatTransport,
};

/// Where OpenAI itself is.
const OPENAI: &str = "https://api.openai.com/v1";

/// Most stop strings that OpenAI takes.
const MOST_STOPS: usize = 4;

/// The keys of the kind `openai`.
#[derive(Debug, Clone, Deserialize)]
pub struct OpenAiSettings {
    /// What all kinds have.
    #[serde(flatten)]
    pub common: CommonSettings,
    /// The organization that is billed.
    #[serde(default)]
    pub organization: Option<String>,
    /// The project that is billed.
    #[serde(default)]
    pub project: Option<String>,
    /// What the model is asked by. Default: `chat`.
    #[serde(default)]
    pub api: Api,
    /// Where the model is on Azure.
    #[serde(default)]
    pub azure: Option<AzureSettings>,
    /// The model that makes vectors, as the server calls it; on Azure, its deployment. Default: none.
    #[serde(default)]
    pub embedding_model: Option<String>,
    /// How the server calls the limit of an answer. Default: `max_completion_tokens` at OpenAI and
    /// Azure, `max_tokens` elsewhere.
    #[serde(default)]
    pub token_limit: Option<TokenLimit>,
    /// Sends `top_k`, `min_p` and `repetition_penalty` as well, and regular expressions that the
    /// answer has to fit, which OpenAI does not have. Default: false.
    #[serde(default)]
    pub extended_sampling: bool,
    /// Asks for the number of tokens at the end. Default: true.
    #[serde(default = "yes")]
    pub usage: bool,
    /// Everything else, which is a mistake.
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

fn yes() -> bool {
    true
}

/// What a model of OpenAI's is asked by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// Chat completions, which every server has.
    #[default]
    Chat,
    /// Responses, which is OpenAI's own.
    Responses,
}

/// Where a model is on Azure; `base_url` is `https://NAME.openai.azure.com`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AzureSettings {
    /// The name of the deployment.
    pub deployment: String,
    /// The version of the API, such as `2024-10-21`.
    pub api_version: String,
}

/// How a server calls the limit of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenLimit {
    /// What all servers but OpenAI's call it.
    MaxTokens,
    /// What OpenAI calls it now.
    MaxCompletionTokens,
}

impl RemoteProvider {
    /// A model of OpenAI's or of a server that speaks like it. Nothing is sent yet.
    ///
    /// # Errors
    /// When a key of the settings cannot be used.
    pub fn openai(
        name: impl Into<String>,
        settings: OpenAiSettings,
        reveal: Reveal<'_>,
    ) -> Result<Self, SetupError> {
        CommonSettings::refuse_unknown(&settings.unknown)?;
        if settings.api == Api::Responses {
            Responses::check(&settings)?;
        }
        let common = &settings.common;
        let model = match &settings.azure {
            Some(azure) if common.model.is_none() => azure.deployment.clone(),
            _ => match &settings.embedding_model {
                Some(model) if common.model.is_none() => model.clone(),
                _ => common.model()?,
            },
        };
        let target = common.target(OPENAI, reveal)?;
        if target.key.is_none() && common.base_url.is_none() {
            let way_out = "name the variable that holds the key of your account";
            return Err(SetupError::new("api_key_env", way_out));
        }
        if settings.azure.is_some() && common.base_url.is_none() {
            let way_out = "Azure is at an address of your own, https://NAME.openai.azure.com";
            return Err(SetupError::new("base_url", way_out));
        }
        let mut headers = target.headers;
        let mut put = |key: &str, name: HeaderName, value: String| -> Result<(), SetupError> {
            let value = hidden(key, &value)?;
            headers.entry(name).or_insert(value);
            Ok(())
        };
        if let Some(key) = target.key.as_ref().map(ExposeSecret::expose_secret) {
            if settings.azure.is_some() {
                put("api_key_env", HeaderName::from_static("api-key"), key.to_owned())?;
            } else {
                put("api_key_env", AUTHORIZATION, format!("Bearer {key}"))?;
            }
        }
        for (key, name, value) in [
            ("organization", "openai-organization", &settings.organization),
            ("project", "openai-project", &settings.project),
        ] {
            if let Some(value) = value {
                put(key, HeaderName::from_static(name), value.clone())?;
            }
        }
        let embeddings = settings.embedding_model.clone().map(|model| {
            Ok::<_, SetupError>(EmbeddingServer {
                url: embeddings_url(&target.base, settings.azure.as_ref(), &model)?,
                headers: headers.clone(),
                http: target.http.clone(),
                blotter: target.blotter.clone(),
                model,
            })
        });
        let embeddings = embeddings.transpose()?;
        let answers = common.model.is_some() || settings.azure.is_some();
        let server = Server::new(target.base, headers, settings.azure.as_ref());
        // OpenAI itself repeats no prompt; the servers that people run do.
        let echoes = answers && common.base_url.is_some() && settings.azure.is_none();
        let scorer = echoes.then(|| EchoScorer {
            url: server.url("/completions"),
            headers: server.headers(),
            http: target.http.clone(),
            blotter: target.blotter.clone(),
            model: model.clone(),
        });
        let transport = ChatTransport::new(Arc::new(server), target.http, target.blotter);
        let common = common.clone();
        let provider = if settings.api == Api::Responses {
            let dialect = Responses::new(transport, model.clone(), common.clone());
            Self::new(name, model, &common, dialect)?
        } else {
            let dialect = OpenAi { transport, model: model.clone(), settings };
            Self::new(name, model, &common, dialect)?.with_scorer(scorer)
        };
        Ok(match embeddings {
            Some(server) => provider.with_embeddings(server, answers),
            None => provider,
        })
    }
}

/// Where vectors are made; on Azure every model has a path of its own.
fn embeddings_url(
    base: &str,
    azure: Option<&AzureSettings>,
    model: &str,
) -> Result<Url, SetupError> {
    let wrong = |error: &dyn std::fmt::Display| SetupError::new("base_url", error.to_string());
    let path = match azure {
        Some(_) => format!("{base}/openai/deployments/{model}/embeddings"),
        None => format!("{base}/embeddings"),
    };
    let mut url = Url::parse(&path).map_err(|error| wrong(&error))?;
    if let Some(azure) = azure {
        url.query_pairs_mut().append_pair("api-version", &azure.api_version);
    }
    Ok(url)
}

/// Where a server is and what goes with each request, as async-openai wants to be told. Its own
/// configurations read variables and take a key for granted.
pub(crate) struct Server {
    base: String,
    version: Option<String>,
    headers: HeaderMap,
    no_key: SecretString,
}

impl Server {
    pub(crate) fn new(base: String, headers: HeaderMap, azure: Option<&AzureSettings>) -> Self {
        let base = match azure {
            Some(azure) => format!("{base}/openai/deployments/{}", azure.deployment),
            None => base,
        };
        let version = azure.map(|azure| azure.api_version.clone());
        Self { base, version, headers, no_key: SecretString::default() }
    }
}

impl Config for Server {
    fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn query(&self) -> Vec<(&str, &str)> {
        self.version.iter().map(|version| ("api-version", version.as_str())).collect()
    }

    fn api_base(&self) -> &str {
        &self.base
    }

    fn api_key(&self) -> &SecretString {
        // Asked for by neither chat completions nor responses; the key is among the headers.
        &self.no_key
    }
}

/// How OpenAI is asked.
struct OpenAi {
    transport: ChatTransport,
    model: String,
    settings: OpenAiSettings,
}

impl OpenAi {
    fn names(&self) -> Vec<(&'static str, &'static str)> {
        let at_openai = self.settings.common.base_url.is_none() || self.settings.azure.is_some();
        let limit = self.settings.token_limit.unwrap_or(if at_openai {
            TokenLimit::MaxCompletionTokens
        } else {
            TokenLimit::MaxTokens
        });
        let limit = match limit {
            TokenLimit::MaxTokens => "max_tokens",
            TokenLimit::MaxCompletionTokens => "max_completion_tokens",
        };
        let mut names = vec![
            ("temperature", "temperature"),
            ("top_p", "top_p"),
            ("frequency_penalty", "frequency_penalty"),
            ("presence_penalty", "presence_penalty"),
            ("max_tokens", limit),
            ("stop", "stop"),
        ];
        if self.settings.extended_sampling {
            let further = ["top_k", "min_p", "repetition_penalty"];
            names.extend(further.map(|name| (name, name)));
        }
        names
    }
}

#[async_trait]
impl Dialect for OpenAi {
    fn capabilities(&self, common: Capabilities) -> Capabilities {
        // OpenAI itself binds no answer to a regular expression.
        let regex = self.settings.extended_sampling;
        let outputs = OutputKinds { json_object: true, json_schema: true, regex };
        Capabilities { tools: true, outputs, logprobs: true, extra: true, ..common }
    }

    fn body(&self, request: &Request) -> Result<Value, ProviderError> {
        let OpenAiSettings { common, usage, .. } = &self.settings;
        // What we have words for goes over it.
        let mut body = request.extra.clone();
        body.insert("model".to_owned(), json!(self.model));
        body.insert("messages".to_owned(), chat::messages(&request.input, str::to_owned));
        body.insert("stream".to_owned(), json!(true));
        if *usage {
            body.insert("stream_options".to_owned(), json!({ "include_usage": true }));
        }
        let sampling = request.sampling.clone().or(&common.sampling);
        sampling::put(&mut body, &sampling, &common.omit, &self.names(), MOST_STOPS);
        chat::put_tools(&mut body, request);
        chat::put_output(&mut body, &request.output);
        if let Some(most) = request.logprobs {
            body.insert("logprobs".to_owned(), json!(true));
            body.insert("top_logprobs".to_owned(), json!(most));
        }
        merge(&mut body, &common.extra);
        Ok(Value::Object(body))
    }

    async fn open(&self, body: Value) -> Result<EventStream, ProviderError> {
        Ok(self.transport.send(body).await?.into_stream())
    }
}
