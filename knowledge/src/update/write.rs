//! The index being written.

use std::{collections::HashSet, fs, path::Path};

use tantivy::{Index, IndexWriter, TantivyDocument, TantivyError};

use super::{Found, Summary, UpdateError, writers};
use crate::{
    cut::Cut,
    folder::Folder,
    manifest::{Known, Manifest, hash_of},
    pair::{Pair, asked_words},
    schema::{Fields, LISTED, tokens},
    words::indexed_words,
};

/// Memory of one thread that writes, in bytes.
const MEMORY: usize = 32 * 1024 * 1024;

/// So many files are committed at a time, or a killed update of many would have to begin again.
const COMMIT: usize = 5_000;

/// The list of files of an index that is there, whole and of this version.
pub(crate) fn manifest_of(folder: &Path) -> Option<Manifest> {
    let index = Index::open_in_dir(folder).ok()?;
    let name = index.load_metas().ok()?.payload?;
    Manifest::read(folder, &name)
}

/// An index being written.
pub(super) struct Writing<'a> {
    folder: &'a Path,
    writer: IndexWriter,
    fields: Fields,
    /// What the index is made of, with what was done since.
    manifest: Manifest,
    trusts_stamps: bool,
    /// Files since the last commit.
    pending: usize,
    is_changed: bool,
}

impl<'a> Writing<'a> {
    /// Opens the index, or makes it anew.
    pub(super) fn open(folder: &'a Path, folders: &[Folder]) -> Result<Self, UpdateError> {
        let failed = |error| failure(folder, error);
        let fields = Fields::new();
        let known = manifest_of(folder);
        let index = if known.is_some() {
            Index::open_in_dir(folder).map_err(failed)?
        } else {
            clear(folder);
            Index::create_in_dir(folder, fields.schema.clone()).map_err(failed)?
        };
        let threads = writers();
        let writer = index.writer_with_num_threads(threads, MEMORY * threads).map_err(failed)?;
        let is_new = known.is_none();
        let mut manifest = known.unwrap_or_else(|| Manifest::new(folders));
        // In other folders a file of the same size and time may be another one.
        let trusts_stamps = manifest.folders == folders;
        manifest.folders = folders.to_vec();
        let is_changed = is_new || !trusts_stamps;
        Ok(Self { folder, writer, fields, manifest, trusts_stamps, pending: 0, is_changed })
    }

    pub(super) fn trusts_stamps(&self) -> bool {
        self.trusts_stamps
    }

    pub(super) fn known(&self, document: &str) -> Option<&Known> {
        self.manifest.documents.get(document)
    }

    /// Takes out what came of files that are gone.
    pub(super) fn forget_all_but<'b>(
        &mut self,
        documents: impl Iterator<Item = &'b str>,
        summary: &mut Summary,
    ) -> Result<(), UpdateError> {
        let there: HashSet<&str> = documents.collect();
        let known = self.manifest.documents.keys();
        let gone: Vec<String> =
            known.filter(|known| !there.contains(known.as_str())).cloned().collect();
        for document in gone {
            self.writer.delete_term(self.fields.of_document(&document));
            self.manifest.documents.remove(&document);
            summary.removed += 1;
            self.done()?;
        }
        Ok(())
    }

    /// Takes what a look at a file came to.
    pub(super) fn take(&mut self, document: &str, found: Found) -> Result<(), UpdateError> {
        let before = self.known(document);
        let known = match found {
            Found::Same(known) => {
                self.is_changed |= before != Some(&known);
                self.manifest.documents.insert(document.to_owned(), known);
                return Ok(());
            }
            Found::Unreadable { stamp, hash, why } => {
                let known = Known { stamp, hash, passages: 0, pairs: 0, notes: vec![why] };
                if before != Some(&known) {
                    self.writer.delete_term(self.fields.of_document(document));
                }
                known
            }
            Found::Read { stamp, hash, passages, pairs, notes } => {
                self.writer.delete_term(self.fields.of_document(document));
                for passage in &passages {
                    self.add_passage(document, passage)?;
                }
                for pair in &pairs {
                    self.add_pair(document, pair)?;
                }
                Known { stamp, hash, passages: passages.len(), pairs: pairs.len(), notes }
            }
        };
        self.manifest.documents.insert(document.to_owned(), known);
        self.done()
    }

    fn add_passage(&self, document: &str, passage: &Cut) -> Result<(), UpdateError> {
        let shown = passage.shown();
        let mut entry = self.entry(document, &passage.place);
        entry.add_text(self.fields.key, hash_of(shown.as_bytes()));
        entry.add_pre_tokenized_text(self.fields.words, tokens(indexed_words(&shown)));
        entry.add_text(self.fields.text, shown);
        self.add(entry)
    }

    /// Adds a pair: each way to put the question is found by itself, the first one also as a passage.
    fn add_pair(&self, document: &str, pair: &Pair) -> Result<(), UpdateError> {
        let Some(first) = pair.questions.first() else { return Ok(()) };
        for (number, question) in pair.questions.iter().enumerate() {
            let mut entry = self.entry(document, first);
            entry.add_pre_tokenized_text(self.fields.asked, tokens(listed(question)));
            entry.add_text(self.fields.question, question);
            entry.add_text(self.fields.answer, &pair.answer);
            if number == 0 {
                let all = format!("{} {}", pair.questions.join(" "), pair.answer);
                entry.add_pre_tokenized_text(self.fields.words, tokens(indexed_words(&all)));
                let shown = format!("{first} {}", pair.answer);
                entry.add_text(self.fields.key, hash_of(shown.as_bytes()));
                entry.add_text(self.fields.text, shown);
            }
            self.add(entry)?;
        }
        Ok(())
    }

    fn entry(&self, document: &str, place: &str) -> TantivyDocument {
        let source = match place {
            "" => document.to_owned(),
            place => format!("{document}#{place}"),
        };
        let mut entry = TantivyDocument::new();
        entry.add_text(self.fields.document, document);
        entry.add_text(self.fields.source, source);
        entry
    }

    fn add(&self, entry: TantivyDocument) -> Result<(), UpdateError> {
        self.writer.add_document(entry).map(drop).map_err(|error| failure(self.folder, error))
    }

    fn done(&mut self) -> Result<(), UpdateError> {
        self.pending += 1;
        self.is_changed = true;
        if self.pending >= COMMIT { self.commit() } else { Ok(()) }
    }

    /// Lets everything since the last commit take effect, with the list of files that it is of.
    fn commit(&mut self) -> Result<(), UpdateError> {
        let folder = self.folder;
        let io = |source| UpdateError::Io { folder: folder.display().to_string(), source };
        let mut prepared = self.writer.prepare_commit().map_err(|error| failure(folder, error))?;
        let name = self.manifest.write(folder, prepared.opstamp()).map_err(io)?;
        prepared.set_payload(&name);
        prepared.commit().map_err(|error| failure(folder, error))?;
        Manifest::tidy(folder, &name);
        self.pending = 0;
        self.is_changed = false;
        Ok(())
    }

    /// Commits what is left and waits until the index is in order.
    pub(super) fn finish(mut self, summary: &mut Summary) -> Result<(), UpdateError> {
        if self.is_changed {
            self.commit()?;
        }
        for known in self.manifest.documents.values() {
            summary.passages += known.passages;
            summary.pairs += known.pairs;
        }
        self.writer.wait_merging_threads().map_err(|error| failure(self.folder, error))
    }
}

/// The words of a listed question, with one that all have.
fn listed(question: &str) -> Vec<String> {
    let mut words = asked_words(question);
    words.push(LISTED.to_owned());
    words
}

/// Takes away the files of an index that cannot be used, and no others.
fn clear(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()).filter(|path| path.is_file()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let stem = name.split('.').next().unwrap_or_default();
        let is_segment = stem.len() == 32 && stem.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_ours = is_segment
            || name.ends_with(".documents.json")
            || matches!(&*name, "meta.json" | ".managed.json")
            || name.starts_with(".tantivy-");
        if is_ours {
            // What cannot be taken away is found out when the index is made.
            let _ = fs::remove_file(path);
        }
    }
}

fn failure(folder: &Path, error: TantivyError) -> UpdateError {
    let folder = folder.display().to_string();
    match error {
        TantivyError::LockFailure(..) => UpdateError::Busy(folder),
        error => UpdateError::Index { folder, source: Box::new(error) },
    }
}
