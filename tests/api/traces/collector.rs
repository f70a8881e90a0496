//! A collector of traces: it takes OTLP over HTTP and reads the protobuf itself, as far as tests ask.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A span, as it was sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent {
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) began: u64,
    pub(crate) ended: u64,
    pub(crate) attributes: BTreeMap<String, String>,
    /// Whether it says that something failed.
    pub(crate) failed: bool,
}

/// What has come.
#[derive(Default)]
pub(crate) struct Collector {
    pub(crate) spans: Mutex<Vec<Sent>>,
    /// Everything, as bytes.
    pub(crate) bodies: Mutex<Vec<u8>>,
    /// The service's name among what it says of itself.
    pub(crate) resource: Mutex<BTreeMap<String, String>>,
}

impl Collector {
    /// Listens, and gives the address.
    pub(crate) async fn start() -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let collector = Arc::new(Self::default());
        let taking = Arc::clone(&collector);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&taking).serve(stream));
            }
        });
        (collector, url)
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        loop {
            let head = loop {
                if let Some(at) = buffer.windows(4).position(|end| end == b"\r\n\r\n") {
                    break at + 4;
                }
                if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                    return;
                }
            };
            let text = String::from_utf8(buffer[..head].to_vec()).unwrap().to_lowercase();
            assert!(text.starts_with("post /v1/traces "), "{text}");
            assert!(text.contains("content-type: application/x-protobuf"), "{text}");
            let header = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
            let length: usize = header("content-length: ").unwrap().trim().parse().unwrap();
            while buffer.len() < head + length {
                assert!(stream.read_buf(&mut buffer).await.unwrap() > 0, "it broke off");
            }
            self.take(&buffer[head..head + length]);
            buffer.drain(..head + length);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        }
    }

    /// Reads an `ExportTraceServiceRequest`.
    fn take(&self, body: &[u8]) {
        self.bodies.lock().unwrap().extend_from_slice(body);
        for resource_spans in messages(body, 1) {
            for resource in messages(resource_spans, 1) {
                self.resource.lock().unwrap().extend(attributes(resource, 1));
            }
            for scope_spans in messages(resource_spans, 2) {
                let spans = messages(scope_spans, 2).map(Sent::read);
                self.spans.lock().unwrap().extend(spans);
            }
        }
    }
}

impl Sent {
    fn read(bytes: &[u8]) -> Self {
        let hex = |number: u64| -> String {
            let bytes = messages(bytes, number).next().unwrap_or_default();
            bytes.iter().fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").unwrap();
                text
            })
        };
        let time = |number: u64| {
            fields(bytes).find_map(|(at, value)| match value {
                Field::Number(value) if at == number => Some(value),
                _ => None,
            })
        };
        let status = messages(bytes, 15).next().unwrap_or_default();
        Self {
            name: text(messages(bytes, 5).next().unwrap_or_default()),
            trace: hex(1),
            id: hex(2),
            parent: hex(4),
            began: time(7).unwrap(),
            ended: time(8).unwrap(),
            attributes: attributes(bytes, 9).collect(),
            // Code 2 of a status is an error.
            failed: fields(status).any(|field| field == (3, Field::Number(2))),
        }
    }
}

/// A field of a message: a number, or bytes that may be a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field<'bytes> {
    Number(u64),
    Bytes(&'bytes [u8]),
}

/// The fields of a message.
fn fields(mut rest: &[u8]) -> impl Iterator<Item = (u64, Field<'_>)> {
    std::iter::from_fn(move || {
        let key = varint(&mut rest)?;
        let value = match key & 7 {
            0 => Field::Number(varint(&mut rest)?),
            1 => Field::Number(u64::from_le_bytes(split(&mut rest, 8).try_into().unwrap())),
            2 => {
                let length = usize::try_from(varint(&mut rest)?).unwrap();
                Field::Bytes(split(&mut rest, length))
            }
            5 => {
                let four = split(&mut rest, 4).try_into().unwrap();
                Field::Number(u64::from(u32::from_le_bytes(four)))
            }
            other => panic!("no type of a field: {other}"),
        };
        Some((key >> 3, value))
    })
}

fn split<'bytes>(rest: &mut &'bytes [u8], length: usize) -> &'bytes [u8] {
    let (part, left) = rest.split_at(length);
    *rest = left;
    part
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, left) = rest.split_first()?;
        *rest = left;
        value |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Some(value);
        }
    }
    panic!("a number without an end")
}

/// What stands in the fields of this number.
fn messages(bytes: &[u8], number: u64) -> impl Iterator<Item = &[u8]> {
    fields(bytes).filter_map(move |(at, value)| match value {
        Field::Bytes(bytes) if at == number => Some(bytes),
        _ => None,
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Pairs of a name and a value; of a value that is no text, that there is one.
fn attributes(bytes: &[u8], number: u64) -> impl Iterator<Item = (String, String)> {
    messages(bytes, number).map(|pair| {
        let name = text(messages(pair, 1).next().unwrap_or_default());
        let value = messages(pair, 2).next().unwrap_or_default();
        (name, messages(value, 1).next().map_or_else(|| "…".to_owned(), text))
    })
}
