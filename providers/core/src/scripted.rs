//! A provider that answers from a script: the double for tests and demonstrations.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, stream};

use crate::{
    Capabilities, EventStream, FinishReason, Provider, ProviderError, ProviderEvent, Request, Usage,
};

/// One step of a [`Script`].
#[derive(Debug)]
pub enum Step {
    /// Yield this event.
    Event(ProviderEvent),
    /// Let time pass.
    Wait(Duration),
    /// Fail, which ends the answer.
    Fail(ProviderError),
    /// Yield nothing more and never end.
    Hang,
}

/// What one answer does, step by step.
#[derive(Debug, Default)]
pub struct Script(Vec<Step>);

impl Script {
    /// An answer that is admitted, says `pieces` and ends of itself.
    pub fn saying<I: IntoIterator<Item = S>, S: Into<String>>(pieces: I) -> Self {
        let mut script = Self::admitted();
        for piece in pieces {
            script = script.text(piece);
        }
        script.done(FinishReason::Stop)
    }

    /// A script whose first step is admission.
    pub fn admitted() -> Self {
        Self(vec![Step::Event(ProviderEvent::Admitted { model: "scripted".to_owned() })])
    }

    /// Adds a piece of text; an empty one is left out, as the contract asks.
    #[must_use]
    pub fn text(mut self, piece: impl Into<String>) -> Self {
        let piece = piece.into();
        if !piece.is_empty() {
            self.0.push(Step::Event(ProviderEvent::Text(piece)));
        }
        self
    }

    /// Adds the end.
    #[must_use]
    pub fn done(self, reason: FinishReason) -> Self {
        let usage = Usage { prompt_tokens: 1, completion_tokens: 1, estimated: false };
        self.then(Step::Event(ProviderEvent::Done { reason, usage: Some(usage) }))
    }

    /// Adds any step.
    #[must_use]
    pub fn then(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }

    /// Plays the steps as they are polled for.
    pub fn play(self) -> EventStream {
        stream::unfold(self.0.into_iter(), |mut steps| async move {
            loop {
                match steps.next()? {
                    Step::Event(event) => return Some((Ok(event), steps)),
                    Step::Wait(duration) => tokio::time::sleep(duration).await,
                    Step::Fail(error) => return Some((Err(error), Vec::new().into_iter())),
                    Step::Hang => std::future::pending().await,
                }
            }
        })
        .boxed()
    }
}

/// Makes the script of the answer to a request.
type Author = dyn Fn(&Request) -> Result<Script, ProviderError> + Send + Sync;

/// A provider that answers from scripts and remembers what it was asked.
#[derive(Clone)]
pub struct ScriptedProvider {
    name: String,
    capabilities: Capabilities,
    author: Arc<Author>,
    requests: Arc<Mutex<Vec<Request>>>,
    running: Arc<AtomicUsize>,
}

impl ScriptedProvider {
    /// A provider that asks `author` for the script of each answer.
    pub fn new<F>(name: impl Into<String>, author: F) -> Self
    where
        F: Fn(&Request) -> Result<Script, ProviderError> + Send + Sync + 'static,
    {
        Self {
            name: name.into(),
            capabilities: Capabilities { chat: true, text: true, ..Capabilities::default() },
            author: Arc::new(author),
            requests: Arc::default(),
            running: Arc::default(),
        }
    }

    /// A provider that plays `scripts` one after the other, then fails as unavailable.
    pub fn playing(name: impl Into<String>, scripts: impl IntoIterator<Item = Script>) -> Self {
        let scripts = Mutex::new(scripts.into_iter().collect::<VecDeque<_>>());
        Self::new(name, move |_| {
            let next = scripts.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            next.ok_or_else(|| ProviderError::Unavailable("the scripts are used up".into()))
        })
    }

    /// The same with other capabilities.
    #[must_use]
    pub fn with_capabilities(self, capabilities: Capabilities) -> Self {
        Self { capabilities, ..self }
    }

    /// Everything that was asked so far, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many answers are under way: started, neither ended nor dropped.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }
}

/// Counts an answer as running for as long as it lives.
struct RunningGuard(Arc<AtomicUsize>);

impl RunningGuard {
    fn new(running: &Arc<AtomicUsize>) -> Self {
        running.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(running))
    }
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Provider for ScriptedProvider {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn count_tokens(&self, _request: &Request) -> Option<usize> {
        None
    }

    async fn generate(&self, request: Request) -> Result<EventStream, ProviderError> {
        let script = (self.author)(&request)?;
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        let state = (script.play(), RunningGuard::new(&self.running));
        Ok(stream::unfold(state, |(mut events, guard)| async move {
            events.next().await.map(|event| (event, (events, guard)))
        })
        .boxed())
    }
}
