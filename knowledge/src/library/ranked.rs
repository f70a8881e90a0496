//! Passages by how well they match, found by a few telling words.

use tantivy::{
    DocAddress, DocSet, Searcher,
    collector::TopDocs,
    query::{BooleanQuery, Query, TermQuery},
    schema::{Field, IndexRecordOption, Term as IndexTerm},
};

use super::LibraryError;
use crate::words::parts_of;

/// The most telling words that are looked for; more cost time and find the same.
const MOST_TERMS: usize = 12;

/// In an index of more entries than this, words that stand in a tenth of all are not looked for where
/// there are others: their lists are long and tell little.
const LARGE: u64 = 2_000;

/// A word that was said, and how much it tells.
#[derive(Debug, Clone)]
pub(super) struct Term {
    word: IndexTerm,
    /// In how many entries it stands.
    entries: u64,
    weight: f32,
}

/// An entry, and the share of the words said that it has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranked {
    pub(super) address: DocAddress,
    pub(super) coverage: f32,
}

impl Term {
    /// The words with their weights in this index, each once; one that stands nowhere by its parts.
    pub(super) fn all(
        searcher: &Searcher,
        field: Field,
        mut words: Vec<String>,
    ) -> Result<Vec<Self>, LibraryError> {
        words.sort_unstable();
        words.dedup();
        let mut terms = Vec::new();
        for word in &words {
            let term = Self::of(searcher, field, word)?;
            let parts = if term.entries == 0 { parts_of(word) } else { Vec::new() };
            if parts.is_empty() {
                terms.push(term);
            }
            for part in parts.iter().filter(|part| !words.contains(part)) {
                terms.push(Self::of(searcher, field, part)?);
            }
        }
        Ok(terms)
    }

    fn of(searcher: &Searcher, field: Field, word: &str) -> Result<Self, LibraryError> {
        let term = IndexTerm::from_field_text(field, word);
        let entries = searcher.doc_freq(&term)?;
        let weight = rarity(searcher.num_docs(), entries);
        // A word that stands nowhere may be anything: it counts, and less than one that tells.
        let weight = if entries == 0 { weight / 2.0 } else { weight };
        Ok(Self { word: term, entries, weight })
    }
}

/// How much a word tells that stands in `entries` of `all`, as BM25 has it.
fn rarity(all: u64, entries: u64) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "a weight needs no more precision")]
    let (all, entries) = (all as f32, entries as f32);
    (1.0 + (all.max(entries) - entries + 0.5) / (entries + 0.5)).ln()
}

/// The `most` entries that match best, the best first.
pub(super) fn ranked(
    searcher: &Searcher,
    field: Field,
    terms: &[Term],
    most: usize,
) -> Result<Vec<Ranked>, LibraryError> {
    let chosen = telling(terms, searcher.num_docs());
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let query = |term: &&Term| -> Box<dyn Query> {
        Box::new(TermQuery::new(term.word.clone(), IndexRecordOption::WithFreqs))
    };
    let query = BooleanQuery::union(chosen.iter().map(query).collect());
    let best = searcher.search(&query, &TopDocs::with_limit(most).order_by_score())?;
    let all: f32 = terms.iter().map(|term| term.weight).sum();
    let covered = |address: DocAddress| -> Result<Ranked, LibraryError> {
        let mut weight = 0.0;
        for term in terms.iter().filter(|term| term.entries > 0) {
            if holds(searcher, field, term, address)? {
                weight += term.weight;
            }
        }
        Ok(Ranked { address, coverage: weight / all.max(f32::MIN_POSITIVE) })
    };
    best.into_iter().map(|(_, address)| covered(address)).collect()
}

/// The words to look for: the rarest ones that stand somewhere.
fn telling(terms: &[Term], all: u64) -> Vec<&Term> {
    let mut chosen: Vec<&Term> = terms.iter().filter(|term| term.entries > 0).collect();
    chosen.sort_by_key(|term| term.entries);
    if all > LARGE {
        let rare = chosen.iter().take_while(|term| term.entries <= all / 10).count();
        chosen.truncate(rare.max(1));
    }
    chosen.truncate(MOST_TERMS);
    chosen
}

/// Whether a word stands in an entry.
fn holds(
    searcher: &Searcher,
    field: Field,
    term: &Term,
    address: DocAddress,
) -> Result<bool, LibraryError> {
    let segment = searcher.segment_reader(address.segment_ord);
    let index = segment.inverted_index(field)?;
    let postings = index.read_postings(&term.word, IndexRecordOption::Basic)?;
    Ok(postings.is_some_and(|mut postings| {
        postings.doc() == address.doc_id
            || (postings.doc() < address.doc_id && postings.seek(address.doc_id) == address.doc_id)
    }))
}
