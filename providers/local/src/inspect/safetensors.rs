//! The weight files of a folder: there, complete and consistent.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::read_json;
use crate::LoadError;

/// The longest header that the safetensors library accepts.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// One tensor as the header describes it.
#[derive(Deserialize)]
struct Tensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// Checks that `folder` has weights and that each file is whole.
pub(super) fn check(folder: &Path) -> Result<(), LoadError> {
    let entries =
        fs::read_dir(folder).map_err(|error| LoadError::malformed(folder, error.to_string()))?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    let weights: Vec<&String> = names.iter().filter(|name| is_weights(name)).collect();
    if weights.is_empty() {
        let pickled = |name: &&String| name.starts_with("pytorch_model");
        return Err(match names.iter().find(pickled) {
            Some(name) => LoadError::malformed(
                folder.join(name),
                "the engine reads no pickles: anima convert makes safetensors of it",
            ),
            None => LoadError::FileMissing {
                path: folder.join("model.safetensors"),
                hint: "there are no weights in this folder",
            },
        });
    }
    for name in indexed(folder)? {
        if !names.contains(&name) {
            let hint = "model.safetensors.index.json names it";
            return Err(LoadError::FileMissing { path: folder.join(name), hint });
        }
    }
    weights.into_iter().try_for_each(|name| whole(&folder.join(name)))
}

/// Whether the engine loads a file of this name.
fn is_weights(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".safetensors") else { return false };
    let part =
        |stem: &str| {
            let (part, of) = stem.strip_prefix("model-")?.split_once("-of-")?;
            Some([part, of].iter().all(|number| {
                !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
            }))
        };
    stem == "model" || stem == "consolidated" || part(stem).unwrap_or(false)
}

/// The files that the index of a split model names.
fn indexed(folder: &Path) -> Result<Vec<String>, LoadError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let index: Option<Index> = read_json(&folder.join("model.safetensors.index.json"))?;
    let mut files: Vec<String> =
        index.map(|index| index.weight_map.into_values().collect()).unwrap_or_default();
    files.sort();
    files.dedup();
    Ok(files)
}

/// Checks the header of one file against its size.
fn whole(path: &Path) -> Result<(), LoadError> {
    let wrong = |problem: String| LoadError::malformed(PathBuf::from(path), problem);
    let failed = |error: std::io::Error| wrong(error.to_string());
    let mut file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let mut length = [0; 8];
    if size < 8 || file.read_exact(&mut length).is_err() {
        return Err(wrong(format!(
            "the file is truncated: {size} bytes are no safetensors header"
        )));
    }
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER_BYTES {
        return Err(wrong("this is not a safetensors file".to_owned()));
    }
    if length > size - 8 {
        return Err(wrong(format!(
            "the file is truncated: its header has {length} bytes, the file {size}"
        )));
    }
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header).map_err(failed)?;
    let mut entries: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&header)
        .map_err(|error| wrong(format!("the header is not JSON: {error}")))?;
    entries.remove("__metadata__");
    let mut end = 0;
    for (name, entry) in entries {
        let tensor: Tensor = serde_json::from_value(entry)
            .map_err(|error| wrong(format!("tensor {name}: {error}")))?;
        let (from, to) = tensor.data_offsets;
        let elements =
            tensor.shape.iter().try_fold(1_u64, |product, length| product.checked_mul(*length));
        let bytes = elements
            .zip(bits(&tensor.dtype))
            .and_then(|(elements, bits)| Some(elements.checked_mul(bits)? / 8));
        match bytes {
            None => {
                return Err(wrong(format!("tensor {name} has the unknown type {}", tensor.dtype)));
            }
            Some(bytes) if to.checked_sub(from) != Some(bytes) => {
                return Err(wrong(format!(
                    "tensor {name} has {bytes} bytes and the offsets {from} to {to}"
                )));
            }
            Some(_) => end = end.max(to),
        }
    }
    let data = size - 8 - length;
    if end > data {
        return Err(wrong(format!(
            "the file is truncated: its tensors have {end} bytes, {data} are there"
        )));
    }
    Ok(())
}

/// Bits of one element.
fn bits(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "F4" => 4,
        "BOOL" | "U8" | "I8" | "F8_E4M3" | "F8_E5M2" | "F8_E8M0" => 8,
        "F16" | "BF16" | "I16" | "U16" => 16,
        "F32" | "I32" | "U32" => 32,
        "F64" | "I64" | "U64" => 64,
        _ => return None,
    })
}
