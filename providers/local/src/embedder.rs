//! A local model that turns texts into vectors.

mod engine;
mod worker;

use std::{path::PathBuf, sync::Arc, thread};

use anima_provider::{
    Capabilities, Embedder, Embeddings, EventStream, LaneId, Provider, ProviderError, Request,
};
use async_trait::async_trait;
use tokio::sync::oneshot;

use self::{
    engine::{EmbeddingEngine, FEWEST_TOKENS},
    worker::{Job, Vectors},
};
use crate::{
    LoadError, LocalSettings,
    inspect::{EmbeddingFiles, inspect_embedding},
    prompt::Prompter,
    queue::{FairQueue, Refusal},
};

/// An embedding model on this machine.
///
/// It works on one text at a time, and calls wait in their order. A call that nobody waits for any
/// more ends after the text that is under way. Dropping the embedder lets the waiting calls finish
/// and then unloads the model.
pub struct LocalEmbedder {
    name: String,
    capabilities: Capabilities,
    prompter: Prompter,
    context_length: usize,
    queue: Arc<FairQueue<Job>>,
}

/// What an engine is built from, as often as it is needed.
#[derive(Debug, Clone)]
pub(crate) struct Blueprint {
    pub(crate) folder: PathBuf,
    pub(crate) settings: LocalSettings,
}

/// Leaves the queue when the caller loses interest.
struct Leave<'a> {
    queue: &'a FairQueue<Job>,
    ticket: u64,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.queue.leave(self.ticket);
    }
}

impl LocalEmbedder {
    /// Checks the model that `settings` name, loads it and tries it out, on a thread of its own.
    ///
    /// # Errors
    /// One line that says what is wrong and, where there is one, the way out.
    pub async fn load(name: impl Into<String>, settings: LocalSettings) -> Result<Self, LoadError> {
        settings.validate()?;
        let name = name.into();
        let queue = Arc::new(FairQueue::new(settings.queue));
        let (sender, receiver) = oneshot::channel();
        let path = settings.model.clone();
        let failed = |problem: &str| LoadError::engine(&path, problem);
        let owned = (name.clone(), Arc::clone(&queue));
        // The thread ends when the queue is closed, which dropping the embedder does.
        thread::Builder::new()
            .name("local-embedder".to_owned())
            .spawn(move || {
                let (name, queue) = owned;
                match load(settings) {
                    Ok((prompter, length, engine, blueprint)) => {
                        if sender.send(Ok((prompter, length))).is_ok() {
                            worker::run(&name, engine, &blueprint, &queue);
                        }
                    }
                    Err(error) => drop(sender.send(Err(error))),
                }
            })
            .map_err(|error| failed(&error.to_string()))?;
        let (prompter, context_length) =
            receiver.await.map_err(|_| failed("its thread ended early"))??;
        let capabilities =
            Capabilities { context_length: Some(context_length), ..Capabilities::default() };
        Ok(Self { name, capabilities, prompter, context_length, queue })
    }

    /// The tokens of a text, which must fit.
    fn tokens(&self, text: &str) -> Result<Vec<u32>, ProviderError> {
        let tokens = self.prompter.framed(text)?;
        match tokens.len() {
            ..FEWEST_TOKENS => Err(ProviderError::InvalidRequest {
                message: "a text is empty, or of a single token".to_owned(),
            }),
            prompt_tokens if prompt_tokens > self.context_length => {
                let context_length = self.context_length;
                Err(ProviderError::ContextOverflow { prompt_tokens, context_length })
            }
            _ => Ok(tokens),
        }
    }
}

/// Inspects and builds, on the engine's thread.
fn load(
    settings: LocalSettings,
) -> Result<(Prompter, usize, EmbeddingEngine, Blueprint), LoadError> {
    let EmbeddingFiles { folder, tokenizer, longest } = inspect_embedding(&settings)?;
    let blueprint = Blueprint { folder, settings };
    let prompter = Prompter::new(tokenizer, None);
    let engine = EmbeddingEngine::build(&blueprint)?;
    let trained_length = engine.trained_length().ok_or_else(|| {
        LoadError::engine(&blueprint.folder, "it does not know the model's context length")
    })?;
    let limits = [blueprint.settings.context_length, longest];
    let length = limits.into_iter().flatten().fold(trained_length, usize::min);
    Ok((prompter, length, engine, blueprint))
}

#[async_trait]
impl Embedder for LocalEmbedder {
    async fn embed(&self, texts: Vec<String>) -> Result<Embeddings, ProviderError> {
        let texts: Vec<Vec<u32>> =
            texts.iter().map(|text| self.tokens(text)).collect::<Result<_, _>>()?;
        let tokens = texts.iter().map(Vec::len).sum::<usize>();
        let gone = || ProviderError::Unavailable("the engine was shut down".into());
        let (reply, answer) = oneshot::channel();
        let pushed = self.queue.push(LaneId(String::new()), Job { texts, reply });
        let (ticket, _place) = pushed.map_err(|refusal| match refusal {
            Refusal::Full(pause) => ProviderError::RateLimited { retry_after: Some(pause) },
            Refusal::Closed => gone(),
        })?;
        let _leave = Leave { queue: &self.queue, ticket };
        let vectors: Vectors = answer.await.map_err(|_| gone())??;
        Ok(Embeddings { vectors, prompt_tokens: u32::try_from(tokens).unwrap_or(u32::MAX) })
    }
}

#[async_trait]
impl Provider for LocalEmbedder {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn count_tokens(&self, _: &Request) -> Option<usize> {
        None
    }

    async fn generate(&self, _: Request) -> Result<EventStream, ProviderError> {
        let feature = "answers: it is an embedding model".to_owned();
        Err(ProviderError::Unsupported { feature })
    }

    fn embedder(&self) -> Option<&dyn Embedder> {
        Some(self)
    }
}

impl Drop for LocalEmbedder {
    fn drop(&mut self) {
        self.queue.close();
    }
}
