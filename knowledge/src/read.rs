//! A file as headed blocks of text, and as questions with their answers.

mod encoding;
mod html;
mod lines;
mod markdown;
mod plain;
mod table;

use std::{fs, io, path::Path};

use thiserror::Error;

use crate::pair::Pair;

/// Larger files are not read.
const LARGEST: u64 = 16 * 1024 * 1024;

/// A paragraph, a list or a row, under its headings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The headings that it stands under, the outermost first.
    pub headings: Vec<String>,
    /// What it says.
    pub text: String,
}

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// Its text.
    pub blocks: Vec<Block>,
    /// Questions with fixed answers.
    pub pairs: Vec<Pair>,
    /// Parts that were left out, and why.
    pub notes: Vec<String>,
}

/// The kinds of files that are read, told by the end of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `.md`, `.markdown`
    Markdown,
    /// `.txt`, `.text`
    Plain,
    /// `.html`, `.htm`, `.xhtml`
    Html,
    /// `.csv`, `.tsv`
    Table,
    /// `.jsonl`, `.ndjson`
    Lines,
}

/// Why a file could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The system refused.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is larger than 16 MiB.
    #[error("it is larger than 16 MiB: split it")]
    TooLarge,
    /// It is no text, or in an encoding that is not known.
    #[error("it is no text in UTF-8, UTF-16 or GB18030")]
    NoText,
    /// Its form is broken.
    #[error("{0}")]
    Broken(String),
    /// There is nothing in it.
    #[error("there is no text in it")]
    Empty,
}

impl Kind {
    /// The kind of a file; `None` for one that is not read.
    pub fn of(path: &Path) -> Option<Self> {
        let end = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match end.as_str() {
            "md" | "markdown" => Self::Markdown,
            "txt" | "text" => Self::Plain,
            "html" | "htm" | "xhtml" => Self::Html,
            "csv" | "tsv" => Self::Table,
            "jsonl" | "ndjson" => Self::Lines,
            _ => return None,
        })
    }
}

/// The bytes of a file.
///
/// # Errors
/// When it cannot be read or is larger than 16 MiB.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, ReadError> {
    if fs::metadata(path)?.len() > LARGEST {
        return Err(ReadError::TooLarge);
    }
    Ok(fs::read(path)?)
}

/// What the bytes of a file say.
///
/// # Errors
/// When they are no text, broken, or say nothing.
pub fn read(kind: Kind, bytes: &[u8]) -> Result<Content, ReadError> {
    let text = encoding::decode(bytes)?;
    let content = match kind {
        Kind::Markdown => markdown::read(&text),
        Kind::Plain => plain::read(&text),
        Kind::Html => html::read(&text),
        Kind::Table => table::read(&text)?,
        Kind::Lines => lines::read(&text),
    };
    if content.blocks.is_empty() && content.pairs.is_empty() {
        return Err(match content.notes.first() {
            Some(note) => ReadError::Broken(note.clone()),
            None => ReadError::Empty,
        });
    }
    Ok(content)
}

/// Blocks under their headings, as a reader comes upon them.
#[derive(Debug, Default)]
struct Blocks {
    /// The heading of each level that is open.
    headings: Vec<(u8, String)>,
    blocks: Vec<Block>,
}

impl Blocks {
    /// A heading of a level from 1 to 6; it ends those of its level and deeper ones.
    fn heading(&mut self, level: u8, text: &str) {
        self.headings.retain(|(known, _)| *known < level);
        let text = one_line(text);
        if !text.is_empty() {
            self.headings.push((level, text));
        }
    }

    /// A block of text under the headings that are open; one without text is none.
    fn block(&mut self, text: &str) {
        let text = text.trim();
        if !text.is_empty() {
            let headings = self.headings.iter().map(|(_, heading)| heading.clone()).collect();
            self.blocks.push(Block { headings, text: text.to_owned() });
        }
    }

    fn into_content(self) -> Content {
        Content { blocks: self.blocks, ..Content::default() }
    }
}

/// The text with every stretch of white space as one space.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A row of a table as a sentence: what each column says, with the column's name where it has one.
fn row(names: &[String], cells: &[String]) -> String {
    let cells = cells.iter().enumerate().filter(|(_, cell)| !cell.trim().is_empty());
    let parts = cells.map(|(column, cell)| {
        let cell = one_line(cell);
        match names.get(column).map(|name| one_line(name)).filter(|name| !name.is_empty()) {
            Some(name) => format!("{name}: {cell}"),
            None => cell,
        }
    });
    parts.collect::<Vec<_>>().join("; ")
}
