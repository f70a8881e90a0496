//! What was fetched into a folder, so that a second run need not add up gigabytes again.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};

use super::{PullError, listing::RemoteFile, screen::Screen};

/// The file that holds it, in the folder that it is about.
pub(super) const NAME: &str = ".anima-pull.json";

/// A file that takes a while to add up.
const LARGE_BYTES: u64 = 256 << 20;

/// What lies in the place of a file to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// Nothing.
    Missing,
    /// The file.
    Complete,
    /// What an earlier run fetched; the hub has another one now.
    Outdated,
    /// Something that did not come from the hub like this.
    Different,
}

/// The files of one folder that were fetched and verified.
#[derive(Debug)]
pub(super) struct Record {
    folder: PathBuf,
    entries: BTreeMap<String, Entry>,
}

/// A file as it was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    size: u64,
    /// Nanoseconds since 1970.
    modified: u64,
    checksum: Option<String>,
}

impl Record {
    /// Reads the record of `folder`. An unreadable one costs time only: files are added up again.
    pub(super) fn open(folder: &Path) -> Self {
        let entries = fs::read(folder.join(NAME))
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        Self { folder: folder.to_owned(), entries }
    }

    /// The folder that it is about.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Looks at what lies in the place of `file`, and reads it if it is not known.
    pub(super) async fn presence(
        &mut self,
        file: &RemoteFile,
        screen: &Screen,
    ) -> Result<Presence, PullError> {
        let path = file.path.below(&self.folder);
        let found = match seen(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Presence::Missing),
            Err(error) => return Err(PullError::file("read", path)(error)),
        };
        let declared = file.checksum.as_ref().map(ToString::to_string);
        let same = |entry: &&Entry| (entry.size, entry.modified) == (found.size, found.modified);
        if let Some(entry) = self.entries.get(file.path.as_str()).filter(same) {
            let current = entry.checksum == declared && entry.size == file.size;
            return Ok(if current { Presence::Complete } else { Presence::Outdated });
        }
        let equal = match &file.checksum {
            Some(checksum) if found.size == file.size => {
                if file.size >= LARGE_BYTES {
                    screen.note(&format!("Checking {}, which is there already …", file.path));
                }
                checksum.matches(&path, file.size).await.map_err(PullError::file("read", &path))?
            }
            Some(_) => false,
            // The hub does not say what it adds up to, so the size has to do.
            None => found.size == file.size,
        };
        if !equal {
            return Ok(Presence::Different);
        }
        self.add(file)?;
        Ok(Presence::Complete)
    }

    /// Writes down that `file` lies in its place and is what the hub declared.
    pub(super) fn add(&mut self, file: &RemoteFile) -> Result<(), PullError> {
        let path = file.path.below(&self.folder);
        let mut entry = seen(&path).map_err(PullError::file("read", &path))?;
        entry.checksum = file.checksum.as_ref().map(ToString::to_string);
        self.entries.insert(file.path.as_str().to_owned(), entry);
        self.save()
    }

    fn save(&self) -> Result<(), PullError> {
        let path = self.folder.join(NAME);
        let unfinished = path.with_extension("new");
        let text = serde_json::to_vec_pretty(&self.entries).unwrap_or_default();
        fs::write(&unfinished, text)
            .and_then(|()| fs::rename(&unfinished, &path))
            .map_err(PullError::file("write", path))
    }
}

/// What the file system says of a file.
fn seen(path: &Path) -> io::Result<Entry> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let modified = u64::try_from(modified.as_nanos()).unwrap_or(u64::MAX);
    Ok(Entry { size: metadata.len(), modified, checksum: None })
}

#[cfg(test)]
mod tests {
    use std::{fs::File, time::Duration};

    use super::*;
    use crate::pull::{path::FilePath, verify::Checksum};

    /// `git hash-object` of "hello\n" and "other\n"
    const HELLO: &str = "ce013625030ba8dba906f756967f9e9ca394464a";
    const OTHER: &str = "7afe9a25d60b8bb55f47d3f3d2ae7c0ac2e1a4dc";

    fn remote(checksum: Option<&str>) -> RemoteFile {
        let path = FilePath::parse("file").unwrap();
        RemoteFile { path, size: 6, checksum: checksum.and_then(Checksum::git_blob) }
    }

    async fn presence(folder: &Path, file: &RemoteFile) -> Presence {
        Record::open(folder).presence(file, &Screen::new()).await.unwrap()
    }

    #[tokio::test]
    async fn a_file_is_known_again_without_being_read() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let (path, hello) = (folder.join("file"), remote(Some(HELLO)));
        assert_eq!(presence(folder, &hello).await, Presence::Missing);
        fs::write(&path, "hello\n").unwrap();
        assert_eq!(presence(folder, &hello).await, Presence::Complete);
        // Other content under the same size and time is taken for the same: it is not read.
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, "HELLO\n").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert_eq!(presence(folder, &hello).await, Presence::Complete);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(modified + Duration::from_secs(1))
            .unwrap();
        assert_eq!(presence(folder, &hello).await, Presence::Different);
    }

    #[tokio::test]
    async fn a_file_that_changed_on_the_hub_is_told_from_one_that_changed_here() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        fs::write(folder.join("file"), "hello\n").unwrap();
        assert_eq!(presence(folder, &remote(Some(OTHER))).await, Presence::Different);
        assert_eq!(presence(folder, &remote(Some(HELLO))).await, Presence::Complete);
        assert_eq!(presence(folder, &remote(Some(OTHER))).await, Presence::Outdated);
    }

    #[tokio::test]
    async fn a_broken_record_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        fs::write(folder.join("file"), "hello\n").unwrap();
        fs::write(folder.join(NAME), "{").unwrap();
        assert_eq!(presence(folder, &remote(None)).await, Presence::Complete);
        assert!(fs::read_to_string(folder.join(NAME)).unwrap().contains("\"size\": 6"));
    }
}
