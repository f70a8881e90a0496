//! A WebSocket, whatever is spoken over it.
//!
//! actix-ws answers no ping, echoes no close, waits for slow readers as long as they like and holds
//! whole frames before it looks at them. Whoever speaks over a WebSocket gets it from [`open`], as a
//! [`Wire`] that has dealt with all of that: what comes out of it is text in time, and what goes in
//! has been taken, or the socket ends.

#[cfg(test)]
mod conformance;
mod end;
mod failure;
mod handshake;

use std::{
    pin::{Pin, pin},
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
    AggregatedMessage, AggregatedMessageStream, CloseCode, ProtocolError, Session as Frames,
};
use futures::{Stream, StreamExt};
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{Interval, interval, timeout},
};

use super::{
    House, Service, SocketPlace,
    connection::Connection,
    error::{self, HttpError},
    frame_guard::{FrameGuard, MAX_FRAGMENTS, Verdict},
};
use crate::{access::Allowance, session::CommandError};
pub(super) use end::End;
pub(super) use failure::Failure;

/// How long a client may leave what is sent to it untaken.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);
/// How long a client may leave the close frame untaken.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);
/// How long the end of a connection may take once the close frame is on its way.
const FAREWELL: Duration = Duration::from_secs(5);
/// How often a silent client is asked whether it is there.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// How long a client may be silent.
const SILENCE: Duration = Duration::from_secs(30);
/// Pings answered in a second; more end the connection.
const PINGS_PER_SECOND: u32 = 20;

/// A stream of request bytes as actix-web takes it.
type BoxedPayload = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

/// Opens a socket that speaks one of `protocols`, or none in particular, and lets `serve` serve it to
/// its end on a task of its own.
///
/// # Errors
/// When the request is no handshake, or there is no place.
pub(super) async fn open(
    house: &Data<House>,
    request: &HttpRequest,
    body: Payload,
    protocols: &[&str],
    serve: impl AsyncFnOnce(Wire) -> End + 'static,
) -> Result<HttpResponse, HttpError> {
    if *house.service.borrow() != Service::Open {
        return Err(CommandError::ShuttingDown.into());
    }
    handshake::check(request)?;
    let Some(place) = SocketPlace::take(house) else {
        return Err(error::overloaded("all places for sockets are taken"));
    };
    let terms = Terms {
        max_message_bytes: house.server.max_message_bytes,
        max_fragments: MAX_FRAGMENTS,
        messages_per_minute: house.server.messages_per_minute,
        service: house.service.clone(),
    };
    let (response, wire) = upgrade(request, body, protocols, terms).await?;
    // It ends with its client, with its session, or with the service.
    actix_web::rt::spawn(async move {
        let connection = wire.serve_by(serve).await;
        drop(place);
        farewell(&connection).await;
    });
    Ok(response)
}

/// What holds for a socket.
struct Terms {
    max_message_bytes: usize,
    max_fragments: u32,
    messages_per_minute: u32,
    service: watch::Receiver<Service>,
}

/// Makes a request's connection a `WebSocket`, once the response is sent.
async fn upgrade(
    request: &HttpRequest,
    body: Payload,
    protocols: &[&str],
    terms: Terms,
) -> Result<(HttpResponse, Wire), HttpError> {
    let Some(connection) = request.conn_data::<Arc<Connection>>().cloned() else {
        return Err(error::internal("the connection is not watched"));
    };
    let limit = terms.max_message_bytes;
    let guard = FrameGuard::new(body.into_inner(), limit).with_max_fragments(terms.max_fragments);
    let verdict = guard.verdict();
    let guarded: BoxedPayload = Box::pin(guard);
    let mut guarded = RawPayload::Stream { payload: guarded };
    let refused = |_| handshake::refused();
    let body = Payload::from_request(request, &mut guarded).await.map_err(refused)?;
    let (response, frames, messages) =
        actix_ws::handle_with_protocols(request, body, protocols).map_err(refused)?;
    let messages =
        messages.max_frame_size(limit).aggregate_continuations().max_continuation_size(limit);
    connection.upgrade();
    let mut heartbeat = interval(HEARTBEAT);
    // The first tick is at once, and would be a ping before anything was said.
    heartbeat.reset();
    let wire = Wire {
        frames,
        messages,
        connection,
        verdict,
        allowance: Allowance::new(terms.messages_per_minute, Duration::from_mins(1)),
        pings: Allowance::new(PINGS_PER_SECOND, Duration::from_secs(1)),
        heard_from: Instant::now(),
        service: terms.service,
        told: Service::Open,
        heartbeat,
    };
    Ok((response, wire))
}

/// A client's connection.
pub(super) struct Wire {
    frames: Frames,
    messages: AggregatedMessageStream,
    connection: Arc<Connection>,
    verdict: Verdict,
    allowance: Allowance,
    pings: Allowance,
    heard_from: Instant,
    service: watch::Receiver<Service>,
    /// How the service stood when that was last told.
    told: Service,
    heartbeat: Interval,
}

/// What a socket waits for.
pub(super) enum Happening<T> {
    /// The client sent this.
    Text(String),
    /// The client sends more than it may: it may be told so, and then its socket ends.
    TooFast,
    /// The service stands so now.
    Service(Service),
    /// What the speaker itself was waiting for.
    News(T),
}

/// The part of it that needs the whole wire.
enum Step<T> {
    Message(Option<Result<AggregatedMessage, ProtocolError>>),
    Heartbeat,
    Ready(Happening<T>),
}

impl Wire {
    /// Is served to its end, and sends the close frame; what is left is the connection.
    async fn serve_by(self, serve: impl AsyncFnOnce(Self) -> End) -> Arc<Connection> {
        let (frames, connection) = (self.frames.clone(), Arc::clone(&self.connection));
        let end = serve(self).await;
        // A client that takes nothing does not get the close frame either.
        let _ = timeout(CLOSE_DEADLINE, frames.close(end.reason())).await;
        connection
    }

    /// Waits for the next thing that its speaker has to know. Pings, closes and silence are dealt
    /// with here; `news` is dropped unless it comes first, so it must not lose anything then.
    ///
    /// # Errors
    /// When the socket is to end.
    pub(super) async fn next<T>(
        &mut self,
        news: impl Future<Output = T>,
    ) -> Result<Happening<T>, End> {
        let mut news = pin!(news);
        loop {
            let step = tokio::select! {
                message = self.messages.next() => Step::Message(message),
                news = &mut news => Step::Ready(Happening::News(news)),
                now = becomes_other(&mut self.service, self.told) => {
                    self.told = now;
                    Step::Ready(Happening::Service(now))
                }
                _ = self.heartbeat.tick() => Step::Heartbeat,
            };
            // Thousands of sockets wait here: what is done with a message takes no room meanwhile.
            match step {
                Step::Ready(happening) => return Ok(happening),
                Step::Heartbeat => Box::pin(self.beat()).await?,
                Step::Message(message) => match Box::pin(self.take(message)).await? {
                    Some(text) if self.allowance.take() => return Ok(Happening::Text(text)),
                    Some(_) => return Ok(Happening::TooFast),
                    None => {}
                },
            }
        }
    }

    /// The text of a message, where it is one; everything else is obeyed.
    async fn take(
        &mut self,
        message: Option<Result<AggregatedMessage, ProtocolError>>,
    ) -> Result<Option<String>, End> {
        let message = message.ok_or(End::Gone)?.map_err(|error| End::of(&self.verdict, &error))?;
        self.heard_from = Instant::now();
        match message {
            AggregatedMessage::Text(text) => return Ok(Some(text.into())),
            AggregatedMessage::Binary(_) => return Err(End::Binary),
            AggregatedMessage::Ping(bytes) if self.pings.take() => {
                deliver(self.frames.pong(&bytes)).await?;
            }
            AggregatedMessage::Ping(_) => return Err(End::PingFlood),
            AggregatedMessage::Pong(_) => {}
            AggregatedMessage::Close(reason) => {
                // The handshake is complete when the client gets its own code back.
                let code = reason.map_or(CloseCode::Normal, |reason| reason.code);
                let _ = timeout(CLOSE_DEADLINE, self.frames.clone().close(Some(code.into()))).await;
                return Err(End::Gone);
            }
        }
        Ok(None)
    }

    async fn beat(&mut self) -> Result<(), End> {
        if self.heard_from.elapsed() > SILENCE {
            return Err(End::Silent);
        }
        deliver(self.frames.ping(b"")).await
    }

    /// Waits until the client has taken everything, before something large is made for it.
    ///
    /// # Errors
    /// When it does not in time.
    pub(super) async fn drained(&self) -> Result<(), End> {
        timeout(WRITE_DEADLINE, self.connection.drained()).await.map_err(|_| End::Slow)
    }

    /// Sends JSON.
    ///
    /// # Errors
    /// When the client has gone, or does not take it in time.
    pub(super) async fn send(&mut self, frame: Value) -> Result<(), End> {
        let text = frame.to_string();
        // What it was made of need not wait for the client.
        drop(frame);
        self.send_text(text).await
    }

    /// Sends a text.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub(super) async fn send_text(&mut self, text: String) -> Result<(), End> {
        let (connection, frames) = (&self.connection, &mut self.frames);
        let delivery = async {
            connection.reserve(text.len()).await;
            frames.text(text).await
        };
        deliver(delivery).await
    }

    /// How many messages the client may send at once now.
    pub(super) fn messages_left(&mut self) -> u32 {
        self.allowance.left()
    }
}

/// Ends a connection whose close frame is on its way.
async fn farewell(connection: &Connection) {
    connection.end_within(FAREWELL);
    let _ = timeout(FAREWELL, connection.finish()).await;
}

/// What a client is told that sends too many messages.
pub(super) fn too_fast() -> HttpError {
    HttpError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "too many messages")
}

/// Waits for a write, but not for ever.
async fn deliver(write: impl Future<Output = Result<(), actix_ws::Closed>>) -> Result<(), End> {
    match timeout(WRITE_DEADLINE, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(End::Slow),
    }
}

/// Ends when the service no longer stands as it was told.
async fn becomes_other(service: &mut watch::Receiver<Service>, told: Service) -> Service {
    match service.wait_for(|now| *now != told).await {
        Ok(now) => *now,
        Err(_) => std::future::pending().await,
    }
}
