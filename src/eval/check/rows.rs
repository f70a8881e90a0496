//! The data: one JSON object a line, one file a set.

use std::{
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// Why data cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The folder or a file of it cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// What was read.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A line is not a row.
    #[error("{path}, line {line}: not a row of evaluation data")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// There are no sets.
    #[error("{0} has no file that ends in .jsonl")]
    Empty(PathBuf),
}

/// One row: an answer, what it should rest on, and whether it does.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    /// The name of the row.
    pub id: String,
    /// `en` or `zh`.
    #[serde(default)]
    pub lang: String,
    /// What was asked; empty when nothing.
    #[serde(default)]
    pub question: String,
    /// What the answer should rest on.
    #[serde(default)]
    pub evidence: String,
    /// The answer.
    pub answer: String,
    /// 1 when the answer is hallucinated.
    pub label: u8,
    /// The document that it is about; rows of one group are never on both sides of a split.
    #[serde(default)]
    pub group: String,
    /// What a set tells apart by itself.
    #[serde(default)]
    pub kind: Option<String>,
    /// The hallucinated parts, in characters.
    #[serde(default)]
    pub spans: Vec<Span>,
    /// Parts that were looked at and are not.
    #[serde(default)]
    pub ok_spans: Vec<Span>,
}

/// A part of an answer, in characters; with what is wrong in it, where the set says so.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Span {
    /// With what is wrong.
    Named(usize, usize, String),
    /// Without.
    Bare(usize, usize),
}

impl Span {
    /// The first character, and the one after the last.
    pub fn ends(&self) -> (usize, usize) {
        match self {
            Self::Named(first, last, _) | Self::Bare(first, last) => (*first, *last),
        }
    }

    /// What is wrong.
    pub fn name(&self) -> &str {
        match self {
            Self::Named(_, _, name) => name,
            Self::Bare(..) => "",
        }
    }
}

impl Row {
    /// A span in characters → in bytes of the answer.
    pub fn bytes(&self, span: &Span) -> Range<usize> {
        let (first, last) = span.ends();
        let at = |index: usize| {
            self.answer.char_indices().nth(index).map_or(self.answer.len(), |(at, _)| at)
        };
        at(first)..at(last)
    }
}

/// The files of a folder that hold sets, by name.
///
/// # Errors
/// When the folder cannot be read, or holds none.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let unreadable = |source| DataError::Unreadable { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() { Err(DataError::Empty(folder.to_owned())) } else { Ok(files) }
}

/// The name of a set: its file's.
pub fn name(file: &Path) -> String {
    file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

/// Reads a set.
///
/// # Errors
/// When the file cannot be read, or a line is no row.
pub fn read(file: &Path) -> Result<Vec<Row>, DataError> {
    let text = fs::read_to_string(file)
        .map_err(|source| DataError::Unreadable { path: file.to_owned(), source })?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| {
            serde_json::from_str(line).map_err(|source| DataError::Malformed {
                path: file.to_owned(),
                line: at + 1,
                source,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_row_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(files(folder.path()), Err(DataError::Empty(_))));
        let file = folder.path().join("a_set.jsonl");
        fs::write(&file, "{\"id\":\"1\",\"answer\":\"是的，a\",\"label\":1}\n\n{\"id\":2}\n")
            .unwrap();
        assert_eq!(files(folder.path()).unwrap(), std::slice::from_ref(&file));
        assert_eq!(name(&file), "a_set");
        let error = read(&file).unwrap_err();
        assert!(matches!(error, DataError::Malformed { line: 3, .. }), "{error}");
    }

    #[test]
    fn spans_count_characters_and_become_bytes() {
        let row: Row = serde_json::from_str("{\"id\":\"1\",\"answer\":\"是的，abc\",\"label\":0,\"spans\":[[0,1,\"x\"]],\"ok_spans\":[[1,2]]}").unwrap();
        assert_eq!((row.spans[0].name(), row.ok_spans[0].ends()), ("x", (1, 2)));
        assert_eq!(&row.answer[row.bytes(&Span::Bare(1, 4))], "的，a");
        assert_eq!(&row.answer[row.bytes(&Span::Bare(3, 99))], "abc");
    }
}
