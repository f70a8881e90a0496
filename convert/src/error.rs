//! Why a folder was not converted, or an adapter not merged, one line each.

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Why a folder was not converted, or an adapter not merged. Each message is one line that names the file and, where there
/// is one, the way out.
#[derive(Debug, Error)]
pub enum ConvertError {
    /// What is to be converted is no folder.
    #[error("{} is not a folder", path.display())]
    NotAFolder {
        /// The path as given.
        path: PathBuf,
    },
    /// A file that the model needs is not there.
    #[error("{} is missing: {hint}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What it is for, or where it comes from.
        hint: &'static str,
    },
    /// A file is there and cannot be used.
    #[error("{}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file is of a kind that cannot be converted.
    #[error("{}: {what} cannot be converted: {way_out}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it holds.
        what: String,
        /// What to do instead.
        way_out: &'static str,
    },
    /// An adapter or a model is of a kind that cannot be merged.
    #[error("{}: {what} cannot be merged: {way_out}", path.display())]
    NotMergeable {
        /// The file that says so.
        path: PathBuf,
        /// What it is about.
        what: String,
        /// What to do instead.
        way_out: &'static str,
    },
    /// The new folder would be inside of one that must stay as it is.
    #[error("{} is inside of {}, which stays as it is: name a folder elsewhere", path.display(), folder.display())]
    OutInside {
        /// The folder.
        path: PathBuf,
        /// What it is inside of.
        folder: PathBuf,
    },
    /// Something has the name of the folder to work in.
    #[error("{} is left from an earlier try: delete it", path.display())]
    LeftOver {
        /// The folder of the earlier try.
        path: PathBuf,
    },
    /// The new folder is there already.
    #[error("{} is there already and is not empty: name a new folder", path.display())]
    OutExists {
        /// The folder.
        path: PathBuf,
    },
    /// An earlier try left its work.
    #[error(
        "{} is left from an earlier try: --resume goes on with it, or delete it",
        path.display()
    )]
    Unfinished {
        /// The folder of the earlier try.
        path: PathBuf,
    },
    /// The disk is too full.
    #[error(
        "{} has room for {free_mb} MB, and the new weights need {needed_mb} MB",
        path.display()
    )]
    NoSpace {
        /// Where the new folder would be.
        path: PathBuf,
        /// What is needed.
        needed_mb: u64,
        /// What is there.
        free_mb: u64,
    },
    /// The file system failed.
    #[error("could not use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl ConvertError {
    /// A malformed file.
    pub(crate) fn malformed(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self::Malformed { path: path.into(), problem: problem.into() }
    }

    /// Names the file that an operation failed on.
    pub(crate) fn file(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::File { path: path.to_owned(), source }
    }
}
