//! A client of any protocol that speaks JSON over a WebSocket.

use std::net::SocketAddr;

use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        http::{HeaderMap, StatusCode},
    },
};

use crate::helpers::{PATIENCE, TestApp};

/// A client's end of a socket.
pub(crate) struct JsonSocket {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The headers that the service answered the handshake with.
    pub(crate) headers: HeaderMap,
}

/// A handshake that was refused.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl JsonSocket {
    /// Connects to a path.
    pub(crate) async fn open(app: &TestApp, path: &str) -> Self {
        Self::try_open(app, path, &[]).await.expect("the service refused the handshake")
    }

    /// Connects with these headers.
    pub(crate) async fn try_open(
        app: &TestApp,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Refused> {
        Self::try_open_at(app.address, path, headers).await
    }

    /// The same at an address.
    pub(crate) async fn try_open_at(
        address: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Refused> {
        let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        match timeout(PATIENCE, connect_async(request)).await.expect("no answer to the handshake") {
            Ok((socket, response)) => Ok(Self { socket, headers: response.headers().clone() }),
            Err(Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                let body = serde_json::from_slice(body).unwrap_or_default();
                Err(Refused { status: response.status(), body })
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn send(&mut self, frame: &Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            match self.message().await {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) => {}
                other => panic!("not a frame: {other:?}"),
            }
        }
    }

    /// The next frame, which has to be of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        let frame = self.next().await;
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    /// All frames up to the first of this type.
    pub(crate) async fn until(&mut self, kind: &str) -> Vec<Value> {
        self.until_that(|frame| frame["type"] == kind).await
    }

    /// All frames up to the first for which this holds.
    pub(crate) async fn until_that(&mut self, holds: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await;
            let is_last = holds(&frame);
            frames.push(frame);
            if is_last {
                return frames;
            }
        }
    }

    /// The code that the service closes with, whatever it says before.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.message().await {
                return frame.expect("a close frame without a code").code.into();
            }
        }
    }

    async fn message(&mut self) -> Message {
        let next = timeout(PATIENCE, self.socket.next()).await.expect("the service says nothing");
        next.expect("the connection ended").unwrap()
    }
}

/// The types of frames.
pub(crate) fn kinds(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect()
}
