//! The history file.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::{Builder, Database, DatabaseError, StorageError};

use super::fault::Fault;

/// Most memory that pages of the file take.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Opens the file, and makes it and its folder where they are not there.
pub(super) fn open(path: &Path) -> Result<Database, Fault> {
    let name = path.display().to_string();
    let inaccessible = |source| Fault::Inaccessible { path: name.clone(), source };
    if !path.try_exists().map_err(inaccessible)? {
        create(path, &name)?;
    }
    let file = options().open(path).map_err(inaccessible)?;
    guarded(&name, || builder().create_file(file))
}

/// Opens a database on a storage that is not a file.
#[cfg(test)]
pub(super) fn open_on(storage: impl redb::StorageBackend) -> Result<Database, Fault> {
    guarded("(memory)", || builder().create_with_backend(storage))
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Only the owner reads what people said.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes an empty history under another name and renames it, so that a crash on the way leaves
/// no half-made file behind.
fn create(path: &Path, name: &str) -> Result<(), Fault> {
    let inaccessible = |source| Fault::Inaccessible { path: name.to_owned(), source };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(inaccessible)?;
    let unfinished = path.with_extension("new");
    let file = options().create(true).truncate(true).open(&unfinished).map_err(inaccessible)?;
    drop(guarded(name, || builder().create_file(file))?);
    fs::rename(&unfinished, path).map_err(inaccessible)?;
    sync_folder(folder).map_err(inaccessible)
}

/// Makes the name of a new file durable, which is not part of writing the file.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Opens a database; a damaged one may be met with a panic deep in the library.
fn guarded(
    name: &str,
    open: impl FnOnce() -> Result<Database, DatabaseError>,
) -> Result<Database, Fault> {
    let opened = catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|_| {
        let reason = "its pages make no sense".to_owned();
        Err(DatabaseError::Storage(StorageError::Corrupted(reason)))
    });
    opened.map_err(|error| Fault::opening(name, error))
}
