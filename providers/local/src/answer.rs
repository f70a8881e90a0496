//! What the caller sees of a request: its place in the queue, then its events.

use std::sync::Arc;

use anima_provider::{EventStream, ProviderError, ProviderEvent};
use futures::{StreamExt, stream};
use tokio::sync::{mpsc, watch};

use crate::{
    engine::Cancel,
    queue::{FairQueue, Place},
    worker::Job,
};

/// One event, or the error that ends the answer.
pub(crate) type Event = Result<ProviderEvent, ProviderError>;

/// Leaves the queue, or ends the generation, when the caller loses interest.
struct Leave {
    queue: Arc<FairQueue<Job>>,
    ticket: u64,
    cancel: Arc<Cancel>,
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.queue.leave(self.ticket);
    }
}

/// The caller's end of a queued request.
pub(crate) struct Answer {
    place: watch::Receiver<Place>,
    reported: u32,
    model: String,
    events: mpsc::Receiver<Event>,
    stage: Stage,
    /// Held for its drop.
    _leave: Leave,
}

enum Stage {
    Waiting,
    Answering,
    Ended,
}

impl Answer {
    pub(crate) fn new(
        queue: Arc<FairQueue<Job>>,
        (ticket, place): (u64, watch::Receiver<Place>),
        events: mpsc::Receiver<Event>,
        cancel: Arc<Cancel>,
        model: String,
    ) -> Self {
        let leave = Leave { queue, ticket, cancel };
        Self { place, reported: 0, model, events, stage: Stage::Waiting, _leave: leave }
    }

    /// The events of this answer; dropping the stream leaves the queue or stops the generation.
    pub(crate) fn into_stream(self) -> EventStream {
        stream::unfold(self, |mut answer| async move { Some((answer.next().await?, answer)) })
            .boxed()
    }

    async fn next(&mut self) -> Option<Event> {
        if matches!(self.stage, Stage::Waiting)
            && let Some(event) = self.wait().await
        {
            return Some(Ok(event));
        }
        if matches!(self.stage, Stage::Ended) {
            return None;
        }
        let lost = || Err(ProviderError::Unavailable("the engine was shut down".into()));
        let event = self.events.recv().await.unwrap_or_else(lost);
        if matches!(event, Err(_) | Ok(ProviderEvent::Done { .. })) {
            self.stage = Stage::Ended;
        }
        Some(event)
    }

    /// The next change of place; `None` when the request was taken from the queue unserved.
    async fn wait(&mut self) -> Option<ProviderEvent> {
        loop {
            match *self.place.borrow_and_update() {
                Place::Served => {
                    self.stage = Stage::Answering;
                    return Some(ProviderEvent::Admitted { model: self.model.clone() });
                }
                Place::Waiting(ahead) if ahead > 0 && ahead != self.reported => {
                    self.reported = ahead;
                    return Some(ProviderEvent::Queued { ahead });
                }
                Place::Waiting(_) => {}
            }
            if self.place.changed().await.is_err() {
                self.stage = Stage::Answering;
                return None;
            }
        }
    }
}
