//! How likely a text is to a model.

use async_trait::async_trait;

use crate::ProviderError;

/// A model that tells how likely texts are that it did not write.
#[async_trait]
pub trait Scorer: Send + Sync {
    /// The natural logarithm of each token's probability after those before it, in their order. The
    /// first token of a text comes after nothing; where a model gives it no likelihood, it is left out.
    ///
    /// # Errors
    /// As [`crate::Provider::generate`]; [`ProviderError::Unsupported`] where the server tells none.
    async fn score(&self, text: &str) -> Result<Vec<f64>, ProviderError>;
}
