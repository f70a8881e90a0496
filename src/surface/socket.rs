//! `GET /ws`: the native WebSocket.
//!
//! A socket is one task. It sends what the session's log has for it before it reads the next
//! command, so commands that come during a replay wait for its end. A client that does not take
//! what is sent loses its socket, never its session.

mod commands;

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
    AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, ProtocolError,
    Session as Wire,
};
use futures::{Stream, StreamExt};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{interval, timeout},
};

use super::{House, Service, SocketPlace, error::HttpError, frame_guard::FrameGuard, frames};
use crate::{
    session::{Attached, Read, Session},
    turn::TurnEvent,
};

/// How long a client may leave what is sent to it untaken.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);
/// How long a client may leave the close frame untaken.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);
/// When to try again where all places for sockets are taken, in milliseconds.
const PLACE_TAKEN_MS: u64 = 5000;
/// How often a silent client is asked whether it is there.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// How long a client may be silent.
const SILENCE: Duration = Duration::from_secs(50);
/// Events taken from the log at a time.
const BATCH: usize = 64;
/// Pings answered in a second; more end the connection.
const PINGS_PER_SECOND: u32 = 20;

/// A stream of request bytes as actix-web takes it.
type BoxedPayload = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

/// Why a socket ends; clients come back after 4000 to 4499 and not after 4500 to 4999.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client closed, or vanished.
    Gone,
    Restarting,
    Protocol,
    Binary,
    NotUtf8,
    TooBig,
    PingFlood,
    Slow,
    Silent,
    TooFast,
    TakenOver,
}

impl End {
    fn reason(self) -> Option<CloseReason> {
        let (code, text) = match self {
            Self::Gone => return None,
            Self::Restarting => (CloseCode::Restart, "the service restarts"),
            Self::Protocol => (CloseCode::Protocol, "not the WebSocket protocol"),
            Self::Binary => (CloseCode::Unsupported, "frames are text"),
            Self::NotUtf8 => (CloseCode::Invalid, "text is UTF-8"),
            Self::TooBig => (CloseCode::Size, "the message is too big"),
            Self::PingFlood => (CloseCode::Policy, "too many pings"),
            Self::Slow => (CloseCode::Other(4001), "too slow; come back and resume"),
            Self::Silent => (CloseCode::Other(4002), "no sign of life"),
            Self::TooFast => (CloseCode::Other(4003), "too many messages"),
            Self::TakenOver => (CloseCode::Other(4501), "the session was taken over"),
        };
        Some(CloseReason { code, description: Some(text.to_owned()) })
    }
}

/// Opens a socket.
pub(super) async fn open(
    house: Data<House>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, HttpError> {
    if *house.service.borrow() != Service::Open {
        return Err(crate::session::CommandError::ShuttingDown.into());
    }
    let Some(place) = SocketPlace::take(&house) else {
        let message = "all places for sockets are taken";
        let refusal = HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message);
        return Err(refusal.with_retry_after_ms(PLACE_TAKEN_MS));
    };
    let limit = house.server.max_message_bytes;
    let guarded: BoxedPayload = Box::pin(FrameGuard::new(body.into_inner(), limit));
    let mut guarded = RawPayload::Stream { payload: guarded };
    let refused =
        |_| HttpError::invalid("invalid_handshake", "this path wants a WebSocket handshake");
    let body = Payload::from_request(&request, &mut guarded).await.map_err(refused)?;
    let (response, wire, messages) = actix_ws::handle(&request, body).map_err(refused)?;
    let messages =
        messages.max_frame_size(limit).aggregate_continuations().max_continuation_size(limit);
    let house = house.into_inner();
    // It ends with its client, with a newer socket of its session, or with the service.
    actix_web::rt::spawn(async move {
        let _place = place;
        let end = Socket::new(house, wire.clone()).run(messages).await;
        // A client that takes nothing does not get the close frame either.
        let _ = timeout(CLOSE_DEADLINE, wire.close(end.reason())).await;
    });
    Ok(response)
}

/// A client's connection.
struct Socket {
    house: Arc<House>,
    wire: Wire,
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
    fn new(house: Arc<House>, wire: Wire) -> Self {
        let allowance = Allowance::new(house.server.messages_per_minute, Duration::from_mins(1));
        let pings = Allowance::new(PINGS_PER_SECOND, Duration::from_secs(1));
        Self { house, wire, place: None, allowance, pings, heard_from: Instant::now() }
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
                    self.send(&frames::event(&session, &entry)).await?;
                }
            }
        }
    }

    async fn take(
        &mut self,
        message: Option<Result<AggregatedMessage, ProtocolError>>,
    ) -> Result<(), End> {
        let message = message.ok_or(End::Gone)?.map_err(|error| end_of(&error))?;
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
                self.send(&frames::error(&error, None, None)).await?;
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
        self.send(&json!({ "type": "goaway", "time_left_ms": self.house.server.drain_ms })).await
    }

    async fn heartbeat(&mut self) -> Result<(), End> {
        if self.heard_from.elapsed() > SILENCE {
            return Err(End::Silent);
        }
        deliver(self.wire.ping(b"")).await
    }

    async fn send(&mut self, frame: &Value) -> Result<(), End> {
        deliver(self.wire.text(frame.to_string())).await
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

/// What a protocol error means.
fn end_of(error: &ProtocolError) -> End {
    match error {
        ProtocolError::Overflow => End::TooBig,
        // Reserved bits come in the same dress as text that is not UTF-8.
        ProtocolError::Io(error) if error.to_string().contains("reserved bits") => End::Protocol,
        ProtocolError::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => End::NotUtf8,
        // From the frame guard and from the limit of fragmented messages; the type is lost in both.
        ProtocolError::Io(error) => {
            let text = error.to_string().to_lowercase();
            if text.contains("overflow") || text.contains("limit") || text.contains("exceeded") {
                End::TooBig
            } else {
                End::Gone
            }
        }
        _ => End::Protocol,
    }
}

/// How often something may happen: a bucket that fills at a steady rate.
struct Allowance {
    capacity: f64,
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Allowance {
    fn new(times: u32, period: Duration) -> Self {
        let capacity = f64::from(times);
        Self {
            capacity,
            per_second: capacity / period.as_secs_f64(),
            left: capacity,
            at: Instant::now(),
        }
    }

    fn take(&mut self) -> bool {
        let now = Instant::now();
        self.left =
            (self.left + (now - self.at).as_secs_f64() * self.per_second).min(self.capacity);
        self.at = now;
        let granted = self.left >= 1.0;
        if granted {
            self.left -= 1.0;
        }
        granted
    }
}
