//! The weight files: found, converted shard by shard, and listed in an index.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{BufWriter, Read, Write},
    path::Path,
};

use serde_json::{Map, Value, json};

use crate::{
    ConvertError, Progress,
    checkpoint::{Checkpoint, Stored},
    files::{link_or_copy, part, read_json, write_whole},
    safetensors::{self, header},
};

/// The weight files of a folder.
pub(crate) enum Weights {
    /// They are in safetensors form already: the files and, where they are parts, their index.
    Safetensors(Vec<String>),
    /// They are pickles.
    Checkpoints(Vec<Checkpoint>),
}

impl Weights {
    /// Finds the weights in `folder` and reads what tensors they hold.
    pub(crate) fn find(folder: &Path) -> Result<Self, ConvertError> {
        let names = names(folder)?;
        let safetensors: Vec<String> =
            names.iter().filter(|name| has_form(name, "model", ".safetensors")).cloned().collect();
        if !safetensors.is_empty() {
            complete(folder, &names, "model.safetensors.index.json", &safetensors)?;
            return Ok(Self::Safetensors(safetensors));
        }
        let pickles: Vec<String> =
            names.iter().filter(|name| has_form(name, "pytorch_model", ".bin")).cloned().collect();
        if pickles.is_empty() {
            let hint = if names.iter().any(|name| name.starts_with("consolidated.")) {
                "this is Meta's original form; take the folder in Hugging Face's form (…-hf)"
            } else {
                "there are no weights in this folder"
            };
            return Err(ConvertError::Missing { path: folder.join("pytorch_model.bin"), hint });
        }
        complete(folder, &names, "pytorch_model.bin.index.json", &pickles)?;
        let mut checkpoints = pickles
            .iter()
            .map(|name| Checkpoint::open(&folder.join(name)))
            .collect::<Result<Vec<_>, _>>()?;
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for checkpoint in &mut checkpoints {
            // Computed from the configuration when the model is loaded.
            checkpoint
                .tensors
                .retain(|stored| !stored.tensor.name.ends_with("rotary_emb.inv_freq"));
            for stored in &checkpoint.tensors {
                if !seen.insert(stored.tensor.name.clone()) {
                    let problem = format!("another file has tensor {}, too", stored.tensor.name);
                    return Err(ConvertError::malformed(&checkpoint.path, problem));
                }
            }
        }
        Ok(Self::Checkpoints(checkpoints))
    }

    /// What tensors there are, file by file, wherever they are stored.
    pub(crate) fn open(self, folder: &Path) -> Result<Vec<Checkpoint>, ConvertError> {
        match self {
            Self::Safetensors(names) => {
                names.iter().map(|name| safetensors::open(&folder.join(name))).collect()
            }
            Self::Checkpoints(all) => Ok(all),
        }
    }

    /// Whether there is a tensor of this name; `None` where nobody has looked.
    pub(crate) fn has(&self, name: &str) -> Option<bool> {
        let Self::Checkpoints(all) = self else { return None };
        Some(all.iter().flat_map(|one| &one.tensors).any(|stored| stored.tensor.name == name))
    }

    /// Leaves out the tensor of this name; true when there was one.
    pub(crate) fn leave_out(&mut self, name: &str) -> bool {
        let Self::Checkpoints(all) = self else { return false };
        let before: usize = all.iter().map(|one| one.tensors.len()).sum();
        for checkpoint in all.iter_mut() {
            checkpoint.tensors.retain(|stored| stored.tensor.name != name);
        }
        before != all.iter().map(|one| one.tensors.len()).sum::<usize>()
    }

    /// How many bytes will be written.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Safetensors(_) => 0,
            Self::Checkpoints(all) => {
                all.iter().flat_map(|one| &one.tensors).map(|stored| stored.tensor.bytes()).sum()
            }
        }
    }

    /// Writes or links the weights of `from` into `to`.
    pub(crate) fn write(
        &self,
        from: &Path,
        to: &Path,
        observe: &mut dyn FnMut(Progress),
    ) -> Result<(), ConvertError> {
        match self {
            Self::Safetensors(names) => {
                for name in names {
                    observe(Progress::File(name));
                    link_or_copy(&from.join(name), &to.join(name))?;
                }
                let index = "model.safetensors.index.json";
                if from.join(index).is_file() {
                    link_or_copy(&from.join(index), &to.join(index))?;
                }
                Ok(())
            }
            Self::Checkpoints(all) => {
                let mut map = BTreeMap::new();
                for (number, checkpoint) in all.iter().enumerate() {
                    let name = file_name(number, all.len());
                    observe(Progress::File(&name));
                    shard(checkpoint, &to.join(&name), observe)?;
                    let tensors = checkpoint.tensors.iter();
                    map.extend(tensors.map(|one| (one.tensor.name.clone(), name.clone())));
                }
                if all.len() > 1 { write_index(to, self.bytes(), &map) } else { Ok(()) }
            }
        }
    }
}

/// What part `number` of so many is called.
pub(crate) fn file_name(number: usize, count: usize) -> String {
    match count {
        1 => "model.safetensors".to_owned(),
        _ => format!("model-{:05}-of-{count:05}.safetensors", number + 1),
    }
}

/// Writes the list of which tensor is in which part.
pub(crate) fn write_index(
    folder: &Path,
    bytes: u64,
    map: &BTreeMap<String, String>,
) -> Result<(), ConvertError> {
    let index = json!({"metadata": {"total_size": bytes}, "weight_map": map});
    write_whole(&folder.join("model.safetensors.index.json"), format!("{index:#}\n").as_bytes())
}

/// The names of the files in `folder`, sorted.
fn names(folder: &Path) -> Result<Vec<String>, ConvertError> {
    let entries = fs::read_dir(folder).map_err(ConvertError::file(folder))?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// Whether a file is called `stem` and `ending`, or `stem`, `-N-of-M` and `ending`.
fn has_form(name: &str, stem: &str, ending: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let middle = name.strip_prefix(stem).and_then(|name| name.strip_suffix(ending));
    middle.is_some_and(|middle| {
        middle.is_empty()
            || middle
                .strip_prefix('-')
                .and_then(|middle| middle.split_once("-of-"))
                .is_some_and(|(part, of)| is_number(part) && is_number(of))
    })
}

/// Checks that no part of the weights is missing.
fn complete(
    folder: &Path,
    names: &[String],
    index: &str,
    parts: &[String],
) -> Result<(), ConvertError> {
    let missing = |name: &str, hint| Err(ConvertError::Missing { path: folder.join(name), hint });
    if let Some(listed) = read_json::<Map<String, Value>>(&folder.join(index))? {
        let map = listed.get("weight_map").and_then(Value::as_object);
        let files: BTreeSet<&str> =
            map.into_iter().flat_map(Map::values).filter_map(Value::as_str).collect();
        if let Some(name) = files.into_iter().find(|name| !names.iter().any(|known| known == name))
        {
            return missing(name, "the index of the weights names it");
        }
    }
    for part in parts {
        let Some((first, rest)) = part.split_once("-of-") else { continue };
        let of = rest.split('.').next().unwrap_or_default();
        let Some((stem, number)) = first.rsplit_once('-') else { continue };
        for wanted in 1..=of.parse::<u32>().unwrap_or(0).min(9999) {
            let name = format!("{stem}-{wanted:0width$}-of-{rest}", width = number.len());
            if !names.contains(&name) {
                return missing(&name, "the other parts of the weights are here");
            }
        }
    }
    Ok(())
}

/// Converts one checkpoint, unless `to` is its finished conversion already.
fn shard(
    checkpoint: &Checkpoint,
    to: &Path,
    observe: &mut dyn FnMut(Progress),
) -> Result<(), ConvertError> {
    let header = header(ordered(&checkpoint.tensors).into_iter().map(|stored| &stored.tensor));
    let data: u64 = checkpoint.tensors.iter().map(|stored| stored.tensor.bytes()).sum();
    if is_finished(to, &header, data) {
        observe(Progress::Advanced(data));
        return Ok(());
    }
    let from = &checkpoint.path;
    let mut source = File::open(from).map_err(ConvertError::file(from))?;
    let part = part(to);
    let target = File::create(&part).map_err(ConvertError::file(&part))?;
    let mut target = BufWriter::with_capacity(1 << 20, target);
    target.write_all(&header).map_err(ConvertError::file(&part))?;
    // As they lie in the source, which is then read from its start to its end.
    for stored in ordered(&checkpoint.tensors) {
        let write = |bytes: &[u8]| {
            target.write_all(bytes).map_err(ConvertError::file(&part))?;
            observe(Progress::Advanced(bytes.len() as u64));
            Ok(())
        };
        stored.copy(&mut source, write, ConvertError::file(from))?;
    }
    let target =
        target.into_inner().map_err(|error| ConvertError::file(&part)(error.into_error()))?;
    target.sync_all().map_err(ConvertError::file(&part))?;
    fs::rename(&part, to).map_err(ConvertError::file(to))
}

/// The tensors by their place in the source; large formats first, so that each is aligned.
fn ordered(tensors: &[Stored]) -> Vec<&Stored> {
    let mut ordered: Vec<&Stored> = tensors.iter().collect();
    ordered.sort_by_key(|stored| (std::cmp::Reverse(stored.tensor.dtype.bytes()), stored.position));
    ordered
}

/// Whether the file at `path` begins with `header` and has all its data.
fn is_finished(path: &Path, header: &[u8], data: u64) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let whole = file.metadata().is_ok_and(|of| of.len() == header.len() as u64 + data);
    let mut start = Vec::new();
    whole && file.take(header.len() as u64).read_to_end(&mut start).is_ok() && start == header
}
