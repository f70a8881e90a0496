//! Zhipu's ChatGLM: its open platform, and the server that comes with ChatGLM3-6B.

mod token;

use std::sync::Arc;

use anima_provider::{
    Capabilities, EventStream, OutputKinds, ProviderError, Request, Sampling, ToolChoice,
};
use async_openai::config::Config;
use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    CommonSettings, RemoteProvider, Reveal, SetupError, chat, merge::merge, openai::Server,
    provider::Dialect, sampling, secret::hidden, transport::ChatTransport,
};
use token::TokenMaker;

/// Where the platform is.
const ZHIPU: &str = "https://open.bigmodel.cn/api/paas/v4";

/// Most stop strings that the platform takes.
const MOST_STOPS: usize = 1;

/// The sampling fields that it has.
const NAMES: [(&str, &str); 4] = [
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("max_tokens", "max_tokens"),
    ("stop", "stop"),
];

/// The keys of the kind `chatglm`.
#[derive(Debug, Clone, Deserialize)]
pub struct ChatGlmSettings {
    /// What all kinds have. With a `base_url` and no key it is the server of ChatGLM3-6B.
    #[serde(flatten)]
    pub common: CommonSettings,
    /// How the key is shown. Default: `bearer`.
    #[serde(default)]
    pub auth: ChatGlmAuth,
    /// Whether the model thinks before it answers, which takes its time. Default: false. The server
    /// of ChatGLM3-6B is not told.
    #[serde(default)]
    pub thinking: bool,
    /// Everything else, which is a mistake.
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// How the key is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatGlmAuth {
    /// As it is.
    #[default]
    Bearer,
    /// By a token that it signs and that is good for a few minutes.
    Token,
}

impl RemoteProvider {
    /// A model of Zhipu's, or the server of ChatGLM3-6B. Nothing is sent yet.
    ///
    /// # Errors
    /// When a key of the settings cannot be used.
    pub fn chatglm(
        name: impl Into<String>,
        settings: ChatGlmSettings,
        reveal: Reveal<'_>,
    ) -> Result<Self, SetupError> {
        CommonSettings::refuse_unknown(&settings.unknown)?;
        let common = &settings.common;
        let model = common.model()?;
        let target = common.target(ZHIPU, reveal)?;
        let mut headers = target.headers;
        let mut token = None;
        match (&target.key, settings.auth) {
            (None, _) if common.base_url.is_none() => {
                let way_out = "name the variable that holds the key of your account";
                return Err(SetupError::new("api_key_env", way_out));
            }
            (None, _) => {}
            (Some(key), ChatGlmAuth::Bearer) => {
                let value = hidden("api_key_env", &format!("Bearer {}", key.expose_secret()))?;
                headers.entry(AUTHORIZATION).or_insert(value);
            }
            (Some(key), ChatGlmAuth::Token) => token = Some(TokenMaker::new(key)?),
        }
        let hosted = target.key.is_some();
        let config = Signed { server: Server::new(target.base, headers, None), token };
        let transport = ChatTransport::new(Arc::new(config), target.http, target.blotter);
        let common = common.clone();
        let dialect = ChatGlm { transport, model: model.clone(), hosted, settings };
        Self::new(name, model, &common, dialect)
    }
}

/// A server whose requests are signed anew every few minutes.
struct Signed {
    server: Server,
    token: Option<TokenMaker>,
}

impl Config for Signed {
    fn headers(&self) -> HeaderMap {
        let mut headers = self.server.headers();
        if let Some(token) = &self.token {
            headers.insert(AUTHORIZATION, token.header());
        }
        headers
    }

    fn url(&self, path: &str) -> String {
        self.server.url(path)
    }

    fn query(&self) -> Vec<(&str, &str)> {
        self.server.query()
    }

    fn api_base(&self) -> &str {
        self.server.api_base()
    }

    fn api_key(&self) -> &SecretString {
        self.server.api_key()
    }
}

/// How ChatGLM is asked.
struct ChatGlm {
    transport: ChatTransport,
    model: String,
    /// Whether it is the platform and not the server of ChatGLM3-6B.
    hosted: bool,
    settings: ChatGlmSettings,
}

/// A value within the open interval from 0 to 1, which is all that the platform takes.
fn inside(value: f64) -> f64 {
    value.clamp(0.01, 0.99)
}

/// A picture as the platform wants it: what is in the `data:` URL and not the URL.
fn picture(url: &str) -> String {
    url.split_once(";base64,").map_or(url, |(_, data)| data).to_owned()
}

#[async_trait]
impl Dialect for ChatGlm {
    fn capabilities(&self, common: Capabilities) -> Capabilities {
        if !self.hosted {
            // The server of ChatGLM3-6B has a form of its own for tools.
            return common;
        }
        let outputs = OutputKinds { json_object: true, ..OutputKinds::default() };
        Capabilities { tools: true, outputs, extra: true, ..common }
    }

    fn body(&self, request: &Request) -> Result<Value, ProviderError> {
        let common = &self.settings.common;
        // What we have words for goes over it.
        let mut body = request.extra.clone();
        match request.tool_choice {
            ToolChoice::Auto => chat::put_tools(&mut body, request),
            // It calls none that it does not know.
            ToolChoice::None => {}
            ToolChoice::Required | ToolChoice::Named(_) => {
                let feature = "tool_choice, except for auto and none".to_owned();
                return Err(ProviderError::Unsupported { feature });
            }
        }
        chat::put_output(&mut body, &request.output);
        body.insert("model".to_owned(), json!(self.model));
        body.insert("messages".to_owned(), chat::messages(&request.input, picture));
        body.insert("stream".to_owned(), json!(true));
        let sampling = request.sampling.clone().or(&common.sampling);
        if sampling.temperature == Some(0.0) && !common.omit.contains("temperature") {
            body.insert("do_sample".to_owned(), json!(false));
        }
        let sampling = Sampling {
            temperature: sampling.temperature.map(inside),
            top_p: sampling.top_p.map(inside),
            ..sampling
        };
        sampling::put(&mut body, &sampling, &common.omit, &NAMES, MOST_STOPS);
        if self.hosted {
            let thinking = if self.settings.thinking { "enabled" } else { "disabled" };
            body.insert("thinking".to_owned(), json!({ "type": thinking }));
        }
        merge(&mut body, &common.extra);
        Ok(Value::Object(body))
    }

    async fn open(&self, mut body: Value) -> Result<EventStream, ProviderError> {
        if self.hosted {
            return Ok(self.transport.send(body).await?.into_stream());
        }
        let mut answer = self.transport.send(body.clone()).await?;
        if answer.is_blank().await? {
            // The server of ChatGLM3-6B swallows answers of up to 7 characters when it streams.
            body["stream"] = json!(false);
            answer = self.transport.send(body).await?;
        }
        Ok(answer.into_stream())
    }
}
