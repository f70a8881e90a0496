//! Answers as server-sent events.

use std::{convert::Infallible, mem, time::Duration};

use actix_web::{
    HttpResponse,
    web::{Bytes, Data},
};
use anima_provider::TokenLogprob;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use tokio::time::timeout;

use super::{
    super::House, HttpError, answers::Answers, call::Call, chunk::ChunkWriter, finish_reason,
};
use crate::turn::{TurnEvent, pipeline::Place};

/// How long nothing may come before the caller is told that it still will. Until then a failure has
/// its own status; after it, it is an event.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Bytes after which no more is put into one piece, however much there is.
const PIECE: usize = 16 * 1024;

/// Answers with a stream.
///
/// # Errors
/// When it comes to nothing before anything was said.
pub(super) async fn respond(
    house: Data<House>,
    call: Call,
    place: Place,
) -> Result<HttpResponse, HttpError> {
    let id = format!("chatcmpl-{}", call.id);
    let writer = ChunkWriter::new(id, Timestamp::now().as_second(), call.with_usage);
    let request_id = call.id.to_string();
    let mut answers = Answers::begin(house, call, place);
    let ready = timeout(HEARTBEAT, first(&mut answers)).await;
    let ready = match ready {
        Ok(first) => first?,
        Err(_) => Vec::new(),
    };
    let telling = Telling { answers, writer, ready, logprobs: Vec::new(), ended: false };
    let body = stream::unfold(telling, |mut telling| async move {
        telling.next().await.map(|bytes| (bytes, telling))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream; charset=utf-8")
        .insert_header(("cache-control", "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .insert_header(("x-request-id", request_id))
        .streaming(body.map(Ok::<_, Infallible>)))
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
struct Telling {
    answers: Answers,
    writer: ChunkWriter,
    /// What has come and is not written yet.
    ready: Vec<TurnEvent>,
    /// Tokens that wait for their text.
    logprobs: Vec<TokenLogprob>,
    ended: bool,
}

impl Telling {
    /// The next piece: everything that is there when it is asked for. `None` after the end.
    async fn next(&mut self) -> Option<Bytes> {
        while self.writer.len() == 0 && !self.ended {
            if self.ready.is_empty() {
                match timeout(HEARTBEAT, self.answers.next()).await {
                    Ok(events) => self.ready = events,
                    Err(_) => self.writer.wait(),
                }
            }
            loop {
                for event in mem::take(&mut self.ready) {
                    self.tell(event);
                }
                if self.ended || self.writer.len() > PIECE {
                    break;
                }
                match self.answers.ready() {
                    Some(events) => self.ready = events,
                    None => break,
                }
            }
        }
        (self.writer.len() > 0).then(|| self.writer.take())
    }

    fn tell(&mut self, event: TurnEvent) {
        let choice = self.answers.choice;
        match event {
            TurnEvent::Started { provider, .. } => {
                self.writer.begin(choice, &self.answers.model(provider));
            }
            TurnEvent::Logprobs(tokens) => self.logprobs.extend(tokens),
            TurnEvent::Delta(text) => {
                let logprobs = mem::take(&mut self.logprobs);
                let logprobs = (!logprobs.is_empty()).then_some(logprobs);
                self.writer.text(choice, &text, logprobs.as_deref());
            }
            TurnEvent::Tool(delta) => self.writer.tool(choice, &delta),
            // A persona's is its own.
            TurnEvent::Reasoning(text) if self.answers.call.persona().is_none() => {
                self.writer.reasoning(choice, &text);
            }
            TurnEvent::Finished(outcome) => {
                let logprobs = mem::take(&mut self.logprobs);
                let logprobs = (!logprobs.is_empty()).then_some(logprobs);
                self.writer.finish(choice, finish_reason(outcome.reason), logprobs.as_deref());
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
            TurnEvent::Accepted { .. }
            | TurnEvent::Queued { .. }
            | TurnEvent::Reasoning(_)
            | TurnEvent::Sentence(_)
            | TurnEvent::Verdict(_) => {}
        }
    }
}
