//! Reads requests, as much of HTTP/1.1 as the clients of this benchmark speak.

use std::io;

use tokio::net::TcpStream;

use crate::script::Script;

/// Largest request; more is a mistake.
const MOST: usize = 1 << 20;

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// The stream that it names.
    pub(super) stream: Option<u64>,
    /// Whether it wants to know the number of tokens.
    pub(super) usage: bool,
}

/// The next request, or nothing when the client is gone. `buffer` keeps what came behind it.
pub(super) async fn read_request(
    stream: &TcpStream,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<Request>> {
    loop {
        if let Some((request, length)) = parse(buffer)? {
            buffer.drain(..length);
            return Ok(Some(request));
        }
        if buffer.len() > MOST {
            return Err(io::Error::other("a request has no end"));
        }
        stream.readable().await?;
        match stream.try_read_buf(buffer) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// A request and its length, once all of it is there.
fn parse(bytes: &[u8]) -> io::Result<Option<(Request, usize)>> {
    let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let length = content_length(&bytes[..head])?;
    let Some(body) = bytes.get(head + 4..head + 4 + length) else { return Ok(None) };
    let usage = b"include_usage";
    let usage = body.windows(usage.len()).any(|window| window == usage);
    Ok(Some((Request { stream: Script::named_in(body), usage }, head + 4 + length)))
}

fn content_length(head: &[u8]) -> io::Result<usize> {
    let head = str::from_utf8(head).map_err(io::Error::other)?;
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.map_or(Ok(0), |(_, length)| length.trim().parse().map_err(io::Error::other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_once_it_is_whole() {
        let body = r#"{"stream_options":{"include_usage":true},"x":"bench-stream-000123"}"#;
        let whole = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        for length in 0..whole.len() {
            assert_eq!(parse(&whole.as_bytes()[..length]).unwrap(), None);
        }
        let behind = format!("{whole}POST");
        let (request, length) = parse(behind.as_bytes()).unwrap().unwrap();
        assert_eq!(request, Request { stream: Some(123), usage: true });
        assert_eq!(length, whole.len());
    }
}
