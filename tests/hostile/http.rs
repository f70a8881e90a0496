//! Bytes in, HTTP responses out.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use serde_json::Value;

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Bytes that came after it.
    pub(crate) rest: Vec<u8>,
    /// How long it took from the first byte sent.
    pub(crate) after: Duration,
}

impl Response {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The short name of the error that it tells, where it tells one.
    pub(crate) fn code(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        body["error"]["code"].as_str().map(str::to_owned)
    }
}

/// Sends bytes and reads the response; `None` when the connection ends without one.
pub(crate) fn exchange(stream: &mut TcpStream, bytes: &[u8]) -> Option<Response> {
    let begun = Instant::now();
    // Whoever is refused early may see the connection end while it still sends.
    let _ = stream.write_all(bytes);
    receive(stream, begun)
}

/// The same, saying that nothing more comes.
pub(crate) fn last_exchange(stream: &mut TcpStream, bytes: &[u8]) -> Option<Response> {
    let begun = Instant::now();
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    receive(stream, begun)
}

/// Reads a response.
pub(crate) fn receive(stream: &mut TcpStream, begun: Instant) -> Option<Response> {
    receive_after(stream, begun, Vec::new())
}

/// The same where these bytes have come already.
fn receive_after(stream: &mut TcpStream, begun: Instant, mut bytes: Vec<u8>) -> Option<Response> {
    let end = loop {
        if let Some(end) = find(&bytes, b"\r\n\r\n") {
            break end + 4;
        }
        if !more(stream, &mut bytes) {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    if status == 100 {
        // What follows is the answer.
        let mut next = receive_after(stream, begun, bytes.split_off(end))?;
        next.headers.push(("x-continued".to_owned(), "yes".to_owned()));
        return Some(next);
    }
    let mut response = Response {
        status,
        headers,
        body: bytes.split_off(end),
        rest: Vec::new(),
        after: begun.elapsed(),
    };
    complete(stream, &mut response);
    Some(response)
}

/// Reads the rest of the body.
fn complete(stream: &mut TcpStream, response: &mut Response) {
    let length = match (response.header("content-length"), response.header("transfer-encoding")) {
        (Some(length), _) => length.parse().unwrap(),
        (None, None) => 0,
        (None, Some(_)) => {
            while find(&response.body, b"0\r\n\r\n").is_none() && more(stream, &mut response.body) {
            }
            return;
        }
    };
    while response.body.len() < length && more(stream, &mut response.body) {}
    if response.body.len() > length {
        response.rest = response.body.split_off(length);
    }
}

/// Whether the connection ends by itself within a while; what comes before is added to `rest`.
pub(crate) fn ends(stream: &mut TcpStream, rest: &mut Vec<u8>, patience: Duration) -> bool {
    let begun = Instant::now();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut buffer = [0; 4096];
    while begun.elapsed() < patience {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(bytes) => rest.extend_from_slice(&buffer[..bytes]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return true,
        }
    }
    false
}

fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 16 * 1024];
    match stream.read(&mut buffer) {
        Ok(0) | Err(_) => false,
        Ok(count) => {
            bytes.extend_from_slice(&buffer[..count]);
            true
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
