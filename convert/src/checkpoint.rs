//! A checkpoint as `torch.save` writes it: a zip file with a pickle and the bytes of the storages.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use zip::{CompressionMethod, ZipArchive};

use crate::{
    ConvertError,
    pickle::{Id, Node, Pickle},
    tensor::{Dtype, Tensor},
};

/// A pickle that describes tensors is far smaller.
const MAX_PICKLE_BYTES: u64 = 64 << 20;

/// A file whose tensors are known and not yet read.
pub(crate) struct Checkpoint {
    pub(crate) path: PathBuf,
    /// In the order of their names.
    pub(crate) tensors: Vec<Stored>,
}

/// A tensor and where it lies in the file.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) tensor: Tensor,
    strides: Vec<u64>,
    /// Where its first element is, from the start of the file.
    pub(crate) position: u64,
}

/// The bytes of one storage in the file.
#[derive(Clone, Copy)]
struct Storage {
    start: u64,
    length: u64,
}

impl Checkpoint {
    /// Reads the description of the tensors in the file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, ConvertError> {
        let wrong = |problem: String| ConvertError::malformed(path, problem);
        let file = File::open(path).map_err(ConvertError::file(path))?;
        let mut reader = BufReader::new(file);
        refuse_other_forms(path, &mut reader)?;
        let mut archive =
            ZipArchive::new(reader).map_err(|error| wrong(format!("the zip file: {error}")))?;
        let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
        let described = names.iter().find(|name| name.rsplit('/').next() == Some("data.pkl"));
        let described =
            described.ok_or_else(|| wrong("it has no data.pkl, so it is no checkpoint".into()))?;
        let folder = described.trim_end_matches("data.pkl");
        let mut bytes = Vec::new();
        let mut pickle = archive.by_name(described).map_err(|error| wrong(error.to_string()))?;
        if pickle.size() > MAX_PICKLE_BYTES {
            return Err(wrong(format!("its data.pkl has {} bytes", pickle.size())));
        }
        pickle.read_to_end(&mut bytes).map_err(|error| wrong(error.to_string()))?;
        drop(pickle);
        let mut storages = HashMap::new();
        for name in &names {
            let Some(key) = name.strip_prefix(folder).and_then(|name| name.strip_prefix("data/"))
            else {
                continue;
            };
            let entry = archive.by_name(name).map_err(|error| wrong(error.to_string()))?;
            if entry.compression() != CompressionMethod::Stored {
                return Err(wrong(format!("{name} is compressed, which torch never does")));
            }
            let start = entry.data_start().ok_or_else(|| wrong(format!("{name} has no place")))?;
            storages.insert(key.to_owned(), Storage { start, length: entry.size() });
        }
        if let Ok(mut order) = archive.by_name(&format!("{folder}byteorder")) {
            let mut text = String::new();
            let read = order.by_ref().take(16).read_to_string(&mut text);
            if read.is_err() || text.trim() != "little" {
                return Err(wrong("it was saved on a machine of another byte order".into()));
            }
        }
        let pickle =
            Pickle::parse(&bytes).map_err(|problem| wrong(format!("data.pkl: {problem}")))?;
        let tensors = tensors(&pickle, &storages).map_err(wrong)?;
        Ok(Self { path: path.to_owned(), tensors })
    }
}

/// Says in one line what a file is that is no zip file.
fn refuse_other_forms(path: &Path, reader: &mut (impl Read + Seek)) -> Result<(), ConvertError> {
    let mut start = Vec::new();
    reader.by_ref().take(32).read_to_end(&mut start).map_err(ConvertError::file(path))?;
    reader.seek(SeekFrom::Start(0)).map_err(ConvertError::file(path))?;
    let problem = match start.as_slice() {
        [b'P', b'K', 3, 4, ..] => return Ok(()),
        [] => "the file is empty",
        [0x80, ..] => {
            "it was saved by a torch older than 1.6: load it and save it again with torch.save"
        }
        start if start.starts_with(b"version https://git-lfs") => {
            "this is a Git LFS pointer and not the file: git lfs pull"
        }
        _ => "this is no checkpoint of torch",
    };
    Err(ConvertError::malformed(path, problem))
}

/// The tensors that a pickle describes.
fn tensors(pickle: &Pickle, storages: &HashMap<String, Storage>) -> Result<Vec<Stored>, String> {
    let Node::Dict(entries) = pickle.root() else {
        return Err("data.pkl holds no table of tensors".to_owned());
    };
    let mut found = Vec::new();
    for (key, value) in entries {
        let name = pickle.text(*key).ok_or("a tensor has no name")?;
        match pickle.node(*value) {
            Node::Call { function, arguments } => {
                let stored = tensor(pickle, *function, *arguments, storages);
                let (tensor, strides, position) =
                    stored.map_err(|problem| format!("tensor {name}: {problem}"))?;
                let tensor = Tensor { name: name.to_owned(), ..tensor };
                found.push(Stored { tensor, strides, position });
            }
            // A table of tables is what a trainer saves, not a model.
            Node::Dict(inner) if !inner.is_empty() && name != "_metadata" => {
                return Err(format!(
                    "{name} is a table of its own: this is a training state, not a model"
                ));
            }
            _ => {}
        }
    }
    found.sort_by(|one, other| one.tensor.name.cmp(&other.tensor.name));
    if found.is_empty() {
        return Err("it holds no tensors".to_owned());
    }
    if let Some([twice, _]) =
        found.array_windows::<2>().find(|[one, other]| one.tensor.name == other.tensor.name)
    {
        return Err(format!("tensor {} is there twice", twice.tensor.name));
    }
    Ok(found)
}

/// The tensor that a call would rebuild, without its name.
fn tensor(
    pickle: &Pickle,
    function: Id,
    arguments: Id,
    storages: &HashMap<String, Storage>,
) -> Result<(Tensor, Vec<u64>, u64), String> {
    const FORM: &str = "it is described in an unknown form";
    let (mut function, mut arguments) = (function, arguments);
    // A parameter wraps a tensor, and so does a subclass.
    for _ in 0..2 {
        let items = pickle.tuple(arguments).ok_or(FORM)?;
        match (pickle.name(function), items) {
            (Some("torch._utils._rebuild_parameter"), [inner, ..]) => {
                let Node::Call { function: call, arguments: of } = pickle.node(*inner) else {
                    return Err(FORM.to_owned());
                };
                (function, arguments) = (*call, *of);
            }
            (Some("torch._tensor._rebuild_from_type_v2"), [call, _, of, ..]) => {
                (function, arguments) = (*call, *of);
            }
            _ => break,
        }
    }
    if pickle.name(function) != Some("torch._utils._rebuild_tensor_v2") {
        return Err(format!("{} is not known", pickle.name(function).unwrap_or("its form")));
    }
    let Some([storage, offset, shape, strides, ..]) = pickle.tuple(arguments) else {
        return Err(FORM.to_owned());
    };
    let Node::Outside(storage) = pickle.node(*storage) else { return Err(FORM.to_owned()) };
    let Some([_, kind, key, ..]) = pickle.tuple(*storage) else { return Err(FORM.to_owned()) };
    let kind = pickle.name(*kind).ok_or(FORM)?;
    let dtype = Dtype::of_storage(kind).ok_or_else(|| format!("{kind} is not known"))?;
    let key = pickle.text(*key).ok_or(FORM)?;
    let storage = storages.get(key).ok_or_else(|| format!("its storage {key} is missing"))?;
    let offset = pickle.number(*offset).ok_or(FORM)?;
    let shape = pickle.numbers(*shape).ok_or(FORM)?;
    let strides = pickle.numbers(*strides).ok_or(FORM)?;
    if shape.len() != strides.len() {
        return Err(FORM.to_owned());
    }
    let end = extent(&shape, &strides)
        .and_then(|extent| extent.checked_add(offset)?.checked_mul(dtype.bytes()));
    if end.is_none_or(|end| end > storage.length) {
        return Err(format!("its storage has only {} bytes", storage.length));
    }
    let tensor = Tensor { name: String::new(), dtype, shape };
    if tensor.checked_bytes().is_none() {
        return Err(FORM.to_owned());
    }
    Ok((tensor, strides, storage.start + offset * dtype.bytes()))
}

/// How many elements lie between the first and the last one of a tensor, both counted.
fn extent(shape: &[u64], strides: &[u64]) -> Option<u64> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().zip(strides).try_fold(1_u64, |extent, (length, stride)| {
        extent.checked_add((length - 1).checked_mul(*stride)?)
    })
}

impl Stored {
    /// A tensor whose elements lie one after the other, in the order of its shape.
    pub(crate) fn contiguous(tensor: Tensor, position: u64) -> Self {
        let product = |lengths: &[u64]| lengths.iter().copied().fold(1, u64::saturating_mul);
        let strides = (1..=tensor.shape.len()).map(|at| product(&tensor.shape[at..]));
        Self { strides: strides.collect(), tensor, position }
    }

    /// Whether the elements lie one after the other.
    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.tensor.shape.iter().zip(&self.strides).rev().all(|(length, stride)| {
            let fits = *length == 1 || *stride == expected;
            expected *= length;
            fits
        })
    }

    /// Hands the bytes of the elements to `write`, in the order of the shape.
    ///
    /// Memory stays small; a transposed tensor is read whole.
    pub(crate) fn copy(
        &self,
        file: &mut File,
        mut write: impl FnMut(&[u8]) -> Result<(), ConvertError>,
        failed: impl Fn(std::io::Error) -> ConvertError,
    ) -> Result<(), ConvertError> {
        file.seek(SeekFrom::Start(self.position)).map_err(&failed)?;
        if self.is_contiguous() {
            let mut left = self.tensor.bytes();
            let mut buffer = vec![0; 1 << 20];
            while left > 0 {
                let length = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
                file.read_exact(&mut buffer[..length]).map_err(&failed)?;
                write(&buffer[..length])?;
                left -= length as u64;
            }
            return Ok(());
        }
        let width = self.tensor.dtype.bytes();
        let extent = extent(&self.tensor.shape, &self.strides).unwrap_or(0) * width;
        let mut source = Vec::new();
        file.by_ref().take(extent).read_to_end(&mut source).map_err(&failed)?;
        let mut ordered = Vec::with_capacity(source.len());
        for index in 0..self.tensor.elements() {
            let from = usize::try_from(self.place(index) * width).unwrap_or(usize::MAX);
            let element =
                source.get(from..from.saturating_add(usize::try_from(width).unwrap_or(0)));
            ordered.extend_from_slice(
                element.ok_or_else(|| failed(std::io::ErrorKind::UnexpectedEof.into()))?,
            );
        }
        write(&ordered)
    }

    /// Where the element of this number lies, counted in elements.
    fn place(&self, index: u64) -> u64 {
        let mut left = index;
        let mut place = 0;
        for (length, stride) in self.tensor.shape.iter().zip(&self.strides).rev() {
            place += left % length * stride;
            left /= length;
        }
        place
    }
}
