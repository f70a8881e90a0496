//! A client of the native WebSocket that costs little itself.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, bail};
use futures::{SinkExt, StreamExt};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

/// How long anything may take before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes that a client reads at a time; thousands of clients share this process.
const READ_BUFFER: usize = 4096;

/// A client's end of a socket.
pub(crate) struct Client {
    socket: WebSocketStream<TcpStream>,
}

impl Client {
    /// Connects from the usual address.
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        Self::connect_from(Ipv4Addr::LOCALHOST, address).await
    }

    /// Connects from one of this machine's addresses, each of which has ports of its own.
    pub(crate) async fn connect_from(
        source: Ipv4Addr,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((source, 0)))?;
        let connection = async {
            let stream = socket.connect(address).await?;
            // Otherwise small frames wait for 40 ms, and that is what would be measured.
            stream.set_nodelay(true)?;
            let small =
                WebSocketConfig::default().read_buffer_size(READ_BUFFER).write_buffer_size(0);
            let url = format!("ws://{address}/ws");
            let (socket, _) = client_async_with_config(url, stream, Some(small)).await?;
            anyhow::Ok(Self { socket })
        };
        timeout(PATIENCE, connection).await.context("no answer to the handshake")?
    }

    /// Sends a frame.
    pub(crate) async fn send(&mut self, frame: &str) -> anyhow::Result<()> {
        Ok(self.socket.send(Message::text(frame)).await?)
    }

    /// The next frame of this type; others are passed over.
    ///
    /// # Errors
    /// When the service says that something is wrong, or the socket ends.
    pub(crate) async fn until(&mut self, kind: &str) -> anyhow::Result<String> {
        let wanted = beginning(kind);
        let wrong = [beginning("failed"), beginning("error"), beginning("goaway")];
        loop {
            let message = timeout(PATIENCE, self.socket.next());
            let message = message.await.context("nothing came")?.context("the socket ended")??;
            match message {
                Message::Text(text) if text.starts_with(&wanted) => return Ok(text.to_string()),
                Message::Text(text) if wrong.iter().any(|kind| text.starts_with(kind)) => {
                    bail!("waiting for {kind}: {text}")
                }
                Message::Close(reason) => bail!("waiting for {kind}: closed, {reason:?}"),
                _ => {}
            }
        }
    }
}

/// How a frame of this type begins, by which it is told without being parsed.
fn beginning(kind: &str) -> String {
    format!(r#"{{"type":"{kind}""#)
}
