//! A file on its way: it grows under another name, and gets its own when it is whole and right.

use std::{
    fs::{self, OpenOptions, TryLockError},
    io::{self, SeekFrom},
    path::{Path, PathBuf},
};

use tokio::{
    fs::File,
    io::{AsyncSeekExt, AsyncWriteExt},
};

use super::{
    PullError,
    listing::RemoteFile,
    verify::{Checksum, Summer},
};

/// How many digits of the checksum tell part files apart.
const DIGITS: usize = 16;
/// How the name of a part file ends.
const ENDING: &str = ".part";

/// A file that is not whole yet. What came stays when this is dropped.
pub(super) struct Part {
    remote: RemoteFile,
    /// Where it goes in the end.
    target: PathBuf,
    path: PathBuf,
    file: File,
    length: u64,
    /// The sum of what is there.
    sum: Option<Summer>,
}

impl Part {
    /// Opens what an earlier run left of `remote` in `folder`, or begins it. Only bytes of the same
    /// content are gone on with: the name holds the beginning of its checksum, and what has no
    /// checksum begins anew.
    pub(super) async fn open(folder: &Path, remote: &RemoteFile) -> Result<Self, PullError> {
        let target = remote.path.below(folder);
        let path = name(&target, remote.checksum.as_ref());
        let failed = |action| PullError::file(action, &path);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(PullError::file("create", folder))?;
            remove_others(folder, &target, &path);
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(failed("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(PullError::Locked { path }),
            Err(TryLockError::Error(error)) => return Err(failed("lock")(error)),
        }
        let mut file = File::from_std(file);
        let (length, sum) = continued(&mut file, remote).await.map_err(failed("read"))?;
        Ok(Self { remote: remote.clone(), target, path, file, length, sum })
    }

    /// How much of it is there.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Adds the next bytes.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), PullError> {
        self.file.write_all(bytes).await.map_err(PullError::file("write", &self.path))?;
        if let Some(sum) = &mut self.sum {
            sum.add(bytes);
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Begins anew.
    pub(super) async fn restart(&mut self) -> Result<(), PullError> {
        let failed = || PullError::file("write", &self.path);
        self.file.flush().await.map_err(failed())?;
        self.file.set_len(0).await.map_err(failed())?;
        self.file.seek(SeekFrom::Start(0)).await.map_err(failed())?;
        self.length = 0;
        self.sum = self.remote.checksum.as_ref().map(|sum| sum.summer(self.remote.size));
        Ok(())
    }

    /// Takes away what came.
    pub(super) fn remove(&self) -> Result<(), PullError> {
        fs::remove_file(&self.path).map_err(PullError::file("remove", &self.path))
    }

    /// Puts the whole file into its place, if it is what the hub declared; removes it otherwise.
    pub(super) async fn finish(mut self) -> Result<(), PullError> {
        let failed = |action| PullError::file(action, &self.path);
        self.file.flush().await.map_err(failed("write"))?;
        if let (Some(sum), Some(expected)) = (self.sum.take(), &self.remote.checksum) {
            let computed = sum.finish();
            if computed != expected.digits() {
                self.remove()?;
                let path = self.remote.path.to_string();
                let expected = expected.digits().to_owned();
                return Err(PullError::Checksum { path, expected, computed });
            }
        }
        self.file.sync_all().await.map_err(failed("write"))?;
        fs::rename(&self.path, &self.target).map_err(failed("rename"))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Nothing is nothing to go on with.
        if self.length == 0 {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// How much of `remote` an earlier run left in `folder`.
pub(super) fn kept(folder: &Path, remote: &RemoteFile) -> u64 {
    let Some(checksum) = &remote.checksum else { return 0 };
    let path = name(&remote.path.below(folder), Some(checksum));
    let length = fs::metadata(path).map_or(0, |metadata| metadata.len());
    if length <= remote.size { length } else { 0 }
}

/// How much of `remote` is in `file`, which is left at that place, and its sum.
async fn continued(file: &mut File, remote: &RemoteFile) -> io::Result<(u64, Option<Summer>)> {
    let sum = || remote.checksum.as_ref().map(|checksum| checksum.summer(remote.size));
    if let Some(mut sum) = sum()
        && file.metadata().await?.len() <= remote.size
    {
        let length = sum.read(file).await?;
        return Ok((length, Some(sum)));
    }
    file.set_len(0).await?;
    file.seek(SeekFrom::Start(0)).await?;
    Ok((0, sum()))
}

/// The part file for `target` with this checksum.
fn name(target: &Path, checksum: Option<&Checksum>) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    if let Some(checksum) = checksum {
        name.push(".");
        name.push(&checksum.digits()[..DIGITS]);
    }
    name.push(ENDING);
    name.into()
}

/// Removes part files for `target` that nobody will go on with. What cannot be removed is in
/// nobody's way.
fn remove_others(folder: &Path, target: &Path, ours: &Path) {
    let Some(prefix) = target.file_name().and_then(|name| name.to_str()) else { return };
    let other = |name: &str| {
        let middle = name.strip_prefix(prefix)?.strip_suffix(ENDING)?;
        let digits = middle.strip_prefix('.').unwrap_or(middle);
        let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(matches!(digits.len(), 0 | DIGITS) && hexadecimal)
    };
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let is_other = entry.file_name().to_str().and_then(other).unwrap_or(false);
        if is_other && entry.path() != ours {
            let _ = fs::remove_file(entry.path());
        }
    }
}
