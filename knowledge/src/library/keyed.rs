//! Passages by their keys: what each says, in short.

use std::collections::BTreeMap;

use tantivy::{
    DocAddress, DocSet, Searcher, SegmentReader, TERMINATED, TantivyDocument, Term,
    schema::{Field, IndexRecordOption},
};

use super::{Library, LibraryError};
use crate::{schema::stored, vectors::Key};

/// The passages of an index as they were at one moment, whatever is committed meanwhile.
pub(crate) struct Keyed {
    searcher: Searcher,
    text: Field,
    /// Each once, in the order of the keys.
    pub(crate) passages: Vec<(Key, DocAddress)>,
}

impl Keyed {
    /// What a passage says, with its headings before it.
    pub(crate) fn text(&self, address: DocAddress) -> Result<String, LibraryError> {
        let document: TantivyDocument = self.searcher.doc(address)?;
        Ok(stored(&document, self.text).to_owned())
    }
}

impl Library {
    /// Every passage by its key.
    pub(crate) fn keyed(&self) -> Result<Keyed, LibraryError> {
        let searcher = self.reader.searcher();
        let mut found = BTreeMap::new();
        for (number, segment) in (0_u32..).zip(searcher.segment_readers()) {
            let index = segment.inverted_index(self.fields.key)?;
            let mut terms = index.terms().stream()?;
            while terms.advance() {
                let Some(key) = key_of(terms.key()) else { continue };
                let postings =
                    index.read_postings_from_terminfo(terms.value(), IndexRecordOption::Basic)?;
                if let Some(document) = first_alive(segment, postings) {
                    found.entry(key).or_insert_with(|| DocAddress::new(number, document));
                }
            }
        }
        let passages = found.into_iter().collect();
        Ok(Keyed { searcher, text: self.fields.text, passages })
    }
}

/// The passage of this key, if it is there.
pub(super) fn by_key(
    searcher: &Searcher,
    field: Field,
    key: Key,
) -> Result<Option<DocAddress>, LibraryError> {
    let term = Term::from_field_text(field, &format!("{key:032x}"));
    for (number, segment) in (0_u32..).zip(searcher.segment_readers()) {
        let index = segment.inverted_index(field)?;
        let postings = index.read_postings(&term, IndexRecordOption::Basic)?;
        if let Some(document) = postings.and_then(|postings| first_alive(segment, postings)) {
            return Ok(Some(DocAddress::new(number, document)));
        }
    }
    Ok(None)
}

fn first_alive(segment: &SegmentReader, mut postings: impl DocSet) -> Option<u32> {
    let mut document = postings.doc();
    while document != TERMINATED {
        if !segment.is_deleted(document) {
            return Some(document);
        }
        document = postings.advance();
    }
    None
}

fn key_of(term: &[u8]) -> Option<Key> {
    Key::from_str_radix(std::str::from_utf8(term).ok()?, 16).ok()
}
