//! Files in safetensors form: what tensors they hold, and how a new one begins.

use std::{fs::File, io::Read, path::Path};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    ConvertError,
    checkpoint::{Checkpoint, Stored},
    tensor::{Dtype, Tensor},
};

/// What the format itself allows.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// What a header says of one tensor.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// Reads the description of the tensors in the file at `path`.
pub(crate) fn open(path: &Path) -> Result<Checkpoint, ConvertError> {
    let wrong = |problem: String| ConvertError::malformed(path, problem);
    let mut file = File::open(path).map_err(ConvertError::file(path))?;
    let size = file.metadata().map_err(ConvertError::file(path))?.len();
    let mut start = Vec::new();
    file.by_ref().take(8).read_to_end(&mut start).map_err(ConvertError::file(path))?;
    if start == b"version " {
        return Err(wrong("this is a Git LFS pointer and not the file: git lfs pull".to_owned()));
    }
    let length = <[u8; 8]>::try_from(start.as_slice()).map(u64::from_le_bytes);
    let length = length.ok().filter(|length| *length <= MAX_HEADER_BYTES.min(size - 8));
    let length = length.ok_or_else(|| wrong("this is no safetensors file".to_owned()))?;
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header).map_err(ConvertError::file(path))?;
    let header: Map<String, Value> =
        serde_json::from_slice(&header).map_err(|error| wrong(format!("its header: {error}")))?;
    let data = 8 + length;
    let mut tensors = Vec::new();
    for (name, entry) in header {
        if name == "__metadata__" {
            continue;
        }
        let stored = stored(&name, entry, data, size);
        tensors.push(stored.map_err(|problem| wrong(format!("tensor {name}: {problem}")))?);
    }
    if tensors.is_empty() {
        return Err(wrong("it holds no tensors".to_owned()));
    }
    tensors.sort_by(|one, other| one.tensor.name.cmp(&other.tensor.name));
    Ok(Checkpoint { path: path.to_owned(), tensors })
}

/// The tensor of one entry, in a file of `size` bytes whose data begins at `data`.
fn stored(name: &str, entry: Value, data: u64, size: u64) -> Result<Stored, String> {
    let Entry { dtype, shape, data_offsets: [start, end] } =
        serde_json::from_value(entry).map_err(|error| error.to_string())?;
    let dtype =
        Dtype::named(&dtype).ok_or_else(|| format!("the number format {dtype} is not known"))?;
    let tensor = Tensor { name: name.to_owned(), dtype, shape };
    let fits = end.checked_sub(start).is_some_and(|bytes| Some(bytes) == tensor.checked_bytes());
    if !fits || end > size - data {
        return Err("its place in the file does not fit its shape".to_owned());
    }
    Ok(Stored::contiguous(tensor, data + start))
}

/// The header of a file with these tensors in this order, its length in front.
pub(crate) fn header<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Vec<u8> {
    let mut entries = Map::new();
    entries.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let mut start = 0;
    for tensor in tensors {
        let end = start + tensor.bytes();
        let entry = json!({"dtype": tensor.dtype.name(), "shape": tensor.shape, "data_offsets": [start, end]});
        entries.insert(tensor.name.clone(), entry);
        start = end;
    }
    let mut text = Value::Object(entries).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    [&(text.len() as u64).to_le_bytes()[..], &text].concat()
}
