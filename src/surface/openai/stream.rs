//! Answers as server-sent events.

use std::{
    convert::Infallible,
    mem,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use actix_web::{
    HttpResponse,
    web::{Bytes, Data},
};
use anima_provider::{TokenLogprob, ToolDelta, Usage};
use futures::Stream;
use jiff::Timestamp;
use serde_json::Value;
use tokio::{task::yield_now, time::timeout};

use super::{
    super::{House, answers::Answers, checked::Checked},
    HttpError,
    call::Call,
    chunk::ChunkWriter,
    finish_reason,
};
use crate::turn::{
    TurnEvent,
    pipeline::{Patience, Place},
};

/// How long nothing may come before the caller is told that it still will. Until then a failure has
/// its own status; after it, it is an event.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Bytes after which no more is put into one piece, however much there is.
const PIECE: usize = 16 * 1024;

/// How soon after a piece the next one belongs to the same burst; models do not speak so fast. What
/// was held up on its way comes together, and is written together.
const BURST: Duration = Duration::from_millis(2);

/// How an answer ends.
#[derive(Clone, Copy)]
pub(super) struct End<'end> {
    /// Why, as callers know it.
    pub(super) reason: &'end str,
    /// What the check says of it, where it was checked.
    pub(super) check: Option<&'end Value>,
}

/// Writes what happens into a buffer, which is taken whenever there is something in it.
pub(super) trait Writer: Unpin + 'static {
    /// Begins an answer of this model.
    fn begin(&mut self, choice: u32, model: &str);
    /// A piece of the answer, with the tokens that it is made of.
    fn text(&mut self, choice: u32, text: &str, logprobs: &[TokenLogprob]);
    /// A piece of the reasoning.
    fn reasoning(&mut self, choice: u32, text: &str);
    /// A piece of a function call.
    fn tool(&mut self, choice: u32, delta: &ToolDelta);
    /// The end of an answer; `logprobs` are those that had no text any more.
    fn finish(&mut self, choice: u32, end: End<'_>, logprobs: &[TokenLogprob]);
    /// The end of the stream, and what it cost.
    fn done(&mut self, usage: Option<Usage>);
    /// A failure in the middle, after which nothing comes.
    fn error(&mut self, error: &HttpError);
    /// A sign of life.
    fn wait(&mut self);
    /// How many bytes there are to take.
    fn len(&self) -> usize;
    /// What was written since the last time.
    fn take(&mut self) -> Bytes;
}

/// Answers with a stream of chunks of a conversation.
///
/// # Errors
/// When it comes to nothing before anything was said.
pub(super) async fn respond(
    house: Data<House>,
    call: Call,
    place: Place,
) -> Result<HttpResponse, HttpError> {
    let id = format!("chatcmpl-{}", call.asking.id);
    let writer = ChunkWriter::new(id, Timestamp::now().as_second(), call.with_usage);
    tell(house, call, place, writer).await
}

/// Answers with a stream, as `writer` writes it.
///
/// # Errors
/// When it comes to nothing before anything was said.
pub(super) async fn tell(
    house: Data<House>,
    call: Call,
    place: Place,
    writer: impl Writer,
) -> Result<HttpResponse, HttpError> {
    let request_id = call.asking.id.to_string();
    let mut answers = Answers::begin(house, call.asking, place);
    let first = timeout(HEARTBEAT, first(&mut answers)).await;
    let mut telling = Telling::new(answers, writer);
    if let Ok(first) = first {
        telling.tell(first?);
    }
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream; charset=utf-8")
        .insert_header(("cache-control", "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .insert_header(("x-request-id", request_id))
        .streaming(telling))
}

/// The first events that a caller gets to see something of.
async fn first(answers: &mut Answers) -> Result<Vec<TurnEvent>, HttpError> {
    loop {
        let events = answers.next().await;
        match events.first() {
            Some(TurnEvent::Queued { .. }) | None => {}
            Some(TurnEvent::Failed(error)) => return Err(error.clone().into()),
            Some(_) => return Ok(events),
        }
    }
}

/// Answers on their way to a caller.
struct Telling<W> {
    answers: Answers,
    writer: W,
    /// How long it may be silent.
    silence: Patience,
    /// Tokens that wait for their text.
    logprobs: Vec<TokenLogprob>,
    /// What the check says of the answer, where it is checked.
    checked: Checked,
    ended: bool,
    /// Whether any of the answer was told.
    speaks: bool,
    /// When the last piece was given away that held any of the answer.
    spoke: Option<Instant>,
    /// Whether it was looked in vain if more of a burst has come.
    looked: bool,
}

impl<W: Writer> Telling<W> {
    fn new(answers: Answers, writer: W) -> Self {
        Self {
            answers,
            writer,
            silence: Patience::default(),
            logprobs: Vec::new(),
            checked: Checked::default(),
            ended: false,
            speaks: false,
            spoke: None,
            looked: false,
        }
    }

    /// Writes these events, and those that have come meanwhile.
    fn tell(&mut self, events: Vec<TurnEvent>) {
        let mut next = Some(events);
        while let Some(events) = next {
            for event in events {
                self.write(event);
            }
            let goes_on = !self.ended && self.writer.len() <= PIECE;
            next = goes_on.then(|| self.answers.ready()).flatten();
        }
    }

    fn write(&mut self, event: TurnEvent) {
        let choice = self.answers.choice;
        self.speaks |= matches!(event, TurnEvent::Delta(_) | TurnEvent::Reasoning(_));
        match event {
            TurnEvent::Started { provider, .. } => {
                self.writer.begin(choice, &self.answers.model(provider));
            }
            TurnEvent::Logprobs(tokens) => self.logprobs.extend(tokens),
            TurnEvent::Delta(text) => {
                self.writer.text(choice, &text, &mem::take(&mut self.logprobs));
            }
            TurnEvent::Tool(delta) => self.writer.tool(choice, &delta),
            // A persona's is its own.
            TurnEvent::Reasoning(text) if self.answers.asking.persona().is_none() => {
                self.writer.reasoning(choice, &text);
            }
            TurnEvent::Finished(outcome) => {
                let logprobs = mem::take(&mut self.logprobs);
                let checked = mem::take(&mut self.checked);
                let check = self.answers.asking.is_checked().then(|| checked.report());
                let end = End { reason: finish_reason(outcome.reason), check: check.as_ref() };
                self.writer.finish(choice, end, &logprobs);
                self.answers.add(outcome.usage);
                if !self.answers.go_on() {
                    self.writer.done(self.answers.usage());
                    self.ended = true;
                }
            }
            TurnEvent::Failed(error) => {
                self.writer.error(&error.into());
                self.ended = true;
            }
            TurnEvent::Sentence(_) | TurnEvent::Verdict(_) => self.checked.observe(&event),
            TurnEvent::Accepted { .. } | TurnEvent::Queued { .. } | TurnEvent::Reasoning(_) => {}
        }
    }

    /// Whether to look once more, after everybody else, before what is there is given away: it
    /// belongs to a burst. The first words of an answer wait for nothing.
    fn looks_again(&mut self) -> bool {
        let bursts = || self.spoke.is_some_and(|spoke| spoke.elapsed() < BURST);
        let looks = !self.looked && bursts();
        self.looked = looks;
        looks
    }

    /// What is there; `None` when that is nothing.
    fn take(&mut self) -> Option<Bytes> {
        if self.writer.len() == 0 {
            return None;
        }
        if self.speaks {
            self.spoke = Some(Instant::now());
        }
        self.looked = false;
        Some(self.writer.take())
    }
}

impl<W: Writer> Stream for Telling<W> {
    type Item = Result<Bytes, Infallible>;

    /// The next piece: everything that is there when it is asked for. `None` after the end.
    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let telling = self.get_mut();
        while !telling.ended && telling.writer.len() <= PIECE {
            telling.silence.begin(HEARTBEAT);
            match telling.answers.poll_next(context) {
                Poll::Ready(events) => {
                    telling.tell(events);
                    telling.looked = false;
                }
                Poll::Pending if telling.writer.len() == 0 => {
                    ready!(telling.silence.poll_runs_out(context));
                    telling.writer.wait();
                }
                Poll::Pending if telling.looks_again() => {
                    // It wakes this task when all others have had their turn, the connection to
                    // the model among them.
                    let _ = pin!(yield_now()).poll(context);
                    return Poll::Pending;
                }
                Poll::Pending => break,
            }
            telling.silence.end();
        }
        Poll::Ready(telling.take().map(Ok))
    }
}
