//! A client of the native WebSocket: a turn is a stream whose text comes in sentences.

use std::{borrow::Cow, net::SocketAddr};

use futures::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use super::{Fault, Reading, Seen, Until};
use crate::{clock, ledger::Record};

/// Bytes that a client reads at a time; a thousand clients share this process.
const READ_BUFFER: usize = 4096;

/// A client's end of a socket.
#[derive(Debug)]
pub(crate) struct Socket {
    wire: WebSocketStream<TcpStream>,
}

/// What matters of a frame.
#[derive(Deserialize)]
struct Frame<'text> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'text, str>,
    #[serde(borrow)]
    text: Option<Cow<'text, str>>,
    #[serde(borrow)]
    reason: Option<Cow<'text, str>>,
}

impl Socket {
    /// Connects, and is in a session of its own.
    pub(super) async fn connect(address: SocketAddr) -> Result<Self, Fault> {
        let stream = TcpStream::connect(address).await.map_err(Fault::broken)?;
        // Otherwise small frames wait for 40 ms, and that is what would be measured.
        stream.set_nodelay(true).map_err(Fault::broken)?;
        let small = WebSocketConfig::default().read_buffer_size(READ_BUFFER).write_buffer_size(0);
        let url = format!("ws://{address}/ws");
        let opened = client_async_with_config(url, stream, Some(small)).await;
        let (wire, _) = opened.map_err(Fault::broken)?;
        let mut socket = Self { wire };
        socket.send(json!({ "type": "hello" })).await?;
        loop {
            let (text, _) = socket.receive().await?;
            if parse(&text)?.kind == "welcome" {
                return Ok(socket);
            }
        }
    }

    /// One turn; `Until::Token` interrupts it once that much has been said.
    pub(super) async fn turn(&mut self, record: &Record, until: Until) -> Result<Seen, Fault> {
        let words = record.script.words();
        let say = json!({ "type": "say", "turn": words, "text": words, "turns": 0 }).to_string();
        let asked = clock::now();
        self.wire.send(Message::text(say)).await.map_err(Fault::broken)?;
        let mut reading = Reading::new(record);
        let (mut accepted, mut broke_off) = (None, None);
        loop {
            let (text, at) = self.receive().await?;
            let frame = parse(&text)?;
            match &*frame.kind {
                "accepted" => accepted = Some(at),
                "sentence" => reading.take(frame.text.as_deref().unwrap_or_default(), at)?,
                "failed" | "error" | "goaway" => return Err(Fault::Broken(text)),
                "finished" if frame.reason.as_deref() == Some("complete") => {
                    if frame.text.as_deref() != Some(record.text.as_str()) {
                        return Err(Fault::Inexact("`finished` tells another text".to_owned()));
                    }
                    let arrivals = reading.whole(record)?;
                    return Ok(Seen { asked, accepted, arrivals, broke_off });
                }
                "finished" if broke_off.is_none() => return Err(Fault::Broken(text)),
                // It answers an interruption, and comes after everything else of the turn.
                "heard" => {
                    let arrivals = reading.so_far();
                    return Ok(Seen { asked, accepted, arrivals, broke_off });
                }
                _ => {}
            }
            if let Until::Token(token) = until
                && broke_off.is_none()
                && reading.tokens() >= token
            {
                broke_off = Some(clock::now());
                self.send(json!({ "type": "interrupt", "turn": words })).await?;
            }
        }
    }

    async fn send(&mut self, frame: serde_json::Value) -> Result<(), Fault> {
        self.wire.send(Message::text(frame.to_string())).await.map_err(Fault::broken)
    }

    async fn receive(&mut self) -> Result<(String, clock::Stamp), Fault> {
        loop {
            let message = self.wire.next().await;
            let at = clock::now();
            match message
                .ok_or_else(|| Fault::broken("the socket ended"))?
                .map_err(Fault::broken)?
            {
                Message::Text(text) => return Ok((text.as_str().to_owned(), at)),
                Message::Close(reason) => return Err(Fault::broken(format!("closed: {reason:?}"))),
                _ => {}
            }
        }
    }
}

fn parse(text: &str) -> Result<Frame<'_>, Fault> {
    serde_json::from_str(text).map_err(|error| Fault::Broken(format!("{error}: {text}")))
}
