//! An index, searched.

mod asked;
mod fused;
mod keyed;
mod ranked;

use std::{collections::HashSet, io, path::Path};

use tantivy::{
    DocAddress, Index, IndexReader, ReloadPolicy, Searcher, TantivyDocument, TantivyError,
};
use thiserror::Error;

use crate::{
    schema::{Fields, stored},
    update::manifest_of,
    words::{self, words},
};
use asked::strongest;
pub(crate) use keyed::Keyed;
use ranked::{Ranked, Term, ranked};

/// So many more passages than wanted are looked at, of which some say too little or the same.
const MORE: usize = 3;

/// An index on disk, open for searching. Cheap to share; a search sees what was committed last.
pub struct Library {
    reader: IndexReader,
    fields: Fields,
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wanted {
    /// Most passages.
    pub passages: usize,
    /// A passage has at least this share of the words that were said, by their weight, from 0.0 to 1.0.
    pub least_coverage: f32,
    /// A listed question that is at least so much alike answers directly, from 0.0 to 1.0; `None`:
    /// none does.
    pub direct_answer: Option<f32>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { passages: 3, least_coverage: 0.2, direct_answer: Some(0.75) }
    }
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// Passages, the best first.
    pub passages: Vec<Passage>,
    /// The fixed answer to what was asked, if there is one.
    pub direct_answer: Option<DirectAnswer>,
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    /// Where it comes from: the file, and the heading or the question in it
    /// (`museum/opening.md#Opening hours`).
    pub source: String,
    /// What it says, with its headings before it.
    pub text: String,
    /// The share of the words said that it has, by their weight, from 0.0 to 1.0; 0.0 where it was
    /// found by its vector alone.
    pub coverage: f32,
    /// How similar its vector is to that of what was said, from -1.0 to 1.0; `None` where it was found
    /// by its words alone.
    pub similarity: Option<f32>,
}

/// A fixed answer.
#[derive(Debug, Clone, PartialEq)]
pub struct DirectAnswer {
    /// Where it comes from.
    pub source: String,
    /// The listed question.
    pub question: String,
    /// The answer, word for word.
    pub answer: String,
    /// How much alike the question and what was said are, from 0.0 to 1.0.
    pub likeness: f32,
}

/// Why an index cannot be searched.
#[derive(Debug, Error)]
pub enum LibraryError {
    /// There is none, or one of another version: it has to be made first.
    #[error("there is no index in {0}")]
    Missing(String),
    /// It is broken, or the system refused.
    #[error("the index cannot be searched")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<TantivyError> for LibraryError {
    fn from(error: TantivyError) -> Self {
        Self::Broken(Box::new(error))
    }
}

impl From<io::Error> for LibraryError {
    fn from(error: io::Error) -> Self {
        Self::Broken(Box::new(error))
    }
}

impl Library {
    /// Opens the index in a folder, and makes ready what the first search needs, which takes a moment.
    /// What another process commits later is seen within a second.
    ///
    /// # Errors
    /// When there is no index of this version, or it cannot be read.
    pub fn open(index: &Path) -> Result<Self, LibraryError> {
        let missing = || LibraryError::Missing(index.display().to_string());
        manifest_of(index).ok_or_else(missing)?;
        let opened = Index::open_in_dir(index)?;
        let fields = Fields::new();
        if opened.schema() != fields.schema {
            return Err(missing());
        }
        let reader =
            opened.reader_builder().reload_policy(ReloadPolicy::OnCommitWithDelay).try_into()?;
        words::warm();
        Ok(Self { reader, fields })
    }

    /// Sees at once what was committed just now.
    ///
    /// # Errors
    /// When the index cannot be read; searches go on with what they saw before.
    pub fn refresh(&self) -> Result<(), LibraryError> {
        Ok(self.reader.reload()?)
    }

    /// What the index has on what a person said. Reads the disk, so it may block for a moment.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn search(&self, said: &str, wanted: &Wanted) -> Result<Found, LibraryError> {
        let searcher = self.reader.searcher();
        let direct_answer = match wanted.direct_answer {
            Some(least) => strongest(&searcher, &self.fields, said, least)?,
            None => None,
        };
        Ok(Found { passages: self.passages(&searcher, said, wanted)?, direct_answer })
    }

    fn passages(
        &self,
        searcher: &Searcher,
        said: &str,
        wanted: &Wanted,
    ) -> Result<Vec<Passage>, LibraryError> {
        if wanted.passages == 0 {
            return Ok(Vec::new());
        }
        let terms = Term::all(searcher, self.fields.words, words(said))?;
        let mut passages = Vec::new();
        let mut texts = HashSet::new();
        for Ranked { address, coverage } in
            ranked(searcher, self.fields.words, &terms, wanted.passages * MORE)?
        {
            if coverage < wanted.least_coverage {
                continue;
            }
            let passage = self.passage(searcher, address, coverage)?;
            if texts.insert(passage.text.clone()) {
                passages.push(passage);
            }
            if passages.len() == wanted.passages {
                break;
            }
        }
        Ok(passages)
    }

    fn passage(
        &self,
        searcher: &Searcher,
        address: DocAddress,
        coverage: f32,
    ) -> Result<Passage, LibraryError> {
        let document: TantivyDocument = searcher.doc(address)?;
        let text = |field| stored(&document, field).to_owned();
        let (source, text) = (text(self.fields.source), text(self.fields.text));
        Ok(Passage { source, text, coverage, similarity: None })
    }
}
