//! The stream of vLLM's `/generate`: one object a piece, each with everything so far.

use std::{convert::Infallible, time::Duration};

use actix_web::{
    HttpResponse,
    web::{Bytes, Data},
};
use futures::{StreamExt, stream};
use serde_json::json;
use tokio::time::timeout;

use super::{
    super::super::{House, answers::Answers, error::HttpError},
    Call,
};
use crate::turn::{TurnEvent, pipeline::Place};

/// What a stream is called; that server calls it nothing.
pub(super) const KIND: &str = "application/octet-stream";

/// How long nothing may come before the caller is told that it still will. Until then a failure has
/// its own status; after it, it is the last object.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// A sign of life: a NUL, after which there is an empty piece. That server's own clients, and those that
/// were made after them, pass over empty pieces; those that take the last chunk for the answer never get
/// one that is nothing but this, as an object always follows.
const WAITING: Bytes = Bytes::from_static(b"\0");

/// Answers with a stream.
///
/// # Errors
/// When it comes to nothing before anything was said.
pub(super) async fn respond(
    house: Data<House>,
    call: Call,
    place: Place,
) -> Result<HttpResponse, HttpError> {
    let texts = vec![call.prompt; call.n];
    let answers = Answers::begin(house, call.asking, place);
    let mut telling = Telling { answers, texts, stands: Stands::Silent };
    // A failure before the first piece has its own status.
    let first = telling.next_in_time().await;
    if let Stands::Failed(error) = telling.stands {
        return Err(error);
    }
    let rest = stream::unfold(telling, |mut telling| async move {
        telling.next_in_time().await.map(|bytes| (bytes, telling))
    });
    let body = stream::iter(first).chain(rest).map(Ok::<_, Infallible>);
    Ok(HttpResponse::Ok()
        .content_type(KIND)
        .insert_header(("cache-control", "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(body))
}

/// Answers on their way to a caller.
struct Telling {
    answers: Answers,
    /// The prompt and what there is of each answer.
    texts: Vec<String>,
    stands: Stands,
}

/// How far a stream is.
enum Stands {
    /// Nothing has been said.
    Silent,
    /// Nothing but that something will be.
    Waiting,
    /// Something has.
    Speaking,
    /// It failed before anything was.
    Failed(HttpError),
    /// It failed, which is told next.
    Failing(HttpError),
    /// Everything was told.
    Ended,
}

impl Telling {
    /// The next piece, or a sign of life where it does not come soon. `None` after the end.
    async fn next_in_time(&mut self) -> Option<Bytes> {
        if let Ok(piece) = timeout(HEARTBEAT, self.next()).await {
            return piece;
        }
        if matches!(self.stands, Stands::Silent) {
            self.stands = Stands::Waiting;
        }
        Some(WAITING)
    }

    /// The next piece: the texts as they are when something has come. `None` after the end. Nothing is
    /// lost where it is not waited for to its end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            match &self.stands {
                Stands::Ended | Stands::Failed(_) => return None,
                Stands::Failing(error) => {
                    let last = piece(&error.body());
                    self.stands = Stands::Ended;
                    return Some(last);
                }
                Stands::Silent | Stands::Waiting | Stands::Speaking => {}
            }
            let mut has_news = false;
            let mut events = self.answers.next().await;
            // What has come meanwhile goes into the same piece, as each repeats all before it.
            while !events.last().is_some_and(TurnEvent::is_terminal)
                && let Some(more) = self.answers.ready()
            {
                events.extend(more);
            }
            for event in events {
                match event {
                    TurnEvent::Delta(text) => has_news |= self.hear(&text),
                    TurnEvent::Finished(_) if !self.answers.go_on() => {
                        // The last piece comes even where nothing was said.
                        has_news |= matches!(self.stands, Stands::Silent | Stands::Waiting);
                        self.stands = Stands::Ended;
                    }
                    TurnEvent::Failed(error) => {
                        let error = error.into();
                        self.stands = match self.stands {
                            Stands::Silent if !has_news => Stands::Failed(error),
                            _ => Stands::Failing(error),
                        };
                    }
                    _ => {}
                }
            }
            if has_news {
                if matches!(self.stands, Stands::Silent | Stands::Waiting) {
                    self.stands = Stands::Speaking;
                }
                return Some(piece(&json!({ "text": self.texts })));
            }
        }
    }

    fn hear(&mut self, text: &str) -> bool {
        let at = usize::try_from(self.answers.choice).unwrap_or(usize::MAX);
        let Some(answer) = self.texts.get_mut(at) else { return false };
        answer.push_str(text);
        true
    }
}

fn piece(object: &serde_json::Value) -> Bytes {
    Bytes::from(format!("{object}\0"))
}
