//! The thread that owns an embedding engine: one call after the other, one text after the other.

use std::time::Instant;

use anima_provider::ProviderError;
use tokio::sync::oneshot;
use tracing::{error, warn};

use super::{
    Blueprint,
    engine::{EmbeddingEngine, Failure},
};
use crate::queue::FairQueue;

/// A vector for each text of a call.
pub(crate) type Vectors = Vec<Vec<f32>>;

/// One call.
pub(crate) struct Job {
    /// The tokens of each text.
    pub(crate) texts: Vec<Vec<u32>>,
    pub(crate) reply: oneshot::Sender<Result<Vectors, ProviderError>>,
}

/// Serves the queue until it is closed and empty. An engine that died is built again for the next
/// call.
pub(crate) fn run(
    name: &str,
    engine: EmbeddingEngine,
    blueprint: &Blueprint,
    queue: &FairQueue<Job>,
) {
    let _guard = CloseOnExit(queue);
    let mut engine = Some(engine);
    while let Some(ticket) = queue.next() {
        let started = Instant::now();
        let Job { texts, reply } = ticket.payload;
        let running = engine.take().map_or_else(|| EmbeddingEngine::build(blueprint), Ok);
        let outcome = match running {
            Ok(running) => {
                let outcome = vectors(&running, texts, &reply);
                if matches!(outcome, Err(Failure::Dead)) {
                    warn!(provider.name = name, "The engine of {name} died");
                } else {
                    engine = Some(running);
                }
                outcome.map_err(|failure| match failure {
                    Failure::Dead => "the engine died".to_owned(),
                    Failure::Said(problem) => problem,
                })
            }
            Err(problem) => {
                error!(provider.name = name, "The engine of {name} was not rebuilt: {problem}");
                Err("the engine died and could not be rebuilt".to_owned())
            }
        };
        queue.finished(started.elapsed());
        // A caller that is gone needs no vectors.
        let _ = reply.send(outcome.map_err(|problem| ProviderError::Unavailable(problem.into())));
    }
}

/// The vectors of all texts, or of none when the caller is gone.
fn vectors(
    engine: &EmbeddingEngine,
    texts: Vec<Vec<u32>>,
    reply: &oneshot::Sender<Result<Vectors, ProviderError>>,
) -> Result<Vectors, Failure> {
    let mut vectors = Vec::with_capacity(texts.len());
    for tokens in texts {
        if reply.is_closed() {
            return Ok(Vec::new());
        }
        vectors.push(engine.vector(tokens)?);
    }
    Ok(vectors)
}

/// Closes the queue when the thread ends, however it ends: nobody waits for a thread that is gone.
struct CloseOnExit<'a>(&'a FairQueue<Job>);

impl Drop for CloseOnExit<'_> {
    fn drop(&mut self) {
        self.0.close();
        drop(self.0.drain());
    }
}
