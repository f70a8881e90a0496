//! As much of HTTP/1.1 as requests of JSON need.

use std::io;

use tokio::{io::AsyncReadExt, net::tcp::OwnedReadHalf};

/// Most bytes of a request; a picture fits in.
const MOST: usize = 32 * 1024 * 1024;

/// A request.
#[derive(Debug, Default)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Call {
    /// The value of a header, by its name in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Reads the requests of a connection.
pub(crate) struct Reader {
    socket: OwnedReadHalf,
    buffer: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(socket: OwnedReadHalf) -> Self {
        Self { socket, buffer: Vec::new() }
    }

    /// The next request; `None` when the connection has ended.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Call>> {
        loop {
            if let Some((mut call, head)) = parse(&self.buffer)? {
                let length = call.header("content-length").unwrap_or("0").parse().unwrap_or(0);
                if length > MOST {
                    return Err(io::Error::other("the request is too long"));
                }
                while self.buffer.len() < head + length {
                    if !self.more().await? {
                        return Ok(None);
                    }
                }
                call.body = self.buffer[head..head + length].to_vec();
                self.buffer.drain(..head + length);
                return Ok(Some(call));
            }
            if self.buffer.len() > MOST || !self.more().await? {
                return Ok(None);
            }
        }
    }

    /// Waits until the other side has gone.
    pub(crate) async fn gone(&mut self) {
        // Whoever sends the next request before the answer to this one is read later.
        while matches!(self.more().await, Ok(true)) {}
    }

    async fn more(&mut self) -> io::Result<bool> {
        Ok(self.socket.read_buf(&mut self.buffer).await? > 0)
    }
}

/// The head of a request and its length, once it is there as a whole.
fn parse(bytes: &[u8]) -> io::Result<Option<(Call, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) =
        request.parse(bytes).map_err(|error| io::Error::other(error.to_string()))?
    else {
        return Ok(None);
    };
    let headers = request.headers.iter().map(|header| {
        (header.name.to_lowercase(), String::from_utf8_lossy(header.value).into_owned())
    });
    let call = Call {
        method: request.method.unwrap_or_default().to_owned(),
        path: request.path.unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: Vec::new(),
    };
    Ok(Some((call, length)))
}
