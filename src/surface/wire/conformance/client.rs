//! A client that may break every rule, and believes nothing that it is told.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

pub(super) const CONTINUATION: u8 = 0x0;
pub(super) const TEXT: u8 = 0x1;
pub(super) const BINARY: u8 = 0x2;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xA;

/// How long the server may take over anything.
const PATIENCE: Duration = Duration::from_secs(3);

/// The key of the RFC's own example, and what a server makes of it (section 1.3).
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A frame to send, in whatever form.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) opcode: u8,
    pub(super) payload: Vec<u8>,
    pub(super) is_last: bool,
    /// The three reserved bits, 0 to 7.
    pub(super) reserved: u8,
    pub(super) mask: Option<[u8; 4]>,
    /// The length that is announced, where it is not the payload's.
    pub(super) announced: Option<u64>,
    /// How many bytes the length takes beyond the short one (0, 2 or 8), where not the fewest.
    pub(super) extended: Option<usize>,
}

impl Frame {
    pub(super) fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            opcode,
            payload: payload.into(),
            is_last: true,
            reserved: 0,
            mask: Some([0x37, 0xFA, 0x21, 0x3D]),
            announced: None,
            extended: None,
        }
    }

    pub(super) fn text(text: &str) -> Self {
        Self::new(TEXT, text)
    }

    pub(super) fn close(code: u16, reason: &str) -> Self {
        Self::new(CLOSE, [&code.to_be_bytes(), reason.as_bytes()].concat())
    }

    /// The same frame with more to follow.
    pub(super) fn unfinished(mut self) -> Self {
        self.is_last = false;
        self
    }

    /// Its bytes.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.is_last) << 7 | self.reserved << 4 | self.opcode];
        let length = self.announced.unwrap_or(self.payload.len() as u64);
        let fewest = match length {
            0..=125 => 0,
            126..=0xFFFF => 2,
            _ => 8,
        };
        let masked = u8::from(self.mask.is_some()) << 7;
        let all = length.to_be_bytes();
        match self.extended.unwrap_or(fewest) {
            0 => bytes.push(masked | all[7]),
            2 => bytes.extend([masked | 0x7E, all[6], all[7]]),
            _ => {
                bytes.push(masked | 0x7F);
                bytes.extend(all);
            }
        }
        let mask = self.mask.unwrap_or_default();
        bytes.extend(self.mask.iter().flatten());
        bytes.extend(self.payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }
}

/// How a connection ends.
#[derive(Debug, Clone)]
enum End {
    /// The client closes with 1000, and gets that back.
    InPeace,
    /// The server fails it with this code.
    Failed(u16),
    /// The client has closed among what it sent, and gets this code back.
    Answered(u16),
}

/// What is sent, and all that has to come back.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) name: String,
    sent: Vec<u8>,
    /// Bytes in a write; 0: all in one.
    piece: usize,
    returned: Vec<(u8, Vec<u8>)>,
    end: End,
}

impl Case {
    /// A case in which nothing is sent but a close.
    pub(super) fn new(name: impl Into<String>) -> Self {
        let (sent, returned) = (Vec::new(), Vec::new());
        Self { name: name.into(), sent, piece: 0, returned, end: End::InPeace }
    }

    pub(super) fn sends(mut self, frame: &Frame) -> Self {
        self.sent.extend(frame.bytes());
        self
    }

    /// Sends it in writes of so many bytes.
    pub(super) fn in_pieces(mut self, bytes: usize) -> Self {
        self.piece = bytes;
        self
    }

    pub(super) fn returns(mut self, opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        self.returned.push((opcode, payload.into()));
        self
    }

    pub(super) fn returns_text(self, text: &str) -> Self {
        self.returns(TEXT, text)
    }

    pub(super) fn fails(mut self, code: u16) -> Self {
        self.end = End::Failed(code);
        self
    }

    pub(super) fn answered(mut self, code: u16) -> Self {
        self.end = End::Answered(code);
        self
    }

    /// Plays it; the error says what came instead.
    pub(super) fn run(&self, address: SocketAddr) -> Result<(), String> {
        let told = |error| format!("{}: {error}", self.name);
        let mut stream = shake_hands(address).map_err(told)?;
        let mut bytes = self.sent.clone();
        let code = match self.end {
            End::InPeace => {
                bytes.extend(Frame::close(1000, "").bytes());
                1000
            }
            End::Failed(code) | End::Answered(code) => code,
        };
        let piece = if self.piece == 0 { bytes.len().max(1) } else { self.piece };
        let mut reader = stream.try_clone().map_err(|error| told(error.to_string()))?;
        let reading = std::thread::spawn(move || read_to_the_end(&mut reader));
        for piece in bytes.chunks(piece) {
            // The server may have failed the connection by now.
            if stream.write_all(piece).is_err() {
                break;
            }
        }
        let read = reading.join().map_err(|_| told("the reader failed".to_owned()))?;
        let mut frames = read.map_err(told)?;
        let close = frames.pop().filter(|(opcode, _)| *opcode == CLOSE);
        if frames != self.returned {
            return Err(told(format!(
                "{} and {} came back",
                shown(&frames),
                shown(close.as_slice())
            )));
        }
        let got = close.and_then(|(_, payload)| payload.first_chunk().copied());
        if got.map(u16::from_be_bytes) != Some(code) {
            return Err(told(format!("closed with {:?}", got.map(u16::from_be_bytes))));
        }
        Ok(())
    }
}

/// Frames, as far as a person reads them.
fn shown(frames: &[(u8, Vec<u8>)]) -> String {
    let one = |(opcode, payload): &(u8, Vec<u8>)| {
        let start = String::from_utf8_lossy(&payload[..payload.len().min(24)]);
        format!("{opcode:x} of {} bytes {start:?}", payload.len())
    };
    format!("{:?}", frames.iter().map(one).collect::<Vec<_>>())
}

fn shake_hands(address: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
    let prepared = stream
        .set_nodelay(true)
        .and_then(|()| stream.set_read_timeout(Some(PATIENCE)))
        .and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
    prepared.map_err(|error| error.to_string())?;
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    );
    (&stream).write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        (&stream).read_exact(&mut byte).map_err(|error| format!("no handshake: {error}"))?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let accepts = head.starts_with("http/1.1 101")
        && head.contains(&format!("sec-websocket-accept: {}\r\n", ACCEPT.to_lowercase()));
    if accepts { Ok(stream) } else { Err(format!("not accepted: {head}")) }
}

/// Reads every frame of a server to the end of the connection. The error says which rule the server
/// broke, or what did not come.
fn read_to_the_end(stream: &mut TcpStream) -> Result<Vec<(u8, Vec<u8>)>, String> {
    let mut frames: Vec<(u8, Vec<u8>)> = Vec::new();
    loop {
        let mut start = [0; 2];
        match stream.read(&mut start[..1]) {
            Ok(0) => return Ok(frames),
            Ok(_) => {}
            // What was still on its way to the server when it closed.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(frames),
            Err(error) => return Err(format!("no end: {error}, after {}", shown(&frames))),
        }
        let broken = |error: std::io::Error| format!("half a frame: {error}");
        stream.read_exact(&mut start[1..]).map_err(broken)?;
        if start[0] & 0xF0 != 0x80 || start[1] & 0x80 != 0 {
            return Err(format!("a frame that begins with {start:x?}"));
        }
        let extended = match start[1] {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mut length = [0; 8];
        stream.read_exact(&mut length[8 - extended..]).map_err(broken)?;
        let length = if extended == 0 { u64::from(start[1]) } else { u64::from_be_bytes(length) };
        let fewest = match length {
            0..=125 => 0,
            126..=0xFFFF => 2,
            _ => 8,
        };
        if fewest != extended {
            return Err(format!("a length of {length} in {extended} bytes"));
        }
        let length = usize::try_from(length).map_err(|error| error.to_string())?;
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).map_err(broken)?;
        if frames.last().is_some_and(|(opcode, _)| *opcode == CLOSE) {
            return Err("a frame after the close".to_owned());
        }
        frames.push((start[0] & 0xF, payload));
    }
}
