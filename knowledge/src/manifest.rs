//! Which files an index was made of. Each commit names the list that belongs to it, so the two
//! change as one.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{folder::Folder, schema::VERSION};

/// The files that an index was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The version of the index.
    pub(crate) version: u32,
    /// The folders, in their order.
    pub(crate) folders: Vec<Folder>,
    /// The files by their names in sources, those included that could not be read.
    pub(crate) documents: BTreeMap<String, Known>,
}

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// How it looked from outside.
    pub(crate) stamp: Stamp,
    /// What was in it.
    pub(crate) hash: String,
    /// How many passages came of it.
    pub(crate) passages: usize,
    /// How many questions with answers.
    pub(crate) pairs: usize,
    /// Why it could not be read, or what of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
}

/// How a file looks from outside: while this is the same, nobody has written it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    /// Its length in bytes.
    pub(crate) bytes: u64,
    /// When it was last written, in nanoseconds of Unix time.
    pub(crate) written_ns: u64,
}

impl Stamp {
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        let written = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let written = written.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let written_ns = u64::try_from(written).unwrap_or(u64::MAX);
        Ok(Self { bytes: metadata.len(), written_ns })
    }
}

impl Manifest {
    pub(crate) fn new(folders: &[Folder]) -> Self {
        Self { version: VERSION, folders: folders.to_vec(), documents: BTreeMap::new() }
    }

    /// The list of this name; `None` when it is not there or not of this version.
    pub(crate) fn read(index: &Path, name: &str) -> Option<Self> {
        let text = fs::read(index.join(file_of(name)?)).ok()?;
        let manifest: Self = serde_json::from_slice(&text).ok()?;
        (manifest.version == VERSION).then_some(manifest)
    }

    /// Writes the list, and gives the name that a commit refers to it by.
    pub(crate) fn write(&self, index: &Path, number: u64) -> io::Result<String> {
        let name = number.to_string();
        let path = index.join(file_of(&name).unwrap_or_default());
        let mut file = File::create(path)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        Ok(name)
    }

    /// Removes every list but the one of this name.
    pub(crate) fn tidy(index: &Path, name: &str) {
        let kept = file_of(name);
        let entries = fs::read_dir(index).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            let file = path.file_name().map(PathBuf::from);
            let is_list = path.to_string_lossy().ends_with(".documents.json");
            if is_list && file != kept {
                // One that stays behind takes room and does nothing else.
                let _ = fs::remove_file(path);
            }
        }
    }
}

fn file_of(name: &str) -> Option<PathBuf> {
    name.parse::<u64>().ok().map(|number| PathBuf::from(format!("{number}.documents.json")))
}

/// What is in a file, in short.
pub(crate) fn hash_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes)[..16].iter().fold(String::new(), |mut text, byte| {
        // Writing into a string never fails.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
