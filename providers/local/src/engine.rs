//! The model itself: built, tried out, asked and cancelled.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use mistralrs::{
    DType, GgufModelBuilder, Model, NormalRequest, Request, RequestMessage, Response,
    SamplingParams, StopTokens, Tensor, TextModelBuilder, TokenSource,
};
use tokio::{
    runtime,
    sync::mpsc::{self, Receiver, Sender},
};

use crate::{
    LoadError, LocalSettings,
    dictation::Dictation,
    form::Form,
    inspect::{EndTokens, Weights},
    paging::Paging,
    settings::Device,
};

/// What an engine is built from, as often as it is needed.
#[derive(Debug, Clone)]
pub(crate) struct Blueprint {
    pub(crate) weights: Weights,
    pub(crate) ends: EndTokens,
    pub(crate) settings: LocalSettings,
}

/// A running engine.
///
/// It must be given one sequence at a time: batched decoding on a CPU gives wrong text. Whoever
/// starts a sequence reads its receiver until it closes; only then the sequence has ended.
pub(crate) struct Engine {
    /// Dropping the model ends the engine.
    model: Model,
    requests: Sender<Request>,
    end_token: u32,
}

/// What decides which tokens may come.
#[derive(Clone)]
pub(crate) enum Guide {
    /// The form of the answer.
    Form(Box<Form>),
    /// The whole text, given beforehand.
    Dictation(Dictation),
}

/// Cancels a running sequence and counts its tokens.
#[derive(Debug, Default)]
pub(crate) struct Cancel {
    cancelled: AtomicBool,
    sampled: AtomicUsize,
    /// Why the form of the answer was given up.
    problem: OnceLock<String>,
}

impl Cancel {
    /// Ends the sequence within two tokens; a prefill runs to its end first.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Ends the sequence because its form cannot be kept.
    fn give_up(&self, problem: String) {
        // The first problem is the cause of those after it.
        let _ = self.problem.set(problem);
        self.cancel();
    }

    /// Why the form of the answer was given up, if it was.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.get().map(String::as_str)
    }

    /// Tokens drawn so far, the end token included.
    pub(crate) fn sampled(&self) -> usize {
        self.sampled.load(Ordering::Relaxed)
    }
}

impl Engine {
    /// Builds the model and tries it out.
    ///
    /// Blocks for as long as it takes. Must be called on a thread that belongs to no runtime.
    pub(crate) fn build(blueprint: &Blueprint) -> Result<Self, LoadError> {
        let path = blueprint.weights.path();
        let failed = |problem: &str| LoadError::engine(&path, problem);
        let build = || -> Result<Model, String> {
            // The engine has a runtime of its own; this one may go when the model is built. It has
            // several threads because the trial run inside of the builder is left out otherwise.
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
        let engine = Self { model, requests, end_token: blueprint.ends.first };
        engine.try_out(&blueprint.ends).map_err(|problem| failed(&problem))?;
        Ok(engine)
    }

    /// Tokens of prompt and answer that the model was made for.
    pub(crate) fn trained_length(&self) -> Option<usize> {
        self.model.max_sequence_length().ok().flatten()
    }

    /// Sends requests to the engine; closed once the engine is dead.
    pub(crate) fn requests(&self) -> Sender<Request> {
        self.requests.clone()
    }

    pub(crate) fn is_alive(&self) -> bool {
        !self.requests.is_closed()
    }

    /// Starts a sequence; `None` when the engine is dead.
    ///
    /// The receiver never makes the engine wait: it has a place for every token.
    pub(crate) fn start(
        &self,
        prompt: Vec<u32>,
        parameters: SamplingParams,
        cancel: &Arc<Cancel>,
        guide: Option<Guide>,
    ) -> Option<Receiver<Response>> {
        let (sender, receiver) = mpsc::channel(parameters.max_len.unwrap_or(0) + 16);
        let message = RequestMessage::CompletionTokens(prompt);
        let mut request = NormalRequest::new_simple(message, parameters, sender, 0, None, None);
        request.is_streaming = true;
        request.logits_processors =
            Some(vec![Arc::new(processor(Arc::clone(cancel), self.end_token, guide))]);
        self.requests.blocking_send(Request::Normal(Box::new(request))).ok()?;
        Some(receiver)
    }

    /// Runs a sequence that is cancelled before it begins: it must end at the end token.
    fn try_out(&self, ends: &EndTokens) -> Result<(), String> {
        let cancel = Arc::new(Cancel::default());
        cancel.cancel();
        let mut parameters = SamplingParams { max_len: Some(8), ..SamplingParams::deterministic() };
        if !ends.untold.is_empty() {
            parameters.stop_toks = Some(StopTokens::Ids(ends.untold.clone()));
        }
        let dead = || "the engine died in its trial run".to_owned();
        let mut responses =
            self.start(vec![ends.first], parameters, &cancel, None).ok_or_else(dead)?;
        while let Some(response) = responses.blocking_recv() {
            if let Some(problem) = problem(&response) {
                return Err(format!("its trial run failed: {problem}"));
            }
        }
        match cancel.sampled() {
            0 => Err(dead()),
            // Two, because the engine forgets that a sequence has ended with its first token.
            1 | 2 => Ok(()),
            _ => {
                Err("an answer cannot be stopped: the engine ignores the model's end token"
                    .to_owned())
            }
        }
    }
}

/// What a response says went wrong, if it does.
pub(crate) fn problem(response: &Response) -> Option<String> {
    match response {
        Response::CompletionModelError(message, _) | Response::ModelError(message, _) => {
            Some(message.clone())
        }
        Response::InternalError(error) | Response::ValidationError(error) => {
            Some(error.to_string())
        }
        _ => None,
    }
}

async fn model(blueprint: &Blueprint) -> Result<Model, String> {
    let settings = &blueprint.settings;
    let on_cpu = settings.device == Device::Cpu;
    let paging = Paging::of(settings).map_err(|error| error.to_string())?;
    let paging = paging.map(Paging::config).transpose()?;
    let built = match &blueprint.weights {
        Weights::Folder(folder) => {
            let mut builder = TextModelBuilder::new(folder.display())
                .with_dtype(settings.dtype.on(settings.device))
                .with_token_source(TokenSource::None)
                .with_prefix_cache_n(None)
                .with_max_num_seqs(1);
            if on_cpu {
                builder = builder.with_force_cpu();
            }
            if let Some(paging) = paging {
                builder = builder.with_paged_attn(paging);
            }
            if let Some(quantization) = settings.isq {
                builder = builder.with_isq(quantization.engine_type());
            }
            Box::pin(builder.build()).await
        }
        Weights::Gguf { folder, file } => {
            let mut builder = GgufModelBuilder::new(folder.display(), vec![file])
                .with_tok_model_id(folder.display())
                .with_token_source(TokenSource::None)
                .with_prefix_cache_n(None)
                .with_max_num_seqs(1);
            if on_cpu {
                builder = builder.with_force_cpu();
            }
            if let Some(paging) = paging {
                builder = builder.with_paged_attn(paging);
            }
            Box::pin(builder.build()).await
        }
    };
    built.map_err(|error| error.to_string())
}

/// Counts each token, leaves those that the guide allows to draw and, once cancelled, only the end
/// token.
fn processor(
    cancel: Arc<Cancel>,
    end_token: u32,
    guide: Option<Guide>,
) -> impl Fn(&Tensor, &[u32]) -> mistralrs::Result<Tensor> + Send + Sync {
    // Called for one token after the other; the lock is for the compiler.
    let guide = guide.map(Mutex::new);
    move |logits, context| {
        cancel.sampled.fetch_add(1, Ordering::Relaxed);
        if cancel.is_cancelled() {
            return only(end_token, logits);
        }
        let Some(guide) = &guide else { return Ok(logits.clone()) };
        match &mut *guide.lock().unwrap_or_else(PoisonError::into_inner) {
            Guide::Form(form) => match form.next(context) {
                Ok(allowed) => among(logits, |bias| {
                    allowed.iter_set_entries(|token| {
                        if let Some(bias) = bias.get_mut(token) {
                            *bias = 0.0;
                        }
                    });
                }),
                Err(problem) => {
                    cancel.give_up(problem);
                    only(end_token, logits)
                }
            },
            Guide::Dictation(dictation) => {
                let thought = logits.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
                only(dictation.next(&thought).unwrap_or(end_token), logits)
            }
        }
    }
}

/// The logits of those tokens alone that `allow` sets to 0.
fn among(logits: &Tensor, allow: impl FnOnce(&mut [f32])) -> mistralrs::Result<Tensor> {
    let mut bias = vec![f32::NEG_INFINITY; logits.elem_count()];
    allow(&mut bias);
    let bias = Tensor::from_vec(bias, logits.dims(), logits.device())?;
    logits + bias.to_dtype(logits.dtype())?
}

/// Logits that leave one token.
fn only(token: u32, logits: &Tensor) -> mistralrs::Result<Tensor> {
    let mut certain = vec![f32::NEG_INFINITY; logits.elem_count()];
    if let Some(logit) = certain.get_mut(token as usize) {
        *logit = 0.0;
    }
    Tensor::from_vec(certain, logits.dims(), logits.device())?.to_dtype(logits.dtype())
}

/// What a panic says of itself.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or(panic.downcast_ref::<&str>().copied());
    format!("it panicked: {}", message.unwrap_or("no reason given"))
}
