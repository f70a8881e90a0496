//! The header of a GGUF file.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufReader, Error, ErrorKind, Read, Result as IoResult, Seek},
    path::Path,
};

use crate::LoadError;

/// What mistralrs 0.8.1 builds from GGUF; anything else makes it panic.
const SUPPORTED: &[&str] =
    &["llama", "mistral3", "phi2", "phi3", "qwen2", "qwen3", "qwen3moe", "starcoder2"];

/// No text, list or name in a sane header is longer.
const MAX_LENGTH: u64 = 1 << 24;

/// What of the header is used.
pub(super) struct Header {
    pub(super) chat_template: Option<String>,
    pub(super) end_token: Option<u32>,
}

/// A value of the header; lists are skipped.
enum Entry {
    Text(String),
    Number(u64),
    Other,
}

/// Reads and checks the header of the file at `path`.
pub(super) fn read(path: &Path) -> Result<Header, LoadError> {
    let failed = |error: &Error| match error.kind() {
        ErrorKind::UnexpectedEof => LoadError::malformed(path, "the file is truncated"),
        _ => LoadError::malformed(path, error.to_string()),
    };
    let file = File::open(path).map_err(|error| failed(&error))?;
    let size = file.metadata().map_err(|error| failed(&error))?.len();
    let mut reader = Reader(BufReader::new(file));
    let (entries, tensors) = reader.header().map_err(|error| failed(&error))?;
    let text = |key: &str| match entries.get(key) {
        Some(Entry::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let number = |key: &str| match entries.get(key) {
        Some(Entry::Number(number)) => Some(*number),
        _ => None,
    };
    let architecture = text("general.architecture")
        .ok_or_else(|| LoadError::malformed(path, "general.architecture is missing"))?;
    if !SUPPORTED.contains(&architecture.as_str()) {
        let architecture = format!("the GGUF architecture {architecture}");
        let way_out =
            "use a llama, qwen2 or qwen3 file, or llama.cpp's server as a compatible server";
        return Err(LoadError::UnsupportedArchitecture {
            path: path.to_owned(),
            architecture,
            way_out,
        });
    }
    for key in ["block_count", "context_length", "embedding_length", "attention.head_count"] {
        let key = format!("{architecture}.{key}");
        if number(&key).is_none() {
            return Err(LoadError::malformed(path, format!("{key} is missing")));
        }
    }
    if number("split.count").is_some_and(|count| count > 1) {
        return Err(LoadError::malformed(
            path,
            "this is a part of a split model: merge the parts with llama-gguf-split",
        ));
    }
    let alignment = number("general.alignment").unwrap_or(32).max(1);
    let start = reader.position().map_err(|error| failed(&error))?.div_ceil(alignment) * alignment;
    let end = start.saturating_add(tensors);
    if end > size {
        return Err(LoadError::malformed(
            path,
            format!("the file is truncated: it needs {end} bytes and has {size}"),
        ));
    }
    let end_token = number("tokenizer.ggml.eos_token_id").and_then(|id| u32::try_from(id).ok());
    Ok(Header { chat_template: text("tokenizer.chat_template"), end_token })
}

struct Reader(BufReader<File>);

impl Reader {
    /// The entries, and how many bytes of tensor data must follow.
    fn header(&mut self) -> IoResult<(HashMap<String, Entry>, u64)> {
        if self.bytes::<4>().unwrap_or_default() != *b"GGUF" {
            return Err(invalid("this is not a GGUF file: it does not begin with GGUF"));
        }
        let version = self.u32()?;
        if !(2..=3).contains(&version) {
            return Err(invalid(&format!("GGUF version {version} is not supported, 2 and 3 are")));
        }
        let (tensor_count, entry_count) = (self.u64()?, self.u64()?);
        let mut entries = HashMap::new();
        for _ in 0..entry_count {
            let key = self.text()?;
            let kind = self.u32()?;
            let entry = self.entry(kind)?;
            entries.insert(key, entry);
        }
        let mut end = 0;
        for _ in 0..tensor_count {
            end = end.max(self.tensor()?);
        }
        Ok((entries, end))
    }

    /// Where the data of the next tensor ends, counted from the first one's start.
    fn tensor(&mut self) -> IoResult<u64> {
        self.text()?;
        let mut elements = 1_u64;
        for _ in 0..self.u32()?.min(8) {
            elements = elements.saturating_mul(self.u64()?);
        }
        let kind = self.u32()?;
        let offset = self.u64()?;
        // Bytes and elements of a block of each type; of an unknown type nothing is claimed.
        let (bytes, block) = match kind {
            0 => (4, 1),
            1 | 30 => (2, 1),
            2 => (18, 32),
            3 => (20, 32),
            6 => (22, 32),
            7 => (24, 32),
            8 => (34, 32),
            9 => (36, 32),
            10 => (84, 256),
            11 => (110, 256),
            12 => (144, 256),
            13 => (176, 256),
            14 => (210, 256),
            15 => (292, 256),
            _ => (0, 1),
        };
        Ok(offset.saturating_add((elements / block).saturating_mul(bytes)))
    }

    fn entry(&mut self, kind: u32) -> IoResult<Entry> {
        Ok(match kind {
            0 | 1 | 7 => Entry::Number(u64::from(self.bytes::<1>()?[0])),
            2 | 3 => Entry::Number(u64::from(u16::from_le_bytes(self.bytes()?))),
            4 | 5 => Entry::Number(u64::from(self.u32()?)),
            6 => self.skip(4)?,
            8 => Entry::Text(self.text()?),
            9 => {
                let (kind, count) = (self.u32()?, self.u64()?);
                match kind {
                    8 => (0..count).try_for_each(|_| self.text().map(drop))?,
                    0..=7 | 10..=12 => {
                        let width = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8][kind as usize];
                        self.skip(count.saturating_mul(width))?;
                    }
                    _ => return Err(invalid("a list has an unknown type")),
                }
                Entry::Other
            }
            10 | 11 => Entry::Number(self.u64()?),
            12 => self.skip(8)?,
            _ => return Err(invalid(&format!("an entry has the unknown type {kind}"))),
        })
    }

    fn text(&mut self) -> IoResult<String> {
        let length = self.u64()?;
        if length > MAX_LENGTH {
            return Err(invalid("a text is longer than any header"));
        }
        let mut bytes = Vec::new();
        if self.0.by_ref().take(length).read_to_end(&mut bytes)? as u64 != length {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn skip(&mut self, bytes: u64) -> IoResult<Entry> {
        let bytes =
            i64::try_from(bytes).map_err(|_| invalid("a list is longer than any header"))?;
        self.0.seek_relative(bytes)?;
        Ok(Entry::Other)
    }

    fn u32(&mut self) -> IoResult<u32> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> IoResult<u64> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn bytes<const N: usize>(&mut self) -> IoResult<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn position(&mut self) -> IoResult<u64> {
        self.0.stream_position()
    }
}

fn invalid(problem: &str) -> Error {
    Error::new(ErrorKind::InvalidData, problem)
}
