//! `GET /ws`: the native WebSocket.
//!
//! A socket is one task. It sends what the session's log has for it before it reads the next
//! command, so commands that come during a replay wait for its end. A client that does not take
//! what is sent loses its socket, never its session.

mod commands;

use std::{future::pending, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Payload},
};
use serde_json::json;
use tokio::task::yield_now;

use super::{
    House, Service,
    error::HttpError,
    frames,
    seat::Seat,
    wire::{self, End, Happening, Wire},
};
use crate::{access::Caller, turn::TurnEvent};

/// Events taken from the log at a time.
const BATCH: usize = 8;

/// What this protocol is called among the subprotocols that a client offers.
const PROTOCOL: &str = "anima";

/// Opens a socket.
pub(super) async fn open(
    house: Data<House>,
    caller: Caller,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, HttpError> {
    let inner = Arc::clone(&house);
    let serve = async move |wire| Socket { house: inner, caller, wire, place: None }.run().await;
    wire::open(&house, &request, body, &[PROTOCOL], serve).await
}

/// A client's connection.
struct Socket {
    house: Arc<House>,
    caller: Caller,
    wire: Wire,
    /// Where the client is; nowhere before its first frame.
    place: Option<Place>,
}

/// A client's place in a session.
struct Place {
    seat: Seat,
    /// What the client asked for in its `hello`.
    wishes: Wishes,
}

/// What a client asked for in its `hello`.
#[derive(Default)]
struct Wishes {
    observes: bool,
    reasoning: bool,
    sampling: anima_provider::Sampling,
}

impl Socket {
    /// Serves the client to the end.
    ///
    /// Thousands of sockets wait here, so what is done with a frame is boxed and takes no room while
    /// nothing is done.
    async fn run(mut self) -> End {
        loop {
            if let Err(end) = Box::pin(self.send_news()).await {
                return end;
            }
            let happening = self.wire.next(changed(&mut self.place)).await;
            if let Err(end) = Box::pin(self.take(happening)).await {
                return end;
            }
        }
    }

    async fn take(&mut self, happening: Result<Happening<()>, End>) -> Result<(), End> {
        let happening = happening?;
        if self.place.as_ref().is_some_and(|place| place.seat.is_lost()) {
            return Err(End::TakenOver);
        }
        match happening {
            Happening::Text(text) => self.obey(&text).await,
            Happening::TooFast => {
                self.wire.send(frames::error(&wire::too_fast(), None, None)).await?;
                Err(End::TooFast)
            }
            Happening::Service(now) => self.take_leave(now).await,
            Happening::News(()) => Ok(()),
        }
    }

    /// Sends what has happened in the session since last time.
    async fn send_news(&mut self) -> Result<(), End> {
        loop {
            let Some(place) = &mut self.place else { return Ok(()) };
            let entries = place.seat.news(BATCH)?;
            if entries.is_empty() {
                return Ok(());
            }
            let reasoning = place.wishes.reasoning;
            let session = place.seat.attached.session.clone();
            for entry in entries {
                if reasoning || !matches!(entry.event, TurnEvent::Reasoning(_)) {
                    self.wire.send_text(frames::event(&session, &entry)).await?;
                }
            }
            // Hundreds may read the same session: whoever has more to send lets the others in between.
            yield_now().await;
        }
    }

    /// Tells the client that the service ends.
    async fn take_leave(&mut self, service: Service) -> Result<(), End> {
        if service == Service::Ended {
            self.send_news().await?;
            return Err(End::Restarting);
        }
        let goaway = json!({ "type": "goaway", "time_left_ms": self.house.server.drain_ms });
        self.wire.send(goaway).await
    }
}

/// Ends when something happens in the session, or a newer socket takes it over.
async fn changed(place: &mut Option<Place>) {
    match place {
        Some(place) => place.seat.changed().await,
        None => pending().await,
    }
}
