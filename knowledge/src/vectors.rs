//! The passages of an index as vectors, by which they are found in other words than their own.
//!
//! Vectors come from outside, by an [`Embedder`], and are kept in one file beside the index, found by
//! what their passage says: a passage that moves keeps its vector, and one that changes gets another.

mod embed;
mod file;
mod numbers;
mod progress;
mod sieve;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use thiserror::Error;

pub use embed::{Embedder, update_vectors};
use file::{Contents, Record};
use numbers::{Question, cosine};
pub use progress::{Anew, VectorProgress, VectorSummary};
use sieve::Sieve;

/// The name of the file, in the folder of the index.
const FILE: &str = "vectors";

/// Longer vectors than this are none that a model makes, and their products would not fit.
const LONGEST: usize = 8192;

/// Rows of so many bytes together are compared one by one in a millisecond or so. Among more, those
/// are compared that the sieve lets through.
const FEW: usize = 8 * 1024 * 1024;

/// What names a passage: what it says, in short.
pub(crate) type Key = u128;

/// What vectors are of. Only those of one space can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// Who makes them.
    pub embedder: String,
    /// By which model.
    pub model: String,
    /// What stands before a passage when it is made a vector of.
    pub prefix: String,
}

impl Space {
    /// Its name in a file; no two have the same.
    fn name(&self) -> String {
        format!("{:?} {:?} {:?}", self.embedder, self.model, self.prefix)
    }
}

/// Why vectors cannot be made, or cannot be used.
#[derive(Debug, Error)]
pub enum VectorError {
    /// There is no index whose passages they could be of.
    #[error("there is no index in {0}")]
    Missing(String),
    /// Another process, or another thread, is making them.
    #[error("the vectors in {0} are being made by another process")]
    Busy(String),
    /// The system refused.
    #[error("the vectors in {folder} cannot be read or written")]
    Io {
        /// The index.
        folder: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The index cannot be read.
    #[error("the passages cannot be read")]
    Index(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Whoever makes them failed; what it had made is kept.
    #[error("the embedder failed")]
    Embedder(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Whoever makes them gave something else.
    #[error("the embedder gave {0}")]
    Odd(String),
    /// A question has a vector of another length than the passages, so another model made it.
    #[error("the question's vector has {question} numbers, those of the passages have {passages}")]
    Length {
        /// Numbers of the question's vector.
        question: usize,
        /// Numbers of those of the passages.
        passages: usize,
    },
}

/// The vectors of an index, in memory: a byte for each number.
pub struct Vectors {
    /// Numbers of each.
    dimension: usize,
    keys: Vec<Key>,
    /// One after the other.
    rows: Vec<i8>,
    /// What the numbers of each row are to be multiplied with.
    scales: Vec<f32>,
    /// Where there are many.
    sieve: Option<Sieve>,
    /// How the file looked when it was read.
    stamp: Option<Stamp>,
}

/// A passage that is near to a question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    pub(crate) key: Key,
    /// The cosine between the two, from -1.0 to 1.0.
    pub similarity: f32,
}

impl Vectors {
    /// Reads the vectors of an index; `None` when there are none of this space. Rows that are damaged
    /// are left out.
    ///
    /// # Errors
    /// When the file is there and the system refuses to read it.
    pub fn open(index: &Path, space: &Space) -> Result<Option<Self>, VectorError> {
        let path = path(index);
        let stamp = Stamp::of(&path);
        let Some(mut contents) = Contents::open(&path).map_err(|error| refused(index, error))?
        else {
            return Ok(None);
        };
        if contents.header.space != space.name() {
            return Ok(None);
        }
        let dimension = contents.header.dimension;
        let room = contents.rows();
        let mut vectors = Self {
            dimension,
            keys: Vec::with_capacity(room),
            rows: Vec::with_capacity(room * dimension),
            scales: Vec::with_capacity(room),
            sieve: None,
            stamp,
        };
        let mut record = Record::default();
        while contents.next(&mut record).map_err(|error| refused(index, error))? {
            vectors.keys.push(record.key);
            vectors.scales.push(record.scale);
            vectors.rows.extend_from_slice(&record.numbers);
        }
        if vectors.rows.len() > FEW {
            vectors.sieve = Some(Sieve::of(&vectors.rows, &vectors.scales, dimension));
        }
        Ok((!vectors.keys.is_empty()).then_some(vectors))
    }

    /// Whether the file is as it was when it was read.
    pub fn is_current(&self, index: &Path) -> bool {
        self.stamp == Stamp::of(&path(index))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// How many numbers each has.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The `most` passages that are nearest to a question, the nearest first, all of them at least
    /// `least` similar.
    ///
    /// Where the rows take up to 8 MiB, every one is compared. Among more, those are compared that are
    /// nearest by the signs of their numbers, some thousands; the nearest of all are nearly always
    /// among them.
    ///
    /// # Errors
    /// When the question's vector is of another length.
    pub fn nearest(
        &self,
        question: &[f32],
        most: usize,
        least: f32,
    ) -> Result<Vec<Near>, VectorError> {
        if question.len() != self.dimension {
            let (question, passages) = (question.len(), self.dimension);
            return Err(VectorError::Length { question, passages });
        }
        let Some(asked) = Question::of(question) else { return Ok(Vec::new()) };
        let mut best = Best { most, least, rows: Vec::with_capacity(most + 1) };
        match &self.sieve {
            Some(sieve) => {
                for row in sieve.candidates(question) {
                    best.take(row, self.similarity(row, &asked));
                }
            }
            None => {
                for row in 0..self.keys.len() {
                    best.take(row, self.similarity(row, &asked));
                }
            }
        }
        let near =
            |(similarity, row): (f32, usize)| Some(Near { key: *self.keys.get(row)?, similarity });
        Ok(best.rows.into_iter().filter_map(near).collect())
    }

    fn similarity(&self, row: usize, question: &Question) -> f32 {
        let start = row * self.dimension;
        let numbers = self.rows.get(start..start + self.dimension).unwrap_or_default();
        let scale = self.scales.get(row).copied().unwrap_or_default();
        cosine(numbers, scale, question)
    }
}

/// The rows that are most alike, the most alike first.
struct Best {
    most: usize,
    least: f32,
    rows: Vec<(f32, usize)>,
}

impl Best {
    fn take(&mut self, row: usize, similarity: f32) {
        let is_full = self.rows.len() == self.most;
        let bar = if is_full { self.rows.last().map(|(worst, _)| *worst) } else { None };
        if similarity < self.least || bar.is_some_and(|bar| similarity <= bar) || self.most == 0 {
            return;
        }
        let place = self.rows.partition_point(|(known, _)| *known >= similarity);
        self.rows.insert(place, (similarity, row));
        self.rows.truncate(self.most);
    }
}

/// How the file looks from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    written: SystemTime,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self { bytes: metadata.len(), written: metadata.modified().ok()? })
    }
}

fn path(index: &Path) -> PathBuf {
    index.join(FILE)
}

fn refused(index: &Path, source: io::Error) -> VectorError {
    VectorError::Io { folder: index.display().to_string(), source }
}
