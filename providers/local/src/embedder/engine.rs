//! The embedding model itself: built, tried out and asked.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mistralrs::{
    EmbeddingModelBuilder, Model, NormalRequest, Request, RequestMessage, Response, SamplingParams,
    TokenSource,
};
use tokio::{
    runtime,
    sync::mpsc::{self, Sender},
};

use super::Blueprint;
use crate::{
    LoadError,
    engine::{panic_message, problem},
    settings::Device,
};

/// The engine panics on a text of one token.
pub(crate) const FEWEST_TOKENS: usize = 2;

/// A running engine. It must be given one text at a time.
pub(crate) struct EmbeddingEngine {
    /// Dropping the model ends the engine.
    model: Model,
    requests: Sender<Request>,
}

/// Why there is no vector.
pub(crate) enum Failure {
    /// The engine died.
    Dead,
    /// It lives, and this is what it says.
    Said(String),
}

impl EmbeddingEngine {
    /// Builds the model and tries it out.
    ///
    /// Blocks for as long as it takes. Must be called on a thread that belongs to no runtime.
    pub(crate) fn build(blueprint: &Blueprint) -> Result<Self, LoadError> {
        let failed = |problem: &str| LoadError::engine(&blueprint.folder, problem);
        let build = || -> Result<Model, String> {
            let runtime = runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .map_err(|error| error.to_string())?;
            runtime.block_on(model(blueprint))
        };
        let model = catch_unwind(AssertUnwindSafe(build))
            .unwrap_or_else(|panic| Err(panic_message(panic.as_ref())))
            .map_err(|problem| failed(&problem))?;
        let requests =
            model.inner().get_sender(None).map_err(|error| failed(&error.to_string()))?;
        let engine = Self { model, requests };
        match engine.vector(vec![0; FEWEST_TOKENS]) {
            Ok(_) => Ok(engine),
            Err(Failure::Dead) => Err(failed("the engine died in its trial run")),
            Err(Failure::Said(problem)) => Err(failed(&format!("its trial run failed: {problem}"))),
        }
    }

    /// Tokens that a text may have.
    pub(crate) fn trained_length(&self) -> Option<usize> {
        self.model.max_sequence_length().ok().flatten()
    }

    /// The vector of a text, of length 1.
    pub(crate) fn vector(&self, tokens: Vec<u32>) -> Result<Vec<f32>, Failure> {
        let (sender, mut receiver) = mpsc::channel(4);
        let message = RequestMessage::EmbeddingTokens { prompt: tokens };
        let parameters = SamplingParams::deterministic();
        let request = NormalRequest::new_simple(message, parameters, sender, 0, None, None);
        let request = Request::Normal(Box::new(request));
        self.requests.blocking_send(request).map_err(|_| Failure::Dead)?;
        // The engine panics when it cannot deliver, so this waits whatever the caller does.
        while let Some(response) = receiver.blocking_recv() {
            if let Some(problem) = problem(&response) {
                return Err(Failure::Said(problem));
            }
            if let Response::Embeddings { embeddings, .. } = response {
                return unit(embeddings);
            }
        }
        Err(Failure::Dead)
    }
}

async fn model(blueprint: &Blueprint) -> Result<Model, String> {
    let settings = &blueprint.settings;
    let mut builder = EmbeddingModelBuilder::new(blueprint.folder.display())
        .with_dtype(settings.dtype.on(settings.device))
        .with_token_source(TokenSource::None)
        .with_max_num_seqs(1);
    if settings.device == Device::Cpu {
        builder = builder.with_force_cpu();
    }
    if let Some(quantization) = settings.isq {
        builder = builder.with_isq(quantization.engine_type());
    }
    Box::pin(builder.build()).await.map_err(|error| error.to_string())
}

/// The vector of length 1 in the same direction.
fn unit(mut vector: Vec<f32>) -> Result<Vec<f32>, Failure> {
    let length = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    if !length.is_finite() || length == 0.0 {
        return Err(Failure::Said("the model made a vector without a direction".to_owned()));
    }
    #[expect(clippy::cast_possible_truncation, reason = "vectors are single precision")]
    let factor = length.recip() as f32;
    for value in &mut vector {
        *value *= factor;
    }
    Ok(vector)
}
