//! A case of frames over a WebSocket.

use std::{collections::HashMap, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    expand::expand,
    process::Process,
    socket::{CLOSE, Frame, PING, PONG, Socket, TEXT, frame},
};

/// What is sent, and what has to come back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    /// What is sent at once: `KIND PAYLOAD`, where a kind is one of [`opcode`], or `raw` for bytes
    /// as they are.
    sends: Vec<String>,
    /// What is answered, in this order; other frames may come in between. `error CODE` is an error
    /// with this code.
    #[serde(default)]
    says: Vec<String>,
    /// The code that the connection is closed with. Without one it has to stay open.
    closes: Option<u16>,
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The payload of the ping that shows that a connection is alive.
const ALIVE: &[u8] = b"still there?";

fn opcode(kind: &str) -> u8 {
    match kind {
        "text" => TEXT,
        "binary" => 0x82,
        "close" => CLOSE,
        "ping" => PING,
        "pong" => PONG,
        "first" => 0x01,
        "first-binary" => 0x02,
        "more" => 0x00,
        "last" => 0x80,
        other => panic!("what kind of frame is {other:?}?"),
    }
}

impl Case {
    /// Runs it; the error says what is not as it has to be.
    pub(super) fn run(
        &self,
        service: &Process,
        known: &HashMap<&str, String>,
    ) -> Result<(), String> {
        let mut socket = Socket::open(service.address());
        let mut bytes = Vec::new();
        for sent in &self.sends {
            let (kind, payload) = sent.split_once(' ').unwrap_or((sent, ""));
            let payload = expand(payload, known);
            match kind {
                "raw" => bytes.extend(payload),
                kind => bytes.extend(frame(opcode(kind), &payload)),
            }
        }
        socket.write(&bytes);
        let mut told = Vec::new();
        for wanted in &self.says {
            listen(&mut socket, &mut told, |frame| says(frame) == *wanted)
                .ok_or_else(|| format!("no {wanted:?} in {told:?}"))?;
        }
        let Some(code) = self.closes else {
            socket.send(PING, ALIVE);
            let is_pong = |frame: &Frame| frame.opcode == PONG && frame.payload == ALIVE;
            return listen(&mut socket, &mut told, is_pong)
                .map(drop)
                .ok_or_else(|| format!("the connection has ended: {told:?}"));
        };
        let close = listen(&mut socket, &mut told, |frame| frame.opcode == CLOSE)
            .ok_or_else(|| format!("no close frame: {told:?}"))?;
        if close.code() != code {
            return Err(format!("{} instead of {code}", close.code()));
        }
        match socket.next(PATIENCE) {
            None => Ok(()),
            Some(frame) => Err(format!("after the close frame comes {frame:?}")),
        }
    }
}

/// The next frame that is wanted; what comes before is noted.
fn listen(
    socket: &mut Socket,
    told: &mut Vec<String>,
    wanted: impl Fn(&Frame) -> bool,
) -> Option<Frame> {
    loop {
        let frame = socket.next(PATIENCE)?;
        if wanted(&frame) {
            return Some(frame);
        }
        told.push(says(&frame));
        // The newest are enough to see what went wrong.
        told.drain(..told.len().saturating_sub(5));
        if frame.opcode == CLOSE {
            return None;
        }
    }
}

/// A frame in the words of the case files.
fn says(frame: &Frame) -> String {
    match frame.opcode {
        TEXT => {
            let told = frame.json();
            match (told["type"].as_str(), &told["code"]) {
                (Some("error"), Value::String(code)) => format!("error {code}"),
                (Some(kind), _) => kind.to_owned(),
                (None, _) => told.to_string(),
            }
        }
        PONG => "pong of the protocol".to_owned(),
        CLOSE if frame.payload.len() >= 2 => format!("close {}", frame.code()),
        other => format!("frame {other:#x}"),
    }
}
