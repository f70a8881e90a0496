//! A WebSocket client that keeps no rule: bytes in, frames out.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::helpers::{PATIENCE, TestApp};

/// Opcodes of RFC 6455, with the bit of the last fragment set.
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8A;

/// A connection after the handshake.
pub(crate) struct Raw {
    stream: TcpStream,
}

/// A frame of the service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The code of a close frame.
    pub(crate) fn code(&self) -> u16 {
        assert_eq!(self.opcode, CLOSE, "{self:?}");
        u16::from_be_bytes([self.payload[0], self.payload[1]])
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.opcode, TEXT, "{self:?}");
        serde_json::from_slice(&self.payload).unwrap()
    }
}

impl Raw {
    /// A socket that is open.
    pub(crate) async fn open(app: &TestApp) -> Self {
        Self::shake_hands(TcpStream::connect(app.address).await.unwrap(), app.address).await
    }

    /// A socket that is open and whose client can hold little.
    pub(crate) async fn open_narrow(app: &TestApp) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self::shake_hands(socket.connect(app.address).await.unwrap(), app.address).await
    }

    async fn shake_hands(mut stream: TcpStream, host: SocketAddr) -> Self {
        stream.set_nodelay(true).unwrap();
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        Self { stream }
    }

    /// Sends bytes. The service may have closed already.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _ = timeout(PATIENCE, self.stream.write_all(bytes)).await;
    }

    pub(crate) async fn send(&mut self, opcode: u8, payload: &[u8]) {
        self.write(&frame(opcode, payload)).await;
    }

    /// The next frame; `None` at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        timeout(PATIENCE, self.read()).await.expect("the service says nothing")
    }

    /// The code that the service closes with, whatever it says before.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            let frame = self.next().await.expect("the connection ended without a close frame");
            if frame.opcode == CLOSE {
                return frame.code();
            }
        }
    }

    /// Says that nothing more comes, reads to the end and gives the number of bytes.
    pub(crate) async fn drain(&mut self) -> usize {
        let _ = self.stream.shutdown().await;
        let mut total = 0;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = timeout(PATIENCE, self.stream.read(&mut buffer)).await;
            match read.expect("the connection stays open") {
                Ok(0) | Err(_) => return total,
                Ok(bytes) => total += bytes,
            }
        }
    }

    async fn read(&mut self) -> Option<Frame> {
        let opcode = self.stream.read_u8().await.ok()?;
        let length = match self.stream.read_u8().await.ok()? {
            126 => u64::from(self.stream.read_u16().await.ok()?),
            127 => self.stream.read_u64().await.ok()?,
            length => u64::from(length),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some(Frame { opcode, payload })
    }
}

/// A masked frame.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(opcode, payload.len() as u64);
    let mask = &bytes[bytes.len() - 4..].to_vec();
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The header of a masked frame of this length.
pub(crate) fn header(opcode: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![opcode];
    match u16::try_from(length) {
        Ok(length) if length < 126 => bytes.push(0x80 | length.to_be_bytes()[1]),
        Ok(length) => {
            bytes.push(0x80 | 0x7E);
            bytes.extend(length.to_be_bytes());
        }
        Err(_) => {
            bytes.push(0x80 | 0x7F);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend([0x37, 0xFA, 0x21, 0x3D]);
    bytes
}
