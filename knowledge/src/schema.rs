//! The fields of the index.

use tantivy::{
    TantivyDocument, Term,
    schema::{
        Field, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions, Value,
    },
    tokenizer::{PreTokenizedString, Token},
};

/// Goes up whenever an index of before cannot be searched any more, or words are cut in another way.
pub(crate) const VERSION: u32 = 1;

/// The word that every listed question has; no text has it.
pub(crate) const LISTED: &str = "?";

/// The fields of the index. A document of the index is a passage, a way to put a question, or both.
#[derive(Debug, Clone)]
pub(crate) struct Fields {
    pub(crate) schema: Schema,
    /// The file, by which what came of it is deleted.
    pub(crate) document: Field,
    /// What a passage says, in short, by which it is found again.
    pub(crate) key: Field,
    /// Where a passage comes from.
    pub(crate) source: Field,
    /// What a passage says.
    pub(crate) text: Field,
    /// The words that a passage is found by.
    pub(crate) words: Field,
    /// The words that a listed question is found by.
    pub(crate) asked: Field,
    /// A listed question.
    pub(crate) question: Field,
    /// Its answer.
    pub(crate) answer: Field,
}

impl Fields {
    pub(crate) fn new() -> Self {
        let mut schema = Schema::builder();
        let searched = || {
            // The words come cut already; places in the text are not asked for.
            let indexing = TextFieldIndexing::default()
                .set_tokenizer("raw")
                .set_index_option(IndexRecordOption::WithFreqs);
            TextOptions::default().set_indexing_options(indexing)
        };
        let document = schema.add_text_field("document", STRING);
        let key = schema.add_text_field("key", STRING | STORED);
        let source = schema.add_text_field("source", STORED);
        let text = schema.add_text_field("text", STORED);
        let words = schema.add_text_field("words", searched());
        let asked = schema.add_text_field("asked", searched());
        let question = schema.add_text_field("question", STORED);
        let answer = schema.add_text_field("answer", STORED);
        let schema = schema.build();
        Self { schema, document, key, source, text, words, asked, question, answer }
    }

    /// The term that all entries of a document have.
    pub(crate) fn of_document(&self, document: &str) -> Term {
        Term::from_field_text(self.document, document)
    }
}

/// Words that were cut elsewhere, to be indexed.
pub(crate) fn tokens(words: Vec<String>) -> PreTokenizedString {
    let token = |(position, text): (usize, String)| Token {
        offset_from: 0,
        offset_to: 0,
        position,
        text,
        position_length: 1,
    };
    let tokens = words.into_iter().enumerate().map(token).collect();
    PreTokenizedString { text: String::new(), tokens }
}

/// A stored text; empty where there is none.
pub(crate) fn stored(document: &TantivyDocument, field: Field) -> &str {
    document.get_first(field).and_then(|value| value.as_str()).unwrap_or_default()
}
