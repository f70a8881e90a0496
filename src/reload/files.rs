//! Folders of small files: what is in them, in short, and where they are.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

/// Deeper folders are none of prompts.
const DEEPEST: usize = 4;

/// The names and the content of all files below a folder, in short.
pub(super) fn content_of(folder: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    for folder in folders(folder) {
        for file in entries(&folder).into_iter().filter(|path| path.is_file()) {
            file.hash(&mut hasher);
            fs::read(&file).unwrap_or_default().hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// A folder and those below it, in order.
pub(super) fn folders(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    let mut edge = vec![folder.to_owned()];
    for _ in 0..DEEPEST {
        edge =
            edge.iter().flat_map(|folder| entries(folder)).filter(|path| path.is_dir()).collect();
        found.extend(edge.iter().cloned());
    }
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut entries: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    entries.sort_unstable();
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_in_any_folder_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("personas/more");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("a.toml"), "a").unwrap();
        let before = content_of(folder.path());
        assert_eq!(content_of(folder.path()), before);
        fs::write(deep.join("a.toml"), "b").unwrap();
        assert_ne!(content_of(folder.path()), before);
        assert_eq!(folders(folder.path()).len(), 3);
    }
}
