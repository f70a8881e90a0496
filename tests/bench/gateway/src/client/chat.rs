//! A client over HTTP/1.1: OpenAI's chat completions, and Linly-Talker's call.

use std::{borrow::Cow, net::SocketAddr};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    Fault, Reading, Seen, Speech, Until,
    body::{Body, Head},
};
use crate::{clock, ledger::Record};

/// A client, and the connection that it keeps between streams.
#[derive(Debug)]
pub(crate) struct Chat {
    speech: Speech,
    address: SocketAddr,
    connection: Option<TcpStream>,
    raw: Vec<u8>,
}

/// A piece of a streamed completion.
#[derive(Deserialize)]
struct Chunk<'line> {
    #[serde(borrow, default)]
    choices: Vec<Choice<'line>>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Choice<'line> {
    #[serde(borrow)]
    delta: Delta<'line>,
}

#[derive(Deserialize)]
struct Delta<'line> {
    #[serde(borrow)]
    content: Option<Cow<'line, str>>,
}

/// A piece of an answer of the repaired Linly server.
#[derive(Deserialize)]
struct Piece<'line> {
    #[serde(borrow)]
    response: Cow<'line, str>,
}

impl Chat {
    pub(super) fn new(speech: Speech, address: SocketAddr) -> Self {
        Self { speech, address, connection: None, raw: Vec::with_capacity(16 * 1024) }
    }

    /// Asks for a stream and reads it to the end, or breaks off.
    pub(super) async fn stream(&mut self, record: &Record, until: Until) -> Result<Seen, Fault> {
        let request = self.request(&record.script.words());
        let mut connection = match self.connection.take() {
            Some(connection) if is_open(&connection) => connection,
            _ => self.connect().await?,
        };
        self.raw.clear();
        let asked = clock::now();
        connection.write_all(&request).await.map_err(Fault::broken)?;
        let mut reading = Reading::new(record);
        let (mut body, mut status) = (None, 0);
        let (speech, raw) = (self.speech, &mut self.raw);
        while !body.as_ref().is_some_and(Body::is_done) {
            if connection.read_buf(raw).await.map_err(Fault::broken)? == 0 {
                return Err(Fault::broken("the connection ends within the answer"));
            }
            let at = clock::now();
            if body.is_none()
                && let Some(head) = Head::parse(raw)?
            {
                raw.drain(..head.length);
                status = head.status;
                body = Some(Body::new(&head));
            }
            let Some(body) = &mut body else { continue };
            body.take(raw, |line| match status {
                200 => read_line(speech, line, |piece| reading.take(piece, at)),
                _ => Err(Fault::broken(format!("status {status}: {line}"))),
            })?;
            if status != 200 {
                let said = String::from_utf8_lossy(body.rest());
                return Err(Fault::broken(format!("status {status}: {said}")));
            }
            if let Until::Token(token) = until
                && reading.tokens() >= token
            {
                let broke_off = Some(clock::now());
                drop(connection);
                let arrivals = reading.so_far();
                return Ok(Seen { asked, accepted: None, arrivals, broke_off });
            }
        }
        self.connection = Some(connection);
        let arrivals = reading.whole(record)?;
        Ok(Seen { asked, accepted: None, arrivals, broke_off: None })
    }

    async fn connect(&self) -> Result<TcpStream, Fault> {
        let connection = TcpStream::connect(self.address).await.map_err(Fault::broken)?;
        connection.set_nodelay(true).map_err(Fault::broken)?;
        Ok(connection)
    }

    fn request(&self, words: &str) -> Vec<u8> {
        let (path, body) = if self.speech == Speech::Linly {
            ("/", json!({ "prompt": words, "history": [], "stream": true }))
        } else {
            let messages = json!([{ "role": "user", "content": words }]);
            let body = json!({ "model": "bench", "messages": messages, "stream": true });
            ("/v1/chat/completions", body)
        };
        let (body, host) = (body.to_string(), self.address);
        let head = format!("POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer bench");
        let length = body.len();
        let what = "content-type: application/json\r\ncontent-length";
        format!("{head}\r\n{what}: {length}\r\n\r\n{body}").into_bytes()
    }
}

/// Whether a connection that was kept can be used: nothing has come on it, not even its end.
fn is_open(connection: &TcpStream) -> bool {
    matches!(connection.try_read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

fn read_line(
    speech: Speech,
    line: &str,
    mut take: impl FnMut(&str) -> Result<(), Fault>,
) -> Result<(), Fault> {
    if speech == Speech::Linly {
        let piece: Piece<'_> = serde_json::from_str(line).map_err(Fault::broken)?;
        return take(&piece.response);
    }
    // Comments and other fields of an event stream are no text.
    let Some(data) = line.strip_prefix("data:").map(str::trim_start) else { return Ok(()) };
    if data == "[DONE]" {
        return Ok(());
    }
    let chunk: Chunk<'_> = serde_json::from_str(data).map_err(Fault::broken)?;
    if chunk.error.is_some() {
        return Err(Fault::broken(data));
    }
    let contents = chunk.choices.into_iter().filter_map(|choice| choice.delta.content);
    contents.into_iter().try_for_each(|content| take(&content))
}
