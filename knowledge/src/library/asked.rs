//! The listed question that is most like what was said.

use std::collections::HashMap;

use tantivy::{
    Searcher, TantivyDocument,
    collector::TopDocs,
    query::{BooleanQuery, Query, TermQuery},
    schema::{Field, IndexRecordOption, Term},
};

use super::{DirectAnswer, LibraryError};
use crate::{
    pair::{asked_words, likeness},
    schema::{Fields, LISTED, stored},
};

/// So many listed questions are compared with what was said.
const COMPARED: usize = 10;

/// Longer questions than this, in words, are none that anybody lists.
const MOST_WORDS: usize = 24;

/// The fixed answer to the listed question that is most like `said`, if it is at least so much alike.
pub(super) fn strongest(
    searcher: &Searcher,
    fields: &Fields,
    said: &str,
    least: f32,
) -> Result<Option<DirectAnswer>, LibraryError> {
    let asked = asked_words(said);
    if asked.is_empty() || asked.len() > MOST_WORDS {
        return Ok(None);
    }
    let term = |word: &String| Term::from_field_text(fields.asked, word);
    let query = |word| -> Box<dyn Query> {
        Box::new(TermQuery::new(term(word), IndexRecordOption::WithFreqs))
    };
    let query = BooleanQuery::union(asked.iter().map(query).collect());
    let best = searcher.search(&query, &TopDocs::with_limit(COMPARED).order_by_score())?;
    let mut weights = Weights::new(searcher, fields)?;
    let mut strongest: Option<DirectAnswer> = None;
    for (_, address) in best {
        let document: TantivyDocument = searcher.doc(address)?;
        let text = |field| stored(&document, field).to_owned();
        let question = text(fields.question);
        let listed = asked_words(&question);
        weights.learn(asked.iter().chain(&listed))?;
        let alike = likeness(&asked, &listed, |word| weights.of(word));
        if alike >= least && strongest.as_ref().is_none_or(|known| known.likeness < alike) {
            let (source, answer) = (text(fields.source), text(fields.answer));
            strongest = Some(DirectAnswer { source, question, answer, likeness: alike });
        }
    }
    Ok(strongest)
}

/// How much words tell about which question is asked. One that is common in the questions tells
/// little, and so does one that is common in the passages: in a museum's documents that is "museum".
struct Weights<'a> {
    searcher: &'a Searcher,
    fields: &'a Fields,
    questions: u64,
    known: HashMap<String, f32>,
}

impl<'a> Weights<'a> {
    fn new(searcher: &'a Searcher, fields: &'a Fields) -> Result<Self, LibraryError> {
        let questions = searcher.doc_freq(&Term::from_field_text(fields.asked, LISTED))?;
        Ok(Self { searcher, fields, questions, known: HashMap::new() })
    }

    fn learn<'b>(&mut self, words: impl Iterator<Item = &'b String>) -> Result<(), LibraryError> {
        for word in words {
            if !self.known.contains_key(word) {
                let rarity = self
                    .rarity(self.fields.asked, word, self.questions)?
                    .min(self.rarity(self.fields.words, word, self.searcher.num_docs())?);
                self.known.insert(word.clone(), 1.0 + rarity);
            }
        }
        Ok(())
    }

    fn rarity(&self, field: Field, word: &str, all: u64) -> Result<f32, LibraryError> {
        let entries = self.searcher.doc_freq(&Term::from_field_text(field, word))?;
        #[expect(clippy::cast_precision_loss, reason = "a weight needs no more precision")]
        let (all, entries) = (all as f32, entries as f32);
        Ok(((all + 1.0) / (entries + 1.0)).ln().max(0.0))
    }

    fn of(&self, word: &str) -> f32 {
        self.known.get(word).copied().unwrap_or(1.0)
    }
}
