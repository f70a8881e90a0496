//! Checksums of files, in the two forms that the hubs publish.

use std::{
    fmt::{self, Write as _},
    io,
    path::Path,
};

use sha1::Sha1;
use sha2::{Digest as _, Sha256, digest::DynDigest};
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncReadExt},
};

/// How much is read from a file at once.
const BLOCK_BYTES: usize = 1 << 20;

/// What a file must add up to, in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Checksum {
    /// SHA-256 of the content.
    Sha256(String),
    /// The id that git gives the content: SHA-1 over its length and itself.
    GitBlob(String),
}

impl Checksum {
    /// A SHA-256 in hexadecimal digits; `None` when it is not one.
    pub(super) fn sha256(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        hexadecimal(digits, 64).map(Self::Sha256)
    }

    /// The id of a git blob; `None` when it is not one.
    pub(super) fn git_blob(text: &str) -> Option<Self> {
        hexadecimal(text, 40).map(Self::GitBlob)
    }

    /// Its digits.
    pub(super) fn digits(&self) -> &str {
        match self {
            Self::Sha256(digits) | Self::GitBlob(digits) => digits,
        }
    }

    /// Adds up a file of `size` bytes in the same way.
    pub(super) fn summer(&self, size: u64) -> Summer {
        Summer(match self {
            Self::Sha256(_) => Box::new(Sha256::new()),
            Self::GitBlob(_) => Box::new(Sha1::new_with_prefix(format!("blob {size}\0"))),
        })
    }

    /// Whether the file at `path`, of `size` bytes, adds up to this.
    pub(super) async fn matches(&self, path: &Path, size: u64) -> io::Result<bool> {
        let mut summer = self.summer(size);
        let length = summer.read(&mut File::open(path).await?).await?;
        Ok(length == size && summer.finish() == self.digits())
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Sha256(_) => "sha256",
            Self::GitBlob(_) => "git",
        };
        write!(formatter, "{kind}:{}", self.digits())
    }
}

/// A checksum on its way.
pub(super) struct Summer(Box<dyn DynDigest + Send>);

impl Summer {
    /// Adds the next bytes.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds everything that `source` has left, and says how much it was. In small steps, so that
    /// a person can stop it.
    pub(super) async fn read(&mut self, source: &mut (impl AsyncRead + Unpin)) -> io::Result<u64> {
        let mut block = vec![0; BLOCK_BYTES];
        let mut length = 0;
        loop {
            match source.read(&mut block).await? {
                0 => return Ok(length),
                count => {
                    self.add(&block[..count]);
                    length += count as u64;
                }
            }
        }
    }

    /// The digits of the sum.
    pub(super) fn finish(self) -> String {
        self.0.finalize().iter().fold(String::new(), |mut digits, byte| {
            // Writing to a string cannot fail.
            let _ = write!(digits, "{byte:02x}");
            digits
        })
    }
}

fn hexadecimal(digits: &str, length: usize) -> Option<String> {
    let legal = digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    legal.then(|| digits.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sums_are_those_of_sha256sum_and_git() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "hello\n").unwrap();
        // `sha256sum file` and `git hash-object file`
        let sha256 =
            Checksum::sha256("5891B5B522D5DF086D0FF0B110FBD9D21BB4FC7163AF34D08286A2E846F6BE03");
        let git = Checksum::git_blob("ce013625030ba8dba906f756967f9e9ca394464a");
        for checksum in [sha256.unwrap(), git.unwrap()] {
            assert!(checksum.matches(&path, 6).await.unwrap(), "{checksum}");
            assert!(!checksum.matches(&path, 5).await.unwrap(), "{checksum}");
        }
    }

    #[test]
    fn what_is_no_checksum_is_not_taken_for_one() {
        assert_eq!(Checksum::sha256("abc"), None);
        assert_eq!(Checksum::sha256(&"g".repeat(64)), None);
        assert_eq!(Checksum::git_blob(&"a".repeat(64)), None);
    }
}
