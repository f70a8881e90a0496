//! Google's Gemini.

mod body;
mod reader;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use anima_provider::{
    Capabilities, EventStream, OutputKinds, ProviderError, ProviderEvent, Request,
};
use async_trait::async_trait;
use futures::{StreamExt, stream};
use reqwest::header::{HeaderMap, HeaderName};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    CommonSettings, RemoteProvider, Reveal, SetupError,
    body::{Guarded, Watch},
    provider::Dialect,
    secret::{Blotter, hidden},
    sse::EventReader,
    wire::{self, Answer},
};
use reader::GeminiReader;

/// Where Gemini is.
const GOOGLE: &str = "https://generativelanguage.googleapis.com/v1beta";

/// The keys of the kind `gemini`.
#[derive(Debug, Clone, Deserialize)]
pub struct GeminiSettings {
    /// What all kinds have.
    #[serde(flatten)]
    pub common: CommonSettings,
    /// From which probability on a kind of harm is blocked, such as
    /// `{ harassment = "BLOCK_ONLY_HIGH" }`. Default: Gemini's own.
    #[serde(default)]
    pub safety: BTreeMap<String, String>,
    /// Everything else, which is a mistake.
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl RemoteProvider {
    /// A model of Gemini's. Nothing is sent yet.
    ///
    /// # Errors
    /// When a key of the settings cannot be used.
    pub fn gemini(
        name: impl Into<String>,
        settings: GeminiSettings,
        reveal: Reveal<'_>,
    ) -> Result<Self, SetupError> {
        CommonSettings::refuse_unknown(&settings.unknown)?;
        let common = &settings.common;
        let model = common.model()?;
        let target = common.target(GOOGLE, reveal)?;
        let mut headers = target.headers;
        match &target.key {
            Some(key) => {
                // In a header: an address with the key in it ends up in logs on the way.
                let value = hidden("api_key_env", key.expose_secret())?;
                headers.entry(HeaderName::from_static("x-goog-api-key")).or_insert(value);
            }
            None if common.base_url.is_none() => {
                let way_out = "name the variable that holds the key of your account";
                return Err(SetupError::new("api_key_env", way_out));
            }
            None => {}
        }
        let path = if model.contains('/') { model.clone() } else { format!("models/{model}") };
        let url = format!("{}/{path}:streamGenerateContent?alt=sse", target.base);
        let common = common.clone();
        let (http, blotter) = (target.http, Arc::new(target.blotter));
        Self::new(name, model, &common, Gemini { url, headers, http, blotter, settings })
    }
}

/// How Gemini is asked.
struct Gemini {
    url: String,
    headers: HeaderMap,
    http: reqwest::Client,
    blotter: Arc<Blotter>,
    settings: GeminiSettings,
}

#[async_trait]
impl Dialect for Gemini {
    fn capabilities(&self, common: Capabilities) -> Capabilities {
        let outputs = OutputKinds { json_object: true, json_schema: true, regex: false };
        Capabilities { outputs, ..common }
    }

    fn body(&self, request: &Request) -> Result<Value, ProviderError> {
        body::body(request, &self.settings)
    }

    async fn open(&self, body: Value) -> Result<EventStream, ProviderError> {
        let mut headers = self.headers.clone();
        wire::put_trace(&mut headers);
        let request = self.http.post(&self.url).headers(headers).json(&body);
        let response = request.send().await.map_err(wire::broken)?;
        let blotter = Arc::clone(&self.blotter);
        match wire::accept(response, &blotter).await? {
            Answer::Whole(json) => {
                let mut reader = GeminiReader::default();
                let mut events = reader.read(&String::from_utf8_lossy(&json), &blotter)?;
                events.push(reader.finish()?);
                Ok(stream::iter(events).map(Ok).boxed())
            }
            Answer::Stream(bytes) => {
                let watch = Arc::new(Watch::default());
                let answer = Streamed {
                    bytes: Guarded::new(bytes, Arc::clone(&watch)),
                    watch,
                    events: EventReader::default(),
                    reader: GeminiReader::default(),
                    blotter,
                    ready: VecDeque::new(),
                    ended: false,
                };
                Ok(stream::unfold(answer, |mut answer| async move {
                    answer.next().await.map(|event| (event, answer))
                })
                .boxed())
            }
        }
    }
}

/// An answer that comes bit by bit.
struct Streamed {
    bytes: Guarded,
    watch: Arc<Watch>,
    events: EventReader,
    reader: GeminiReader,
    blotter: Arc<Blotter>,
    ready: VecDeque<ProviderEvent>,
    ended: bool,
}

impl Streamed {
    /// The next event; `None` after the end.
    async fn next(&mut self) -> Option<Result<ProviderEvent, ProviderError>> {
        while self.ready.is_empty() && !self.ended {
            if let Err(error) = self.read().await {
                self.ended = true;
                return Some(Err(error));
            }
        }
        self.ready.pop_front().map(Ok)
    }

    async fn read(&mut self) -> Result<(), ProviderError> {
        let frames = match self.bytes.next().await {
            Some(Ok(bytes)) => self.events.push(&bytes),
            Some(Err(error)) => {
                let fault = self.watch.take_fault();
                return Err(fault.unwrap_or_else(|| ProviderError::Unavailable(error.into())));
            }
            None => {
                self.ended = true;
                std::mem::take(&mut self.events).finish()
            }
        };
        for frame in frames {
            self.ready.extend(self.reader.read(&frame, &self.blotter)?);
        }
        if self.ended {
            // No mark says that nothing follows: the answer ends with the connection.
            self.ready.push_back(std::mem::take(&mut self.reader).finish()?);
        }
        Ok(())
    }
}
