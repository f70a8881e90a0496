//! How far an update of vectors is, and what it did.

use serde::Serialize;

/// How far an update of vectors is, told as it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VectorProgress {
    /// All vectors are made anew.
    Anew(Anew),
    /// So many are to be made.
    Found {
        /// How many.
        missing: usize,
    },
    /// So many more passages were dealt with.
    Embedded {
        /// How many.
        passages: usize,
    },
    /// The embedder failed: the update ends, unless it was stopped on purpose.
    Failed,
}

/// Why all vectors are made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Anew {
    /// There is another embedder, another model of it or another prefix than those that made them.
    OtherSpace,
    /// The model makes vectors of another length now.
    OtherLength,
    /// The model makes other vectors now.
    OtherModel,
    /// The file cannot be understood.
    Damaged,
}

impl Anew {
    /// The same in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::OtherSpace => "they were made by another embedder, model or prefix",
            Self::OtherLength => "the model makes vectors of another length now",
            Self::OtherModel => "the model makes other vectors now",
            Self::Damaged => "the file cannot be understood",
        }
    }
}

/// What an update of vectors did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct VectorSummary {
    /// Passages whose vectors were made.
    pub embedded: usize,
    /// Passages whose vectors were there.
    pub kept: usize,
    /// Vectors of passages that are gone.
    pub removed: usize,
    /// Vectors that were damaged, and were made again.
    pub damaged: usize,
    /// Passages that the embedder does not take.
    pub refused: usize,
    /// Passages for whose vectors there is no room.
    pub left_out: usize,
    /// Numbers of a vector; 0 where there is none.
    pub dimension: usize,
    /// Why all of them were made anew, where they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anew: Option<Anew>,
    /// Whether it was stopped before its end; what was done is kept.
    pub stopped: bool,
}

impl VectorSummary {
    /// Passages that have their vectors now.
    pub fn vectors(&self) -> usize {
        self.embedded + self.kept
    }
}
