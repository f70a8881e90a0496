//! Texts as vectors, by whichever provider makes them.

use std::time::Duration;

use anima_provider::Embeddings;
use tokio::time::timeout;

use super::{Conversation, Place};
use crate::{
    registry::{Entry, Registry},
    turn::{TurnError, TurnErrorCode},
};

/// How long the vectors of one call may take.
const DEADLINE: Duration = Duration::from_mins(2);

/// Vectors, and whose they are.
#[derive(Debug)]
pub struct Embedded {
    /// The provider's name.
    pub provider: String,
    /// What it made.
    pub embeddings: Embeddings,
}

impl Conversation {
    /// The vectors of `texts`, in their order. Without a name it is the default provider that makes
    /// them, or else the first by name that can. Dropping it gives it up.
    ///
    /// # Errors
    /// When the provider is not there or makes no vectors, when nobody does, or when it fails; no other
    /// one is asked, since its vectors would be of another kind.
    pub async fn embed(
        &self,
        provider: Option<&str>,
        texts: Vec<String>,
        place: Place,
    ) -> Result<Embedded, TurnError> {
        let lineup = self.lineup();
        let entry = embedder(lineup.registry(), provider)?;
        let name = entry.provider.name();
        let Some(embedder) = entry.provider.embedder() else {
            return Err(TurnError::new(TurnErrorCode::Internal, "there are no vectors"));
        };
        place.spend();
        let made = timeout(DEADLINE, embedder.embed(texts)).await;
        let late = |_| {
            TurnError::new(
                TurnErrorCode::ProviderTimeout,
                format!("{name}: the vectors did not come in time"),
            )
        };
        let embeddings =
            made.map_err(late)?.map_err(|error| TurnError::from_provider(name, &error))?;
        place.charge(u64::from(embeddings.prompt_tokens));
        Ok(Embedded { provider: name.to_owned(), embeddings })
    }
}

/// Who makes the vectors.
fn embedder(registry: &Registry, wanted: Option<&str>) -> Result<Entry, TurnError> {
    let able: Vec<_> =
        registry.entries().filter(|entry| entry.provider.embedder().is_some()).collect();
    let unsupported = |message: String| TurnError::new(TurnErrorCode::Unsupported, message);
    let Some(first) = able.first() else {
        let message = "no provider makes vectors: set providers.NAME.embedding_model for one of kind \
            openai, or providers.NAME.model to an embedding model for one of kind local";
        return Err(unsupported(message.to_owned()));
    };
    let called = |name: &str| able.iter().find(|entry| entry.provider.name() == name);
    let found = match wanted {
        Some(name) => called(registry.resolve(name)?),
        None => called(registry.default_name()).or(Some(first)),
    };
    found.map(|entry| Entry::clone(entry)).ok_or_else(|| {
        let others: Vec<_> = able.iter().map(|entry| entry.provider.name()).collect();
        let (name, others) = (wanted.unwrap_or_default(), others.join(", "));
        unsupported(format!("the provider {name} makes no vectors; these do: {others}"))
    })
}
