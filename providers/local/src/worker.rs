//! The thread that owns an engine: it serves one request after the other and replaces an engine
//! that died.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anima_provider::{FinishReason, ProviderError, ProviderEvent, Usage};
use mistralrs::{Request, Response};
use tokio::sync::mpsc::Sender;
use tracing::{error, warn};

use crate::{
    answer::Event,
    engine::{Blueprint, Cancel, Engine, Guide, problem},
    queue::{FairQueue, Ticket},
    sampling::Plan,
    stop::{Scan, StopScanner},
};

/// The pause after the first failed rebuild; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two rebuilds.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// A request that is ready for the engine.
pub(crate) struct Job {
    pub(crate) prompt: Vec<u32>,
    pub(crate) plan: Plan,
    /// What the answer is bound to.
    pub(crate) guide: Option<Guide>,
    pub(crate) cancel: Arc<Cancel>,
    /// Has a place for every event that a job can have, so nothing ever waits for the caller.
    pub(crate) events: Sender<Event>,
}

/// What the worker shows of itself.
#[derive(Default)]
pub(crate) struct Status {
    /// The way to the engine; `None` while there is none.
    engine: Mutex<Option<Sender<Request>>>,
    rebuilds: AtomicUsize,
}

impl Status {
    /// The way to the engine, if it is alive.
    pub(crate) fn engine(&self) -> Option<Sender<Request>> {
        let engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        engine.clone().filter(|requests| !requests.is_closed())
    }

    /// Whether there is no engine at present. One that died unnoticed counts as there: the next
    /// request finds out.
    pub(crate) fn is_rebuilding(&self) -> bool {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    pub(crate) fn rebuilds(&self) -> usize {
        self.rebuilds.load(Ordering::Relaxed)
    }

    pub(crate) fn set_engine(&self, engine: Option<Sender<Request>>) {
        *self.engine.lock().unwrap_or_else(PoisonError::into_inner) = engine;
    }
}

/// Serves the queue until it is closed and empty.
pub(crate) fn run(
    name: &str,
    mut engine: Engine,
    blueprint: &Blueprint,
    queue: &FairQueue<Job>,
    status: &Status,
) {
    let _guard = CloseOnExit(queue);
    while let Some(ticket) = queue.next() {
        let started = Instant::now();
        let last = serve(&engine, &ticket);
        queue.finished(started.elapsed());
        if let Some(last) = last {
            // A caller that is gone needs no last event.
            let _ = ticket.payload.events.try_send(last);
        }
        drop(ticket);
        if !engine.is_alive() {
            status.set_engine(None);
            status.rebuilds.fetch_add(1, Ordering::Relaxed);
            warn!(provider.name = name, "The engine of {name} died and is rebuilt");
            refuse_all(queue);
            drop(engine);
            match rebuild(name, blueprint, queue) {
                Some(fresh) => engine = fresh,
                None => return,
            }
            status.set_engine(Some(engine.requests()));
        }
    }
}

/// Builds a new engine, again and again until it works or nobody wants it any more.
fn rebuild(name: &str, blueprint: &Blueprint, queue: &FairQueue<Job>) -> Option<Engine> {
    let mut pause = FIRST_PAUSE;
    loop {
        match Engine::build(blueprint) {
            Ok(engine) => return Some(engine),
            Err(problem) => {
                error!(provider.name = name, "The engine of {name} was not rebuilt: {problem}");
            }
        }
        refuse_all(queue);
        if queue.closed_within(pause) {
            return None;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Closes the queue when the thread ends, however it ends: nobody waits for a thread that is gone.
struct CloseOnExit<'a>(&'a FairQueue<Job>);

impl Drop for CloseOnExit<'_> {
    fn drop(&mut self) {
        self.0.close();
        refuse_all(self.0);
    }
}

fn refuse_all(queue: &FairQueue<Job>) {
    for ticket in queue.drain() {
        let _ = ticket.payload.events.try_send(Err(gone()));
    }
}

/// The engine is not there.
pub(crate) fn gone() -> ProviderError {
    ProviderError::Unavailable("the engine died and is being rebuilt".into())
}

/// Answers one request; the engine is free when this returns. Gives back the event that ends the
/// answer, unless it was sent already or nobody listens.
fn serve(engine: &Engine, ticket: &Ticket<Job>) -> Option<Event> {
    let Job { prompt, plan, guide, cancel, events } = &ticket.payload;
    ticket.admit();
    if cancel.is_cancelled() {
        return None;
    }
    let parameters = plan.parameters.clone();
    let Some(mut responses) = engine.start(prompt.clone(), parameters, cancel, guide.clone())
    else {
        return Some(Err(gone()));
    };
    let mut progress = Progress { scanner: StopScanner::new(plan.stop.clone()), events, end: None };
    let (mut failure, mut done) = (None, None);
    while let Some(response) = responses.blocking_recv() {
        if let Some(message) = problem(&response) {
            failure = Some(ProviderError::Unavailable(message.into()));
            continue;
        }
        let Response::CompletionChunk(chunk) = response else { continue };
        for choice in chunk.choices {
            if progress.end.is_some() {
                // The engine forgets that a sequence ended with its first token and goes on.
                continue;
            }
            progress.take(&choice.text, choice.finish_reason.as_deref());
            if let Some(end) = progress.end {
                let sampled = cancel.sampled().min(plan.max_tokens);
                let usage = usage(prompt.len(), sampled, end.cut);
                let event = ProviderEvent::Done { reason: end.reason, usage: Some(usage) };
                cancel.cancel();
                if end.cut {
                    // The engine needs a step or two to end, the caller need not wait for that.
                    let _ = events.try_send(Ok(event));
                } else {
                    done = Some(event);
                }
            }
        }
    }
    if let Some(problem) = cancel.problem() {
        let message = format!("the form of the answer is too complex: {problem}");
        return Some(Err(ProviderError::InvalidRequest { message }));
    }
    if let Some(failure) = failure {
        return Some(Err(failure));
    }
    if progress.end.is_some() {
        return done.map(Ok);
    }
    let sampled = cancel.sampled();
    if !engine.is_alive() || (sampled == 0 && !cancel.is_cancelled()) {
        return Some(Err(gone()));
    }
    // The last chunk is not sent when the answer ends inside of a character.
    let held = progress.scanner.finish();
    progress.pass_on(held);
    let reason = if sampled < plan.max_tokens { FinishReason::Stop } else { FinishReason::Length };
    Some(Ok(ProviderEvent::Done { reason, usage: Some(usage(prompt.len(), sampled, false)) }))
}

/// An answer under way.
struct Progress<'a> {
    scanner: StopScanner,
    events: &'a Sender<Event>,
    end: Option<End>,
}

/// How an answer ended.
#[derive(Clone, Copy)]
struct End {
    reason: FinishReason,
    /// By us, at a stop string.
    cut: bool,
}

impl Progress<'_> {
    fn take(&mut self, text: &str, reason: Option<&str>) {
        match self.scanner.push(text) {
            Scan::Text(text) => self.pass_on(text),
            Scan::Stop(text) => {
                self.pass_on(text);
                self.end = Some(End { reason: FinishReason::Stop, cut: true });
                return;
            }
        }
        if let Some(reason) = reason {
            let held = self.scanner.finish();
            self.pass_on(held);
            let reason = if reason == "length" { FinishReason::Length } else { FinishReason::Stop };
            self.end = Some(End { reason, cut: false });
        }
    }

    fn pass_on(&self, text: String) {
        if !text.is_empty() {
            // Full is impossible, closed means that the caller is gone.
            let _ = self.events.try_send(Ok(ProviderEvent::Text(text)));
        }
    }
}

fn usage(prompt_tokens: usize, completion_tokens: usize, estimated: bool) -> Usage {
    let count = |tokens: usize| u32::try_from(tokens).unwrap_or(u32::MAX);
    Usage {
        prompt_tokens: count(prompt_tokens),
        completion_tokens: count(completion_tokens),
        estimated,
    }
}
