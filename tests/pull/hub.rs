//! A hub of the test's own, with the interfaces of Hugging Face and `ModelScope`.
//!
//! It speaks HTTP by hand, because it also has to break off, stall and lie about lengths.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// Entries of one page of Hugging Face's list, so that there are several.
const PAGE: usize = 2;

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Path and query as they came.
    pub(crate) target: String,
    /// By names in small letters.
    pub(crate) headers: HashMap<String, String>,
    /// How many requests for the same target came before.
    pub(crate) before: usize,
}

impl Asked {
    pub(crate) fn is_for(&self, name: &str) -> bool {
        self.target.ends_with(&format!("/{name}"))
            || self.target.ends_with(&format!("FilePath={name}"))
    }

    /// The first byte of the range that is asked for.
    pub(crate) fn from(&self) -> Option<usize> {
        self.headers.get("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// One answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// The length that is announced; `None` sends chunks.
    pub(crate) length: Option<usize>,
    /// Whether the connection stays open, silent, after the body.
    pub(crate) stall: bool,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let length = Some(body.len());
        Self { status, headers: Vec::new(), body, length, stall: false }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same, cut after `count` bytes of the body.
    pub(crate) fn cut(mut self, count: usize) -> Self {
        self.body.truncate(count);
        self
    }

    /// The same without an announced length.
    pub(crate) fn chunked(mut self) -> Self {
        self.length = None;
        self
    }
}

type Twist = dyn Fn(&Asked, &Files) -> Option<Reply> + Send + Sync;

/// The files of the one model that the hub has.
#[derive(Default)]
pub(crate) struct Files(BTreeMap<String, Vec<u8>>);

/// A hub that runs until the test ends.
pub(crate) struct Hub {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Hub {
    /// A hub with `files`, which answers as a hub does.
    pub(crate) async fn start(files: &[(&str, Vec<u8>)]) -> Self {
        Self::twisted(files, |_, _| None).await
    }

    /// A hub with `files` that answers as `twist` says, and otherwise as a hub does.
    pub(crate) async fn twisted(
        files: &[(&str, Vec<u8>)],
        twist: impl Fn(&Asked, &Files) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let files = files.iter().map(|(name, body)| ((*name).to_owned(), body.clone())).collect();
        let (files, twist) = (Arc::new(Files(files)), Arc::new(twist) as Arc<Twist>);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, files, twist) =
                    (Arc::clone(&log), Arc::clone(&files), Arc::clone(&twist));
                tokio::spawn(async move {
                    // A client that goes away early is part of some tests.
                    let _ = serve(stream, &log, &files, &*twist).await;
                });
            }
        });
        Self { url, asked }
    }

    /// Everything that was asked for so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The requests for one file so far.
    pub(crate) fn asked_for(&self, name: &str) -> Vec<Asked> {
        self.asked().into_iter().filter(|asked| asked.is_for(name)).collect()
    }
}

async fn serve(
    stream: TcpStream,
    log: &Mutex<Vec<Asked>>,
    files: &Files,
    twist: &Twist,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    // Some connections are given up before anything is asked.
    let Some(first) = lines.first() else { return Ok(()) };
    let target = first.split(' ').nth(1).unwrap();
    // A proxy is asked for whole addresses.
    let target = match target.strip_prefix("http://") {
        Some(rest) => &rest[rest.find('/').unwrap()..],
        None => target,
    };
    let header = |line: &String| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    let headers = lines[1..].iter().map(header).collect();
    let asked = {
        let mut log = log.lock().unwrap();
        let before = log.iter().filter(|asked| asked.target == target).count();
        let asked = Asked { target: target.to_owned(), headers, before };
        log.push(asked.clone());
        asked
    };
    let reply = twist(&asked, files).unwrap_or_else(|| files.answer(&asked));
    send(stream, reply).await
}

async fn send(mut stream: BufReader<TcpStream>, reply: Reply) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", reply.status);
    let (name, length) = match reply.length {
        Some(length) => ("Content-Length", length.to_string()),
        None => ("Transfer-Encoding", "chunked".to_owned()),
    };
    for (name, value) in reply.headers.iter().chain(&[(name, length)]) {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    if reply.length.is_some() {
        stream.write_all(&reply.body).await?;
    } else {
        for chunk in reply.body.chunks(1000) {
            stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await?;
            stream.write_all(chunk).await?;
            stream.write_all(b"\r\n").await?;
        }
        stream.write_all(b"0\r\n\r\n").await?;
    }
    if reply.stall {
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    stream.shutdown().await?;
    // Until the client has closed too, so that what was sent is not thrown away.
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await?;
    Ok(())
}

impl Files {
    /// Answers as a hub does.
    pub(crate) fn answer(&self, asked: &Asked) -> Reply {
        let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
        let value = |name: &str| {
            let mut fields = query.split('&').filter_map(|field| field.split_once('='));
            fields.find(|(field, _)| *field == name).map(|(_, value)| value.replace("%2F", "/"))
        };
        match path.split('/').skip(1).collect::<Vec<_>>().as_slice() {
            ["api", "models", "org", "name", "tree", "main"] => self.tree(value("cursor")),
            ["org", "name", "resolve", "main", path @ ..] => {
                self.file(&path.join("/"), asked.from())
            }
            ["api", "v1", "models", "org", "name", "repo", "files"] => {
                assert_eq!(value("Recursive").as_deref(), Some("True"));
                assert_eq!(value("Revision").as_deref(), Some("master"));
                self.modelscope()
            }
            ["api", "v1", "models", "org", "name", "repo"] => {
                self.file(&value("FilePath").unwrap(), asked.from())
            }
            _ => Reply::new(404, "Not Found"),
        }
    }

    /// A page of Hugging Face's list.
    fn tree(&self, cursor: Option<String>) -> Reply {
        let start: usize = cursor.map_or(0, |cursor| cursor.parse().unwrap());
        let entries: Vec<Value> = self.entries();
        let page = entries.iter().skip(start).take(PAGE).collect::<Vec<_>>();
        let reply = Reply::new(200, json!(page).to_string());
        let next = start + PAGE;
        if next >= entries.len() {
            return reply;
        }
        // A mirror passes on the address of the hub behind it.
        let target = format!("/api/models/org/name/tree/main?recursive=true&cursor={next}");
        reply.with("Link", format!("<https://hub.invalid{target}>; rel=\"next\""))
    }

    fn entries(&self) -> Vec<Value> {
        let folder = json!({ "type": "directory", "oid": "0", "size": 0, "path": "onnx" });
        let files = self.0.iter().map(|(path, body)| {
            if is_large(path) {
                let lfs = json!({ "oid": sha256(body), "size": body.len(), "pointerSize": 134 });
                json!({ "type": "file", "oid": "0".repeat(40), "size": body.len(), "lfs": lfs, "path": path })
            } else {
                json!({ "type": "file", "oid": blob(body), "size": body.len(), "path": path })
            }
        });
        std::iter::once(folder).chain(files).collect()
    }

    fn modelscope(&self) -> Reply {
        let folder =
            json!({ "Name": "onnx", "Path": "onnx", "Type": "tree", "Size": 0, "Sha256": "" });
        let files = self.0.iter().map(|(path, body)| {
            let name = path.rsplit('/').next();
            json!({ "Name": name, "Path": path, "Type": "blob", "Size": body.len(), "Sha256": sha256(body) })
        });
        let files: Vec<Value> = std::iter::once(folder).chain(files).collect();
        let answer =
            json!({ "Code": 200, "Success": true, "Message": "", "Data": { "Files": files } });
        Reply::new(200, answer.to_string())
    }

    /// The file, or the rest of it.
    pub(crate) fn file(&self, path: &str, from: Option<usize>) -> Reply {
        let Some(body) = self.0.get(path) else { return Reply::new(404, "Entry not found") };
        match from {
            None => Reply::new(200, body.clone()),
            Some(from) if from < body.len() => {
                let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
                Reply::new(206, &body[from..]).with("Content-Range", range)
            }
            Some(_) => {
                let range = format!("bytes */{}", body.len());
                Reply::new(416, "").with("Content-Range", range)
            }
        }
    }
}

fn is_large(path: &str) -> bool {
    [".safetensors", ".gguf", ".bin", "tokenizer.json"].iter().any(|end| path.ends_with(end))
}

fn sha256(body: &[u8]) -> String {
    hexadecimal(&Sha256::digest(body))
}

fn blob(body: &[u8]) -> String {
    let mut sum = Sha1::new_with_prefix(format!("blob {}\0", body.len()));
    sum.update(body);
    hexadecimal(&sum.finalize())
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digits =
        |byte: &u8| [byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]);
    bytes.iter().flat_map(digits).map(char::from).collect()
}
