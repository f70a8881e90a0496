//! The provider that makes vectors of what the personas know, and of what is asked.

mod gate;
mod passages;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anima_knowledge::Space;
use anima_provider::ProviderError;
use tokio::{runtime::Handle, time::timeout};

use crate::{
    registry::{Entry, Registry},
    settings::{BreakerSettings, KnowledgeSettings, Settings},
};
pub(super) use gate::Gate;
pub(super) use passages::Passages;

/// What the settings say of vectors.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wish {
    /// The provider, as the settings call it.
    pub(super) provider: String,
    pub(super) space: Space,
    question_prefix: String,
    /// How long a turn waits for the vector of what was said.
    deadline: Duration,
    pub(super) least_similarity: f32,
    /// Most memory of the vectors of a persona, in bytes.
    pub(super) most_bytes: usize,
}

impl Wish {
    /// `None` where passages are found by their words alone.
    pub(super) fn of(settings: &Settings) -> Option<Self> {
        let KnowledgeSettings { enabled, embedder, .. } = &settings.knowledge;
        let wanted = embedder.as_ref().filter(|_| *enabled)?;
        let mut providers = settings.enabled_providers();
        let named =
            providers.find(|(name, provider)| *name == wanted || provider.aliases.contains(wanted));
        let model = named.and_then(|(_, provider)| {
            let options = &provider.options;
            options.get("embedding_model").or_else(|| options.get("model"))?.as_str()
        });
        let space = Space {
            embedder: named.map_or(wanted, |(name, _)| name).clone(),
            model: model.unwrap_or_default().to_owned(),
            prefix: settings.knowledge.passage_prefix.clone(),
        };
        Some(Self {
            provider: wanted.clone(),
            space,
            question_prefix: settings.knowledge.question_prefix.clone(),
            deadline: Duration::from_millis(settings.knowledge.embed_ms),
            least_similarity: settings.knowledge.least_similarity,
            most_bytes: settings.knowledge.vectors_mib << 20,
        })
    }

    /// What a test wants of a provider.
    #[cfg(test)]
    fn for_tests(provider: &str) -> Self {
        let embedder = provider.to_owned();
        Self {
            provider: provider.to_owned(),
            space: Space { embedder, model: String::new(), prefix: String::new() },
            question_prefix: String::new(),
            deadline: Duration::from_secs(1),
            least_similarity: 0.0,
            most_bytes: usize::MAX,
        }
    }

    /// Who makes the vectors; `None` while its model is not there yet.
    ///
    /// # Errors
    /// When there is no such provider, or it makes none.
    pub(super) fn find(&self, registry: &Registry) -> Result<Option<Entry>, String> {
        let name = self.provider.as_str();
        let entry = match registry.pick(Some(name)) {
            Ok(picked) => picked.into_iter().next(),
            Err(_) if registry.knows(name) => None,
            Err(error) => return Err(format!("knowledge.embedder: {error}")),
        };
        match entry {
            Some(entry) if entry.provider.embedder().is_none() => Err(format!(
                "knowledge.embedder: the provider {name} makes no vectors; set \
                 providers.{name}.embedding_model for one of kind openai, or providers.{name}.model \
                 to an embedding model for one of kind local"
            )),
            entry => Ok(entry),
        }
    }
}

/// Makes vectors.
pub(super) struct Embedding {
    pub(super) wish: Wish,
    entry: Entry,
    gate: Arc<Gate>,
    breaker: BreakerSettings,
    runtime: Handle,
}

impl Embedding {
    /// Must be called on the runtime that calls are to run on.
    pub(super) fn new(wish: Wish, entry: Entry, gate: Arc<Gate>, breaker: BreakerSettings) -> Self {
        Self { wish, entry, gate, breaker, runtime: Handle::current() }
    }

    /// Whether this is the same provider.
    pub(super) fn is_by(&self, entry: &Entry) -> bool {
        Arc::ptr_eq(&self.entry.provider, &entry.provider)
    }

    /// The vector of what a person said; `None` when it does not come in time, which costs nothing but
    /// the passages that only it would have found.
    pub(super) async fn question(&self, said: &str) -> Option<Vec<f32>> {
        let Ok(mut pass) = self.gate.health.enter(self.breaker) else {
            count("resting");
            return None;
        };
        let began = Instant::now();
        pass.asked();
        pass.admitted(&self.wish.space.model);
        let text = format!("{}{said}", self.wish.question_prefix);
        let made = timeout(self.wish.deadline, self.made(vec![text])).await;
        let error = match made {
            Ok(Ok(mut vectors)) if vectors.len() == 1 => {
                pass.answered();
                self.gate.works(&self.wish.provider);
                metrics::histogram!("anima_embed_seconds").record(began.elapsed().as_secs_f64());
                return vectors.pop();
            }
            Ok(Ok(_)) => ProviderError::Protocol("it made no vector".into()),
            Ok(Err(error)) => error,
            Err(_) => ProviderError::Timeout(self.wish.deadline),
        };
        let is_late = matches!(error, ProviderError::Timeout(_));
        count(if is_late { "late" } else { "failed" });
        self.gate.fails(&self.wish.provider, &error, &mut pass);
        None
    }

    async fn made(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, ProviderError> {
        let Some(embedder) = self.entry.provider.embedder() else {
            return Err(ProviderError::Unsupported { feature: "vectors".to_owned() });
        };
        Ok(embedder.embed(texts).await?.vectors)
    }
}

/// Counts what became of a search by vectors.
pub(super) fn count(outcome: &'static str) {
    metrics::counter!("anima_vector_searches_total", "outcome" => outcome).increment(1);
}
