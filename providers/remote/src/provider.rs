//! What all remote providers do alike.

use std::sync::Arc;

use anima_provider::{
    Capabilities, Embedder, EventStream, Provider, ProviderError, ProviderEvent, Request, Scorer,
};
use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, future, stream};
use serde_json::Value;

use crate::{
    CommonSettings, SetupError,
    embeddings::{EmbeddingServer, RemoteEmbedder},
    gate::Gate,
    scorer::EchoScorer,
    wire,
};

/// How one kind of server is asked, and how its answer is read.
#[async_trait]
pub(crate) trait Dialect: Send + Sync {
    /// What such a server can do beyond `common`, which is what the settings say; by default nothing.
    fn capabilities(&self, common: Capabilities) -> Capabilities {
        common
    }

    /// The body of the request for an answer.
    fn body(&self, request: &Request) -> Result<Value, ProviderError>;

    /// Connects, asks and gives the answer as it comes: text, reasoning, and the end once and last.
    /// Dropping the future or the stream closes the connection.
    async fn open(&self, body: Value) -> Result<EventStream, ProviderError>;
}

/// A model on a server.
pub struct RemoteProvider {
    name: String,
    model: String,
    capabilities: Capabilities,
    gate: Arc<Gate>,
    dialect: Arc<dyn Dialect>,
    embedder: Option<RemoteEmbedder>,
    scorer: Option<EchoScorer>,
}

impl RemoteProvider {
    pub(crate) fn new(
        name: impl Into<String>,
        model: String,
        common: &CommonSettings,
        dialect: impl Dialect + 'static,
    ) -> Result<Self, SetupError> {
        common.validate()?;
        Ok(Self {
            name: name.into(),
            model,
            capabilities: dialect.capabilities(common.capabilities()),
            gate: Arc::new(common.gate()),
            dialect: Arc::new(dialect),
            embedder: None,
            scorer: None,
        })
    }

    /// The same with a model that makes vectors; `answers` is whether it has one that answers, too.
    pub(crate) fn with_embeddings(mut self, server: EmbeddingServer, answers: bool) -> Self {
        self.capabilities.chat = answers;
        self.embedder = Some(RemoteEmbedder { server, gate: Arc::clone(&self.gate) });
        self
    }

    /// The same as one that tells how likely texts are.
    pub(crate) fn with_scorer(self, scorer: Option<EchoScorer>) -> Self {
        Self { scorer, ..self }
    }

    /// The model, as the server calls it.
    pub fn model(&self) -> &str {
        &self.model
    }
}

#[async_trait]
impl Provider for RemoteProvider {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn count_tokens(&self, _request: &Request) -> Option<usize> {
        None
    }

    async fn generate(&self, request: Request) -> Result<EventStream, ProviderError> {
        if let Some(feature) = self.capabilities.lacks(&request) {
            return Err(ProviderError::Unsupported { feature });
        }
        let body = self.dialect.body(&request)?;
        let seat = self.gate.enter(request.lane)?;
        let dialect = Arc::clone(&self.dialect);
        let admitted = ProviderEvent::Admitted { model: self.model.clone() };
        let traceparent = request.traceparent;
        let opened = async move { wire::continuing(traceparent, dialect.open(body)).await };
        let answer = stream::once(opened).try_flatten();
        let events = seat.notices().map(Ok);
        let events = events.chain(stream::once(future::ready(Ok(admitted)))).chain(answer).boxed();
        // The seat is kept for as long as the answer is.
        Ok(stream::unfold((events, seat), |(mut events, seat)| async move {
            events.next().await.map(|event| (event, (events, seat)))
        })
        .boxed())
    }

    fn embedder(&self) -> Option<&dyn Embedder> {
        self.embedder.as_ref().map(|embedder| embedder as &dyn Embedder)
    }

    fn scorer(&self) -> Option<&dyn Scorer> {
        self.scorer.as_ref().map(|scorer| scorer as &dyn Scorer)
    }
}
