//! Files of a model folder: read where they are there, written whole or not at all.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::ConvertError;

/// Reads a JSON file, `None` where there is none.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ConvertError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ConvertError::file(path)(error)),
    };
    // Editors on Windows put a mark in front that JSON does not allow.
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF".as_slice()).unwrap_or(&bytes);
    serde_json::from_slice(text)
        .map(Some)
        .map_err(|error| ConvertError::malformed(path, error.to_string()))
}

/// What a file is called until it is whole.
pub(crate) fn part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Writes a file that is there whole or not at all.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> Result<(), ConvertError> {
    let part = part(path);
    fs::write(&part, content).map_err(ConvertError::file(&part))?;
    fs::rename(&part, path).map_err(ConvertError::file(path))
}

/// Writes a JSON file that is there whole or not at all.
pub(crate) fn write_json(path: &Path, content: &Map<String, Value>) -> Result<(), ConvertError> {
    let text = serde_json::to_string_pretty(content).unwrap_or_default();
    write_whole(path, format!("{text}\n").as_bytes())
}

/// Gives a file a second name, or copies it to where that is not possible.
pub(crate) fn link_or_copy(from: &Path, to: &Path) -> Result<(), ConvertError> {
    // A model store made of symbolic links must not be linked as such.
    let from = &fs::canonicalize(from).map_err(ConvertError::file(from))?;
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Ok(()) => Ok(()),
        Err(_) => {
            let part = part(to);
            fs::copy(from, &part).map_err(ConvertError::file(&part))?;
            fs::rename(&part, to).map_err(ConvertError::file(to))
        }
    }
}

/// Whether a folder is there and holds nothing.
pub(crate) fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut all| all.next().is_none())
}

/// The nearest folder above `path` that is there.
pub(crate) fn existing_parent(path: &Path) -> PathBuf {
    let mut above = path.ancestors().skip(1);
    above.find(|path| path.is_dir()).unwrap_or(Path::new(".")).to_owned()
}

/// Refuses before the disk is full. What the folder `work` holds already is not needed again.
pub(crate) fn has_room(work: &Path, needed: u64) -> Result<(), ConvertError> {
    let parent = existing_parent(work);
    let kept = fs::read_dir(work).into_iter().flatten().flatten();
    let kept: u64 = kept.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum();
    let needed = needed.saturating_sub(kept);
    // Where the disk does not tell, writing will.
    let Ok(disk) = rustix::fs::statvfs(&parent) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < needed {
        return Err(ConvertError::NoSpace {
            path: parent,
            needed_mb: needed >> 20,
            free_mb: free >> 20,
        });
    }
    Ok(())
}
