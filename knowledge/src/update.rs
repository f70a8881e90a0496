//! An index brought up to date with its folders, by what has changed in them.
//!
//! Changes take effect together with the list of files that they are of, so an update that is killed
//! leaves an index as it was at its last commit, and the next one goes on from there.

mod look;
mod write;

use std::{fs, io, ops::ControlFlow, path::Path, thread};

use serde::Serialize;
use thiserror::Error;

use crate::{
    folder::{File, Folder},
    manifest::Stamp,
    read::Kind,
};
use look::{Found, look};
use write::Writing;

pub(crate) use write::manifest_of;

/// How far an update is, told as it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// So many files are to be looked at.
    Found {
        /// How many.
        files: usize,
    },
    /// A file was indexed.
    Read {
        /// The file, as its sources begin.
        document: &'a str,
    },
    /// A file is as it was.
    Unchanged,
    /// A file was left out, or a part of it.
    Note {
        /// The file, as its sources begin.
        document: &'a str,
        /// Why.
        why: &'a str,
    },
    /// What was read is being written.
    Writing,
}

/// What an update did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Files that were read.
    pub read: usize,
    /// Files that are as they were.
    pub unchanged: usize,
    /// Files that are gone, whose passages are gone with them.
    pub removed: usize,
    /// Files of the known kinds that could not be read.
    pub failed: usize,
    /// Files of other kinds.
    pub other: usize,
    /// Passages in the index now.
    pub passages: usize,
    /// Questions with fixed answers in the index now.
    pub pairs: usize,
    /// Whether it was stopped before its end; what was done is kept.
    pub stopped: bool,
}

impl Summary {
    /// Whether the index is another one now.
    pub fn is_change(&self) -> bool {
        self.read + self.removed > 0
    }
}

/// Why an index could not be brought up to date.
#[derive(Debug, Error)]
pub enum UpdateError {
    /// A folder of documents is not there.
    #[error("the folder {0} is not there")]
    NoFolder(String),
    /// Another process, or another thread, is writing it.
    #[error("the index {0} is being updated by another process")]
    Busy(String),
    /// The system refused.
    #[error("the index {folder} cannot be written")]
    Io {
        /// The index.
        folder: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The index itself failed.
    #[error("the index {folder} cannot be written")]
    Index {
        /// The index.
        folder: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Brings the index in the folder `index` up to date with `folders`; one that is not there, broken,
/// or of another version is made anew. `watch` is told of every file and may stop the update, which
/// keeps what was done.
///
/// # Errors
/// When a folder is not there, another update is running, or the index cannot be written; files that
/// cannot be read are no error.
pub fn update(
    index: &Path,
    folders: &[Folder],
    watch: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Summary, UpdateError> {
    if let Some(missing) = folders.iter().find(|folder| !folder.path.is_dir()) {
        return Err(UpdateError::NoFolder(missing.path.display().to_string()));
    }
    let _lock = lock(index)?;
    let mut writing = Writing::open(index, folders)?;
    let mut summary = Summary::default();
    let (files, troubles) = list(folders, &mut summary);
    let mut told = watch(Progress::Found { files: files.len() });
    for (document, why) in &troubles {
        told = merged(told, watch(Progress::Note { document, why }));
    }
    writing.forget_all_but(files.iter().map(|file| file.document.as_str()), &mut summary)?;
    for file in &files {
        if told.is_break() {
            summary.stopped = true;
            break;
        }
        let found = look(file, writing.known(&file.document), writing.trusts_stamps());
        let document = file.document.as_str();
        match &found {
            Found::Same(known) => {
                let is_broken = known.passages + known.pairs == 0;
                *if is_broken { &mut summary.failed } else { &mut summary.unchanged } += 1;
                told = watch(Progress::Unchanged);
                for why in &known.notes {
                    told = merged(told, watch(Progress::Note { document, why }));
                }
            }
            Found::Read { notes, .. } => {
                summary.read += 1;
                told = watch(Progress::Read { document });
                for why in notes {
                    told = merged(told, watch(Progress::Note { document, why }));
                }
            }
            Found::Unreadable { why, .. } => {
                summary.failed += 1;
                told = watch(Progress::Note { document, why });
            }
        }
        writing.take(document, found)?;
    }
    // Everything was looked at: there is nothing left to stop.
    let _ = watch(Progress::Writing);
    writing.finish(&mut summary)?;
    Ok(summary)
}

/// Whether the index is up to date with `folders`, as far as files can be told by their sizes and
/// times. Reads no document.
pub fn is_current(index: &Path, folders: &[Folder]) -> bool {
    let Some(manifest) = manifest_of(index) else { return false };
    let (files, _) = list(folders, &mut Summary::default());
    manifest.folders == folders
        && manifest.documents.len() == files.len()
        && files.iter().all(|file| {
            let known = manifest.documents.get(&file.document);
            known.is_some_and(|known| Stamp::of(&file.path).is_ok_and(|stamp| stamp == known.stamp))
        })
}

/// The files of the known kinds, and folders that could not be looked into.
fn list(folders: &[Folder], summary: &mut Summary) -> (Vec<File>, Vec<(String, String)>) {
    let (mut files, mut troubles) = (Vec::new(), Vec::new());
    for folder in folders {
        for file in folder.files() {
            match file {
                Ok(file) if Kind::of(&file.path).is_some() => files.push(file),
                Ok(_) => summary.other += 1,
                // A folder that holds itself by a link has been looked into already.
                Err(error) if error.loop_ancestor().is_some() => {}
                Err(error) => troubles.push((folder.name.clone(), error.to_string())),
            }
        }
    }
    (files, troubles)
}

fn merged(one: ControlFlow<()>, other: ControlFlow<()>) -> ControlFlow<()> {
    if one.is_break() { one } else { other }
}

/// Takes the one place of whoever writes the index; it is given back when the file is closed.
fn lock(index: &Path) -> Result<fs::File, UpdateError> {
    let folder = || index.display().to_string();
    let io = |source| UpdateError::Io { folder: folder(), source };
    fs::create_dir_all(index).map_err(io)?;
    let path = index.join("lock");
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(UpdateError::Busy(folder())),
        Err(fs::TryLockError::Error(source)) => Err(io(source)),
    }
}

/// How many threads write: one less than there are, since the words are cut on this one.
fn writers() -> usize {
    thread::available_parallelism().map_or(1, |threads| threads.get() - 1).clamp(1, 4)
}
