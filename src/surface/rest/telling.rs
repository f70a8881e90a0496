//! A turn as it is told over HTTP: whole, or frame by frame as server-sent events.

use std::{convert::Infallible, sync::Arc, time::Duration};

use actix_web::{HttpResponse, web::Bytes};
use futures::{StreamExt, stream};
use serde::Serialize;
use tokio::{sync::watch::Receiver, time::timeout};
use utoipa::ToSchema;

use super::super::{error::HttpError, frames};
use crate::{
    session::{Entry, EventLog, Read, Session},
    turn::{Outcome, Sentence, TurnError, TurnErrorCode, TurnEvent, TurnId, Verdict},
};

/// A comment keeps an event stream alive, and shows us when its reader has gone.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// A turn told whole.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::surface) struct WholeTurn {
    #[schema(value_type = String)]
    turn: TurnId,
    replay: bool,
    /// Said only where it is `false`: the turn was answered without being kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    durable: Option<bool>,
    provider: String,
    model: String,
    pub(in crate::surface) sentences: Vec<Sentence>,
    pub(in crate::surface) verdicts: Vec<Verdict>,
    /// How it ended, its text and its timing.
    #[serde(flatten)]
    pub(in crate::surface) outcome: Outcome,
}

/// Follows a turn in the log, from its `accepted` at `from` to its end.
///
/// # Errors
/// When the turn failed, or its reader was too slow for the log.
pub(in crate::surface) async fn collect(
    log: &EventLog,
    turn: &TurnId,
    from: u64,
) -> Result<WholeTurn, HttpError> {
    let mut follower = Follower::new(log, turn, from);
    let (mut replay, mut durable) = (false, None);
    let (mut provider, mut model) = (String::new(), String::new());
    let (mut sentences, mut verdicts) = (Vec::new(), Vec::new());
    loop {
        let entry = follower.next(log).await?;
        match &entry.event {
            TurnEvent::Accepted { replay: again, durable: kept } => {
                (replay, durable) = (*again, (!kept).then_some(false));
            }
            TurnEvent::Started { provider: by, model: with } => {
                (provider, model) = (by.clone(), with.clone());
            }
            TurnEvent::Sentence(sentence) => sentences.push(sentence.clone()),
            TurnEvent::Verdict(verdict) => verdicts.push(verdict.clone()),
            TurnEvent::Finished(outcome) => {
                let turn = turn.clone();
                let outcome = outcome.clone();
                return Ok(WholeTurn {
                    turn,
                    replay,
                    durable,
                    provider,
                    model,
                    sentences,
                    verdicts,
                    outcome,
                });
            }
            TurnEvent::Failed(error) => return Err(error.clone().into()),
            _ => {}
        }
    }
}

/// Reads one turn's events out of a log.
struct Follower {
    turn: TurnId,
    from: u64,
    head: Receiver<u64>,
    /// Whether the model's reasoning is told, too.
    reasoning: bool,
}

impl Follower {
    fn new(log: &EventLog, turn: &TurnId, from: u64) -> Self {
        Self { turn: turn.clone(), from, head: log.watch(), reasoning: false }
    }

    async fn next(&mut self, log: &EventLog) -> Result<Arc<Entry>, TurnError> {
        let lost = || TurnError::new(TurnErrorCode::Internal, "the events of this turn are gone");
        loop {
            match log.read(self.from, 1) {
                Read::Entries(entries) => match entries.into_iter().next() {
                    Some(entry) => {
                        self.from = entry.seq + 1;
                        let told =
                            self.reasoning || !matches!(entry.event, TurnEvent::Reasoning(_));
                        if told && entry.turn == self.turn {
                            return Ok(entry);
                        }
                    }
                    None => self.head.changed().await.map_err(|_| lost())?,
                },
                Read::Lost => return Err(lost()),
            }
        }
    }
}

/// The frames of a turn as server-sent events.
pub(super) fn events(session: Session, turn: &TurnId, from: u64, reasoning: bool) -> HttpResponse {
    let follower = Follower { reasoning, ..Follower::new(session.log(), turn, from) };
    let body = stream::unfold(Some((session, follower)), |state| async move {
        let (session, mut follower) = state?;
        let bytes = match timeout(HEARTBEAT, follower.next(session.log())).await {
            Err(_) => return Some((Bytes::from_static(b": alive\n\n"), Some((session, follower)))),
            Ok(Err(error)) => {
                let frame = frames::error(&error.into(), None, Some(&follower.turn));
                return Some((Bytes::from(format!("event: error\ndata: {frame}\n\n")), None));
            }
            Ok(Ok(entry)) => {
                let (kind, seq) = (frames::event_type(&entry.event), entry.seq);
                let frame = frames::event(session.id(), &entry);
                (
                    Bytes::from(format!("event: {kind}\nid: {seq}\ndata: {frame}\n\n")),
                    entry.event.is_terminal(),
                )
            }
        };
        let (bytes, last) = bytes;
        Some((bytes, (!last).then_some((session, follower))))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream; charset=utf-8")
        .insert_header(("cache-control", "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(body.map(Ok::<_, Infallible>))
}
