//! `GET /ws`: the native WebSocket.
//!
//! A socket is one task. It sends what the session's log has for it before it reads the next
//! command, so commands that come during a replay wait for its end. A client that does not take
//! what is sent loses its socket, never its session.

mod commands;
mod end;
mod handshake;

use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    dev::Payload as RawPayload,
    error::PayloadError,
    http::StatusCode,
    web::{Bytes, Data, Payload},
};
use actix_ws::{
    AggregatedMessage, AggregatedMessageStream, CloseCode, ProtocolError, Session as Wire,
};
use futures::{Stream, StreamExt};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::yield_now,
    time::{interval, timeout},
};

use super::{
    House, Service, SocketPlace,
    connection::Connection,
    error::{self, HttpError},
    frame_guard::{FrameGuard, Verdict},
    frames,
};
use crate::{
    access::{Allowance, Caller},
    session::{Attached, Read, Session},
    turn::TurnEvent,
};
use end::End;

/// How long a client may leave what is sent to it untaken.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);
/// How long a client may leave the close frame untaken.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);
/// How long the end of a connection may take once the close frame is on its way.
const FAREWELL: Duration = Duration::from_secs(5);
/// How often a silent client is asked whether it is there.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// How long a client may be silent.
const SILENCE: Duration = Duration::from_secs(50);
/// Events taken from the log at a time.
const BATCH: usize = 8;
/// Pings answered in a second; more end the connection.
const PINGS_PER_SECOND: u32 = 20;

/// A stream of request bytes as actix-web takes it.
type BoxedPayload = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

/// Opens a socket.
pub(super) async fn open(
    house: Data<House>,
    caller: Caller,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, HttpError> {
    if *house.service.borrow() != Service::Open {
        return Err(crate::session::CommandError::ShuttingDown.into());
    }
    handshake::check(&request)?;
    let Some(place) = SocketPlace::take(&house) else {
        return Err(error::overloaded("all places for sockets are taken"));
    };
    let limit = house.server.max_message_bytes;
    let Some(connection) = request.conn_data::<Arc<Connection>>().cloned() else {
        return Err(error::internal("the connection is not watched"));
    };
    let guard = FrameGuard::new(body.into_inner(), limit);
    let verdict = guard.verdict();
    let guarded: BoxedPayload = Box::pin(guard);
    let mut guarded = RawPayload::Stream { payload: guarded };
    let refused = |_| handshake::refused();
    let body = Payload::from_request(&request, &mut guarded).await.map_err(refused)?;
    let (mut response, wire, messages) = actix_ws::handle(&request, body).map_err(refused)?;
    handshake::choose_protocol(&request, &mut response);
    let messages =
        messages.max_frame_size(limit).aggregate_continuations().max_continuation_size(limit);
    connection.upgrade();
    let house = house.into_inner();
    // It ends with its client, with a newer socket of its session, or with the service.
    actix_web::rt::spawn(async move {
        let _place = place;
        let socket = Socket::new(house, caller, wire.clone(), Arc::clone(&connection), verdict);
        let end = socket.run(messages).await;
        // A client that takes nothing does not get the close frame either.
        let _ = timeout(CLOSE_DEADLINE, wire.close(end.reason())).await;
        connection.end_within(FAREWELL);
    });
    Ok(response)
}

/// A client's connection.
struct Socket {
    house: Arc<House>,
    caller: Caller,
    wire: Wire,
    connection: Arc<Connection>,
    verdict: Verdict,
    /// Where the client is; nowhere before its first frame.
    place: Option<Place>,
    allowance: Allowance,
    pings: Allowance,
    heard_from: Instant,
}

/// A client's place in a session.
struct Place {
    session: Session,
    attached: Attached,
    head: watch::Receiver<u64>,
    /// The next event to send.
    next: u64,
    /// What the client asked for in its `hello`.
    wishes: Wishes,
}

impl Place {
    /// Whether a newer socket has the session.
    fn is_lost(&self) -> bool {
        *self.attached.taken_over.borrow() != self.attached.ticket
    }
}

/// What a client asked for in its `hello`.
#[derive(Default)]
struct Wishes {
    observes: bool,
    reasoning: bool,
    sampling: anima_provider::Sampling,
}

impl Socket {
    fn new(
        house: Arc<House>,
        caller: Caller,
        wire: Wire,
        connection: Arc<Connection>,
        verdict: Verdict,
    ) -> Self {
        let allowance = Allowance::new(house.server.messages_per_minute, Duration::from_mins(1));
        let pings = Allowance::new(PINGS_PER_SECOND, Duration::from_secs(1));
        let heard_from = Instant::now();
        Self { house, caller, wire, connection, verdict, place: None, allowance, pings, heard_from }
    }

    /// Serves the client to the end.
    ///
    /// Thousands of sockets wait here, so what is done with a frame is boxed and takes no room while
    /// nothing is done.
    async fn run(mut self, mut messages: AggregatedMessageStream) -> End {
        let mut service = self.house.service.clone();
        let mut told = Service::Open;
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.tick().await;
        loop {
            if let Err(end) = Box::pin(self.send_news()).await {
                return end;
            }
            let step = tokio::select! {
                message = messages.next() => Box::pin(self.take(message)).await,
                () = changed(&mut self.place) => Ok(()),
                now = becomes_other(&mut service, told) => {
                    told = now;
                    Box::pin(self.take_leave(now)).await
                }
                _ = heartbeat.tick() => self.heartbeat().await,
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// Sends what has happened in the session since last time.
    async fn send_news(&mut self) -> Result<(), End> {
        loop {
            let Some(place) = &mut self.place else { return Ok(()) };
            if place.is_lost() {
                return Err(End::TakenOver);
            }
            place.head.mark_unchanged();
            let Read::Entries(entries) = place.attached.log.read(place.next, BATCH) else {
                return Err(End::Slow);
            };
            let Some(last) = entries.last() else { return Ok(()) };
            place.next = last.seq + 1;
            let reasoning = place.wishes.reasoning;
            let session = place.attached.session.clone();
            for entry in entries {
                if reasoning || !matches!(entry.event, TurnEvent::Reasoning(_)) {
                    self.send_text(frames::event(&session, &entry)).await?;
                }
            }
            // Hundreds may read the same session: whoever has more to send lets the others in between.
            yield_now().await;
        }
    }

    async fn take(
        &mut self,
        message: Option<Result<AggregatedMessage, ProtocolError>>,
    ) -> Result<(), End> {
        let message = message.ok_or(End::Gone)?.map_err(|error| End::of(&self.verdict, &error))?;
        self.heard_from = Instant::now();
        if self.place.as_ref().is_some_and(Place::is_lost) {
            return Err(End::TakenOver);
        }
        match message {
            AggregatedMessage::Text(text) if self.allowance.take() => self.obey(&text).await,
            AggregatedMessage::Text(_) => {
                let error = HttpError::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "rate_limited",
                    "too many messages",
                );
                self.send(frames::error(&error, None, None)).await?;
                Err(End::TooFast)
            }
            AggregatedMessage::Binary(_) => Err(End::Binary),
            AggregatedMessage::Ping(bytes) if self.pings.take() => {
                deliver(self.wire.pong(&bytes)).await
            }
            AggregatedMessage::Ping(_) => Err(End::PingFlood),
            AggregatedMessage::Pong(_) => Ok(()),
            AggregatedMessage::Close(reason) => {
                // The handshake is complete when the client gets its own code back.
                let code = reason.map_or(CloseCode::Normal, |reason| reason.code);
                let _ = timeout(CLOSE_DEADLINE, self.wire.clone().close(Some(code.into()))).await;
                Err(End::Gone)
            }
        }
    }

    /// Tells the client that the service ends.
    async fn take_leave(&mut self, service: Service) -> Result<(), End> {
        if service == Service::Ended {
            self.send_news().await?;
            return Err(End::Restarting);
        }
        self.send(json!({ "type": "goaway", "time_left_ms": self.house.server.drain_ms })).await
    }

    async fn heartbeat(&mut self) -> Result<(), End> {
        if self.heard_from.elapsed() > SILENCE {
            return Err(End::Silent);
        }
        deliver(self.wire.ping(b"")).await
    }

    /// Waits until the client has taken everything, before something large is made for it.
    async fn drained(&self) -> Result<(), End> {
        timeout(WRITE_DEADLINE, self.connection.drained()).await.map_err(|_| End::Slow)
    }

    async fn send(&mut self, frame: Value) -> Result<(), End> {
        let text = frame.to_string();
        // What it was made of need not wait for the client.
        drop(frame);
        self.send_text(text).await
    }

    async fn send_text(&mut self, text: String) -> Result<(), End> {
        let (connection, wire) = (&self.connection, &mut self.wire);
        let delivery = async {
            connection.reserve(text.len()).await;
            wire.text(text).await
        };
        deliver(delivery).await
    }
}

/// Waits for a write, but not for ever.
async fn deliver(write: impl Future<Output = Result<(), actix_ws::Closed>>) -> Result<(), End> {
    match timeout(WRITE_DEADLINE, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(End::Slow),
    }
}

/// Ends when something happens in the session, or a newer socket takes it over.
async fn changed(place: &mut Option<Place>) {
    let Some(place) = place else { return std::future::pending().await };
    let ticket = place.attached.ticket;
    tokio::select! {
        // Both end only with the session's actor; then there is nothing to wait for.
        news = place.head.changed() => if news.is_err() { std::future::pending::<()>().await },
        taken = place.attached.taken_over.wait_for(|owner| *owner != ticket) => {
            if taken.is_err() {
                drop(taken);
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Ends when the service no longer stands as it was told.
async fn becomes_other(service: &mut watch::Receiver<Service>, told: Service) -> Service {
    match service.wait_for(|now| *now != told).await {
        Ok(now) => *now,
        Err(_) => std::future::pending().await,
    }
}
