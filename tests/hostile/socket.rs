//! A WebSocket client that keeps no rule: bytes in, frames out.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;
use socket2::{Domain, Socket as RawSocket, Type};

/// Opcodes of RFC 6455, with the bit of the last fragment set.
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8A;

/// A connection after the handshake.
pub(crate) struct Socket {
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
        let code = self.payload.first_chunk().unwrap_or_else(|| panic!("no code in {self:?}"));
        u16::from_be_bytes(*code)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Socket {
    /// A socket that is open.
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::shake_hands(crate::process::connect(address), address)
    }

    /// A socket whose client can hold little.
    pub(crate) fn open_narrow(address: SocketAddr) -> Self {
        Self::shake_hands(narrow(address), address)
    }

    fn shake_hands(mut stream: TcpStream, host: SocketAddr) -> Self {
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("no answer to the handshake");
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        Self { stream }
    }

    /// Sends bytes. The service may have closed already.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    pub(crate) fn send(&mut self, opcode: u8, payload: &[u8]) -> bool {
        self.write(&frame(opcode, payload))
    }

    /// The next frame; `None` at the end of the connection, or when nothing comes.
    pub(crate) fn next(&mut self, patience: Duration) -> Option<Frame> {
        self.stream.set_read_timeout(Some(patience)).unwrap();
        let mut start = [0; 2];
        self.stream.read_exact(&mut start).ok()?;
        let mut length = usize::from(start[1]);
        if length >= 126 {
            let mut extended = vec![0; if length == 126 { 2 } else { 8 }];
            self.stream.read_exact(&mut extended).ok()?;
            length = extended.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        }
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).ok()?;
        Some(Frame { opcode: start[0], payload })
    }

    /// The next text frame of this type, whatever comes before it.
    pub(crate) fn next_of_type(&mut self, kind: &str) -> Value {
        self.next_of_types(&[kind])
    }

    /// The next text frame of one of these types, whatever comes before it.
    pub(crate) fn next_of_types(&mut self, kinds: &[&str]) -> Value {
        let mut before = Vec::new();
        loop {
            let next = self.next(Duration::from_secs(10));
            let frame = next.unwrap_or_else(|| panic!("none of {kinds:?} after {before:?}"));
            if frame.opcode == TEXT {
                let told = frame.json();
                if kinds.iter().any(|kind| told["type"] == *kind) {
                    return told;
                }
                before.push(told);
            }
        }
    }
}

/// A connection whose kernel keeps 4 KiB for it.
pub(crate) fn narrow(address: SocketAddr) -> TcpStream {
    let socket = RawSocket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// A masked frame.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(opcode, payload.len() as u64);
    let mask = bytes[bytes.len() - 4..].to_vec();
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
