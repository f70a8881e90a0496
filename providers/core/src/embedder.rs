//! Texts as vectors.

use async_trait::async_trait;

use crate::ProviderError;

/// A model that turns texts into vectors.
#[async_trait]
pub trait Embedder: Send + Sync {
    /// The vectors of `texts`, in their order.
    ///
    /// # Errors
    /// As [`crate::Provider::generate`]; either all texts have their vector or none has.
    async fn embed(&self, texts: Vec<String>) -> Result<Embeddings, ProviderError>;
}

/// What an [`Embedder`] made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Embeddings {
    /// One vector for each text, all of one length.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens of all the texts.
    pub prompt_tokens: u32,
}
