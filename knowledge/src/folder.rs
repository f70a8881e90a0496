//! A folder of documents, and the files in it.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use walkdir::{DirEntry, WalkDir};

/// Deeper files are not looked for; a folder that holds itself by a link is this deep.
const DEEPEST: usize = 32;

/// A folder of documents, with the name that its documents' sources begin with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// What the sources begin with, as in `museum/opening.md`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

impl Folder {
    /// Folders named after the last part of their paths; further ones of the same name are numbered
    /// (`museum~2`).
    pub fn named<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Vec<Self> {
        let mut folders: Vec<Self> = Vec::new();
        for path in paths {
            let path = path.as_ref();
            let last = path.components().rev().find_map(|part| match part {
                Component::Normal(part) => Some(part.to_string_lossy().into_owned()),
                _ => None,
            });
            let base = last.unwrap_or_else(|| "documents".to_owned());
            let taken = |name: &str| folders.iter().any(|folder| folder.name == name);
            let mut name = base.clone();
            let mut number = 2;
            while taken(&name) {
                name = format!("{base}~{number}");
                number += 1;
            }
            folders.push(Self { name, path: path.to_owned() });
        }
        folders
    }

    /// The files in it, in the order of their names, hidden ones aside; what cannot be looked at
    /// comes as an error.
    pub(crate) fn files(&self) -> impl Iterator<Item = Result<File, walkdir::Error>> {
        WalkDir::new(&self.path)
            .follow_links(true)
            .max_depth(DEEPEST)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry))
            .filter_map(|entry| match entry {
                Ok(entry) if entry.file_type().is_file() => Some(Ok(self.file(&entry))),
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            })
    }

    fn file(&self, entry: &DirEntry) -> File {
        let inside = entry.path().strip_prefix(&self.path).unwrap_or(entry.path());
        let parts = inside.components().map(|part| part.as_os_str().to_string_lossy());
        let document = std::iter::once(self.name.as_str().into()).chain(parts);
        let document = document.collect::<Vec<_>>().join("/");
        File { document, path: entry.path().to_owned() }
    }
}

/// A file that may be a document.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// What its sources begin with: the folder's name and the path inside, with `/` between.
    pub(crate) document: String,
    /// Where it is.
    pub(crate) path: PathBuf,
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with(['.', '~'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_one_name_are_told_apart() {
        let folders = Folder::named(["a/museum", "b/museum/", "museum", "/"]);
        let names: Vec<_> = folders.iter().map(|folder| folder.name.as_str()).collect();
        assert_eq!(names, ["museum", "museum~2", "museum~3", "documents"]);
    }

    #[test]
    fn hidden_files_are_left_alone_and_links_are_followed() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("docs");
        std::fs::create_dir_all(folder.join("deep")).unwrap();
        std::fs::create_dir_all(folder.join(".git")).unwrap();
        for name in ["b.md", "deep/a.md", ".hidden.md", ".git/x.md", "~lock.md"] {
            std::fs::write(folder.join(name), "x").unwrap();
        }
        std::fs::write(home.path().join("far.md"), "x").unwrap();
        std::os::unix::fs::symlink(home.path().join("far.md"), folder.join("near.md")).unwrap();
        std::os::unix::fs::symlink(&folder, folder.join("deep/again")).unwrap();
        let folder = &Folder::named([&folder])[0];
        let found = folder.files().filter_map(Result::ok).map(|file| file.document);
        assert_eq!(found.collect::<Vec<_>>(), ["docs/b.md", "docs/deep/a.md", "docs/near.md"]);
    }
}
