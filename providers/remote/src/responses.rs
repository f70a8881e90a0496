//! OpenAI's Responses API, which is what its newer models are best asked by.
//!
//! Nothing is kept at OpenAI (`store` is false): what the model is shown comes from our own history, as
//! with every other server. There are no stop texts and no penalties in this API.

mod body;
mod reader;

use std::{collections::VecDeque, future, sync::Arc};

use anima_provider::{EventStream, ProviderError, ProviderEvent, Request};
use async_openai::types::stream::StreamResponse;
use async_trait::async_trait;
use futures::{StreamExt, stream};
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    CommonSettings, OpenAiSettings, SetupError,
    body::{BRIEFLY, REMAINDER, Watch},
    provider::Dialect,
    secret::Blotter,
    transport::{ChatTransport, ours},
};
use reader::ResponsesReader;

/// How OpenAI is asked for responses.
pub(crate) struct Responses {
    transport: ChatTransport,
    model: String,
    common: CommonSettings,
}

impl Responses {
    pub(crate) fn new(transport: ChatTransport, model: String, common: CommonSettings) -> Self {
        Self { transport, model, common }
    }

    /// Refuses keys that mean nothing to this API.
    pub(crate) fn check(settings: &OpenAiSettings) -> Result<(), SetupError> {
        let foreign = [
            ("azure", settings.azure.is_some()),
            ("token_limit", settings.token_limit.is_some()),
            ("extended_sampling", settings.extended_sampling),
            ("usage", !settings.usage),
        ];
        match foreign.iter().find(|(_, is_set)| *is_set) {
            Some((key, _)) => {
                let way_out = "goes with api = \"chat\"; leave one of the two out";
                Err(SetupError::new(*key, way_out))
            }
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Dialect for Responses {
    fn body(&self, request: &Request) -> Result<Value, ProviderError> {
        body::body(request, &self.model, &self.common)
    }

    async fn open(&self, body: Value) -> Result<EventStream, ProviderError> {
        let watch = Arc::new(Watch::default());
        let client = self.transport.once(&watch);
        let frames = client.responses().create_stream_byot::<_, Value>(body).await;
        let answer = Answer {
            frames: Some(frames.map_err(|error| ours(error, &watch))?),
            reader: ResponsesReader::default(),
            watch,
            blotter: self.transport.blotter(),
            ready: VecDeque::new(),
        };
        Ok(stream::unfold(answer, |mut answer| async move {
            answer.next().await.map(|event| (event, answer))
        })
        .boxed())
    }
}

/// An answer on its way.
struct Answer {
    /// `None` after the end.
    frames: Option<StreamResponse<Value>>,
    reader: ResponsesReader,
    watch: Arc<Watch>,
    blotter: Arc<Blotter>,
    ready: VecDeque<ProviderEvent>,
}

impl Answer {
    /// The next event; `None` after the end.
    async fn next(&mut self) -> Option<Result<ProviderEvent, ProviderError>> {
        while self.ready.is_empty() {
            let read = match self.frames.as_mut()?.next().await {
                Some(Ok(frame)) => self.reader.read(&frame, &self.blotter),
                Some(Err(error)) => Err(ours(error, &self.watch)),
                None => Err(ProviderError::Protocol("the answer broke off without an end".into())),
            };
            match read {
                Ok(events) => self.ready.extend(events),
                Err(error) => {
                    self.frames = None;
                    return Some(Err(error));
                }
            }
        }
        let event = self.ready.pop_front()?;
        if matches!(event, ProviderEvent::Done { .. }) {
            self.leave().await;
        }
        Some(Ok(event))
    }

    /// Reads what comes after the answer, which is next to nothing, so that the connection can be used
    /// again. No mark says that nothing follows, so whoever is next would else need another one.
    async fn leave(&mut self) {
        let Some(frames) = self.frames.take() else { return };
        let mut rest = Box::pin(frames.for_each(|_| future::ready(())));
        if timeout(BRIEFLY, &mut rest).await.is_err() {
            // Outlives the answer for a second at most, and is nothing to wait for.
            drop(tokio::spawn(timeout(REMAINDER, rest)));
        }
    }
}
