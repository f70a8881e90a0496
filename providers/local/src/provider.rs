//! The provider: what the service sees of a local model.

use std::{sync::Arc, thread};

use anima_provider::{
    Capabilities, EventStream, LaneId, OutputKinds, Provider, ProviderError, Request, Scorer,
};
use async_trait::async_trait;
use futures::StreamExt;
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use crate::{
    LoadError, LocalSettings,
    answer::Answer,
    dictation::Dictation,
    engine::{Blueprint, Cancel, Engine, Guide},
    form::Forms,
    inspect::{ModelFiles, inspect},
    prompt::Prompter,
    queue::{FairQueue, Refusal},
    sampling::{Limits, Plan},
    worker::{self, Job, Status},
};

/// A model on this machine.
///
/// It answers one request at a time and lets the others wait, in turn by lane. Dropping it lets
/// the waiting answers finish and then unloads the model.
pub struct LocalProvider {
    name: String,
    model: String,
    capabilities: Capabilities,
    prompter: Prompter,
    /// None where the tokens of the model cannot be told.
    forms: Option<Forms>,
    limits: Limits,
    queue: Arc<FairQueue<Job>>,
    status: Arc<Status>,
}

/// What the engine's thread hands over once the model is loaded.
struct Loaded {
    prompter: Prompter,
    forms: Option<Forms>,
    limits: Limits,
}

impl LocalProvider {
    /// Checks the model that `settings` name, loads it and tries it out.
    ///
    /// Takes seconds to minutes, on a thread of its own; nothing is ever downloaded.
    ///
    /// # Errors
    /// One line that says what is wrong and, where there is one, the way out.
    pub async fn load(name: impl Into<String>, settings: LocalSettings) -> Result<Self, LoadError> {
        settings.validate()?;
        let name = name.into();
        let model = settings
            .model
            .file_name()
            .map_or_else(|| name.clone(), |file| file.to_string_lossy().into_owned());
        let queue = Arc::new(FairQueue::new(settings.queue));
        let status = Arc::new(Status::default());
        let (sender, receiver) = oneshot::channel();
        let path = settings.model.clone();
        let failed = |problem: &str| LoadError::engine(&path, problem);
        let thread = thread::Builder::new().name("local-engine".to_owned());
        let owned = (name.clone(), Arc::clone(&queue), Arc::clone(&status));
        // The thread ends when the queue is closed, which dropping the provider does.
        thread
            .spawn(move || {
                let (name, queue, status) = owned;
                match load(settings) {
                    Ok((loaded, engine, blueprint)) => {
                        status.set_engine(Some(engine.requests()));
                        if sender.send(Ok(loaded)).is_ok() {
                            worker::run(&name, engine, &blueprint, &queue, &status);
                        }
                    }
                    Err(error) => drop(sender.send(Err(error))),
                }
            })
            .map_err(|error| failed(&error.to_string()))?;
        let Loaded { prompter, forms, limits } =
            receiver.await.map_err(|_| failed("its thread ended early"))??;
        let capabilities = Capabilities {
            chat: prompter.takes_chat(),
            text: true,
            outputs: OutputKinds {
                json_object: forms.is_some(),
                json_schema: forms.is_some(),
                regex: forms.is_some(),
            },
            context_length: Some(limits.context_length),
            ..Capabilities::default()
        };
        Ok(Self { name, model, capabilities, prompter, forms, limits, queue, status })
    }

    /// The name of the model's folder or file.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// How many requests wait, the one that is answered not counted.
    pub fn queue_length(&self) -> usize {
        self.queue.waiting()
    }

    /// Whether the engine is alive; it is not while it is rebuilt.
    pub fn healthy(&self) -> bool {
        self.status.engine().is_some()
    }

    /// How often the engine died and was rebuilt.
    pub fn rebuilds(&self) -> usize {
        self.status.rebuilds()
    }

    /// Puts a request into the queue.
    fn enqueue(
        &self,
        lane: LaneId,
        prompt: Vec<u32>,
        plan: Plan,
        guide: Option<Guide>,
    ) -> Result<EventStream, ProviderError> {
        let cancel = Arc::new(Cancel::default());
        // A chunk makes one event at most; the rest is for the held text and the end.
        let (events, receiver) = mpsc::channel(plan.max_tokens + 16);
        let job = Job { prompt, plan, guide, cancel: Arc::clone(&cancel), events };
        let place = self.queue.push(lane, job).map_err(|refusal| match refusal {
            Refusal::Full(retry_after) => {
                ProviderError::RateLimited { retry_after: Some(retry_after) }
            }
            Refusal::Closed => ProviderError::Unavailable("the engine was shut down".into()),
        })?;
        let queue = Arc::clone(&self.queue);
        Ok(Answer::new(queue, place, receiver, cancel, self.model.clone()).into_stream())
    }

    /// Ends the engine as a crash would, which the next request finds out; for tests.
    #[doc(hidden)]
    pub fn crash(&self) {
        if let Some(engine) = self.status.engine() {
            // A full channel means a busy engine, which a test does not have.
            let _ = engine.try_send(mistralrs::Request::Terminate);
        }
    }
}

/// Inspects and builds, on the engine's thread.
fn load(settings: LocalSettings) -> Result<(Loaded, Engine, Blueprint), LoadError> {
    let ModelFiles { weights, tokenizer, template, ends, defaults } = inspect(&settings)?;
    let blueprint = Blueprint { weights, ends, settings };
    let engine = Engine::build(&blueprint)?;
    let settings = &blueprint.settings;
    let path = blueprint.weights.path();
    let trained_length = engine
        .trained_length()
        .ok_or_else(|| LoadError::engine(&path, "it does not know the model's context length"))?;
    let limits = Limits {
        defaults: settings.sampling.clone().or(&defaults),
        trained_length,
        context_length: settings.context_length.unwrap_or(trained_length).min(trained_length),
        end_tokens: blueprint.ends.untold.clone(),
    };
    let forms = Forms::new(&tokenizer, &blueprint.ends)
        .inspect_err(|problem| warn!("{} answers in plain text only: {problem}", path.display()))
        .ok();
    let prompter = Prompter::new(tokenizer, template);
    Ok((Loaded { prompter, forms, limits }, engine, blueprint))
}

#[async_trait]
impl Provider for LocalProvider {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn count_tokens(&self, request: &Request) -> Option<usize> {
        self.prompter.tokens(&request.input).ok().map(|tokens| tokens.len())
    }

    async fn generate(&self, request: Request) -> Result<EventStream, ProviderError> {
        if let Some(feature) = self.capabilities.lacks(&request) {
            return Err(ProviderError::Unsupported { feature });
        }
        let prompt = self.prompter.tokens(&request.input)?;
        let plan = self.limits.plan(request.sampling, prompt.len())?;
        if self.status.is_rebuilding() {
            return Err(worker::gone());
        }
        let form = match &self.forms {
            Some(forms) => forms.form(request.output).await?,
            None => None,
        };
        let guide = form.map(|form| Guide::Form(Box::new(form)));
        self.enqueue(request.lane, prompt, plan, guide)
    }

    fn scorer(&self) -> Option<&dyn Scorer> {
        Some(self)
    }
}

#[async_trait]
impl Scorer for LocalProvider {
    async fn score(&self, text: &str) -> Result<Vec<f64>, ProviderError> {
        let (beginning, mut tokens) = self.prompter.dictated(text)?;
        // A model without a token for the beginning begins with the first of the text.
        let prompt = if beginning.is_empty() {
            tokens.drain(..tokens.len().min(1)).collect()
        } else {
            beginning
        };
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let plan = self.limits.plan_whole(prompt.len(), tokens.len())?;
        if self.status.is_rebuilding() {
            return Err(worker::gone());
        }
        let dictation = Dictation::new(&tokens);
        let guide = Some(Guide::Dictation(dictation.clone()));
        let mut events = self.enqueue(LaneId(String::new()), prompt, plan, guide)?;
        while let Some(event) = events.next().await {
            event?;
        }
        dictation.likelihoods().ok_or_else(|| ProviderError::Unsupported {
            feature: "the likelihood of this text: the model ends at one of its tokens".to_owned(),
        })
    }
}

impl Drop for LocalProvider {
    fn drop(&mut self) {
        self.queue.close();
    }
}
