//! A client's end of the native WebSocket, over a connection that may end at any time.

use std::{net::SocketAddr, time::Duration};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::service::PATIENCE;

/// A connection to the service.
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// The code that the service closed with.
    pub(crate) closed: Option<u16>,
}

impl Socket {
    /// Connects and says hello with these fields; gives the welcome. `None` when the connection ends
    /// before that.
    pub(crate) async fn open(address: SocketAddr, hello: &Value) -> Option<(Self, Value)> {
        let stream = TcpStream::connect(address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let handshake = client_async(format!("ws://{address}/ws"), stream);
        let shaken = timeout(PATIENCE, handshake).await.expect("no answer to the handshake");
        let mut socket = Self { stream: shaken.ok()?.0, closed: None };
        let mut frame = json!({ "type": "hello" });
        frame.as_object_mut().unwrap().extend(hello.as_object().unwrap().clone());
        socket.send(&frame).await.then_some(())?;
        let welcome = socket.next().await?;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        Some((socket, welcome))
    }

    /// Sends a frame; `false` when the connection has ended.
    pub(crate) async fn send(&mut self, frame: &Value) -> bool {
        let sent = self.stream.send(Message::text(frame.to_string()));
        timeout(PATIENCE, sent).await.expect("the service takes nothing").is_ok()
    }

    /// The next frame; `None` when the connection has ended.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        self.next_within(PATIENCE).await.expect("the service says nothing")
    }

    /// The next frame, if one comes in time.
    pub(crate) async fn next_within(&mut self, time: Duration) -> Result<Option<Value>, ()> {
        timeout(time, self.receive()).await.map_err(drop)
    }

    async fn receive(&mut self) -> Option<Value> {
        loop {
            match self.stream.next().await?.ok()? {
                Message::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
                Message::Close(frame) => self.closed = frame.map(|frame| frame.code.into()),
                _ => {}
            }
        }
    }
}

/// A question as a frame. No earlier exchange is shown, so that the answer follows from it alone.
pub(crate) fn say(turn: &str, text: &str) -> Value {
    json!({ "type": "say", "turn": turn, "text": text, "turns": 0 })
}

/// Whether a frame is the last one of its turn.
pub(crate) fn is_end(frame: &Value) -> bool {
    frame["type"] == "finished" || frame["type"] == "failed"
}
