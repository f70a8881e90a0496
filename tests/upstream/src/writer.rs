//! Writes answers to a socket, whole or bit by bit.

use std::io;

use serde_json::Value;
use tokio::{
    io::{AsyncWriteExt, BufWriter},
    net::tcp::OwnedWriteHalf,
};

/// Writes answers. What is written without a pause goes out together.
pub(crate) struct Writer {
    socket: BufWriter<OwnedWriteHalf>,
    /// Every byte goes out alone.
    pub(crate) single: bool,
}

impl Writer {
    pub(crate) fn new(socket: OwnedWriteHalf) -> Self {
        Self { socket: BufWriter::with_capacity(16 * 1024, socket), single: false }
    }

    /// The socket itself.
    pub(crate) fn socket(&self) -> &OwnedWriteHalf {
        self.socket.get_ref()
    }

    pub(crate) async fn json(
        &mut self,
        status: u16,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> io::Result<()> {
        self.whole(status, "application/json", headers, body.to_string().as_bytes()).await
    }

    pub(crate) async fn whole(
        &mut self,
        status: u16,
        content_type: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {status} Ordered\r\nContent-Type: {content_type}\r\n");
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.extend(["Content-Length: ", &body.len().to_string(), "\r\n\r\n"]);
        self.socket.write_all(head.as_bytes()).await?;
        self.socket.write_all(body).await?;
        self.socket.flush().await
    }

    /// The head of an answer whose body comes bit by bit.
    pub(crate) async fn begin(&mut self, content_type: &str) -> io::Result<()> {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        self.socket.write_all(head.as_bytes()).await
    }

    /// One server-sent event.
    pub(crate) async fn frame(&mut self, data: &str, end: &str) -> io::Result<()> {
        self.raw(&format!("data: {data}{end}{end}")).await
    }

    /// A bit of the body.
    pub(crate) async fn raw(&mut self, text: &str) -> io::Result<()> {
        let size = if self.single { 1 } else { text.len() };
        for bytes in text.as_bytes().chunks(size.max(1)) {
            self.socket.write_all(format!("{:x}\r\n", bytes.len()).as_bytes()).await?;
            self.socket.write_all(bytes).await?;
            self.socket.write_all(b"\r\n").await?;
            if self.single {
                self.socket.flush().await?;
            }
        }
        Ok(())
    }

    /// The end of a body that came bit by bit.
    pub(crate) async fn end(&mut self) -> io::Result<()> {
        // In a write of its own, as servers do: a client that wants the connection back waits for it.
        self.socket.flush().await?;
        self.socket.write_all(b"0\r\n\r\n").await?;
        self.socket.flush().await
    }

    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        self.socket.flush().await
    }
}
