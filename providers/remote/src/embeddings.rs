//! Vectors from OpenAI, and from every server that speaks like it.

use std::{sync::Arc, time::Duration};

use anima_provider::{Embedder, Embeddings, LaneId, ProviderError};
use async_trait::async_trait;
use futures::StreamExt;
use reqwest::{Url, header::HeaderMap};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use crate::{
    gate::Gate,
    secret::Blotter,
    wire::{self, Answer},
};

/// Most texts in one request, so that its answer stays within what is read of one.
const TEXTS: usize = 64;
/// How long one request may take.
const DEADLINE: Duration = Duration::from_mins(1);

/// How a server is asked for vectors.
pub(crate) struct EmbeddingServer {
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) http: reqwest::Client,
    pub(crate) blotter: Blotter,
    /// The model, as the server calls it.
    pub(crate) model: String,
}

/// A model on a server that makes vectors. It shares its places with the answers of its provider.
pub(crate) struct RemoteEmbedder {
    pub(crate) server: EmbeddingServer,
    pub(crate) gate: Arc<Gate>,
}

/// What a server answers.
#[derive(Deserialize)]
struct Reply {
    data: Vec<Item>,
    #[serde(default)]
    usage: Usage,
}

#[derive(Deserialize)]
struct Item {
    index: usize,
    embedding: Vec<f32>,
}

/// Not every server counts.
#[derive(Default, Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: u32,
}

impl EmbeddingServer {
    /// The vectors of some texts, in their order.
    async fn ask(&self, texts: &[String]) -> Result<Embeddings, ProviderError> {
        let request = self
            .http
            .post(self.url.clone())
            .headers(self.headers.clone())
            .json(&json!({ "model": self.model, "input": texts }));
        let response = request.send().await.map_err(wire::broken)?;
        let Answer::Whole(body) = wire::accept(response, &self.blotter).await? else {
            return Err(odd("it sent a stream and no JSON"));
        };
        let mut reply: Reply =
            serde_json::from_slice(&body).map_err(|_| odd("it sent no vectors"))?;
        reply.data.sort_by_key(|item| item.index);
        let in_order = reply.data.iter().map(|item| item.index).eq(0..texts.len());
        if !in_order {
            return Err(odd("it sent vectors for other texts than were asked for"));
        }
        let vectors = reply.data.into_iter().map(|item| item.embedding).collect();
        Ok(Embeddings { vectors, prompt_tokens: reply.usage.prompt_tokens })
    }
}

#[async_trait]
impl Embedder for RemoteEmbedder {
    async fn embed(&self, texts: Vec<String>) -> Result<Embeddings, ProviderError> {
        let seat = self.gate.enter(LaneId(String::new()))?;
        // They end when the place is ours.
        seat.notices().for_each(|_| std::future::ready(())).await;
        let mut all = Embeddings::default();
        for texts in texts.chunks(TEXTS) {
            let more = timeout(DEADLINE, self.server.ask(texts)).await;
            let more = more.map_err(|_| ProviderError::Timeout(DEADLINE))??;
            all.vectors.extend(more.vectors);
            all.prompt_tokens = all.prompt_tokens.saturating_add(more.prompt_tokens);
        }
        let length = all.vectors.first().map_or(0, Vec::len);
        let is_odd = |vector: &Vec<f32>| vector.is_empty() || vector.len() != length;
        if all.vectors.iter().any(is_odd) {
            return Err(odd("its vectors are not of one length"));
        }
        Ok(all)
    }
}

fn odd(what: &str) -> ProviderError {
    ProviderError::Protocol(what.into())
}
