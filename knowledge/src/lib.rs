//! What a persona knows: folders read, cut into passages, indexed and searched.
//!
//! Folders of Markdown, plain text, HTML, tables and JSON lines become an index on disk that is
//! brought up to date by what has changed and searched in well under a millisecond. Chinese and
//! English are cut into words alike when they are indexed and when they are asked for. Who has vectors
//! to give finds passages by these, too. Nothing here waits for a network but an [`Embedder`], which
//! comes from outside, and nothing knows a service or a model.
//!
//! | module | is |
//! |---|---|
//! | [`read()`] | a file as headed blocks of text and as questions with their answers |
//! | [`cut()`] | blocks as passages of a few hundred characters |
//! | [`words()`], [`asked_words`] | a text as the words that it is found by |
//! | [`update()`] | an index brought up to date with its folders |
//! | [`Library`] | an index, searched |
//! | [`update_vectors()`] | the vectors of an index brought up to date with its passages |
//! | [`Vectors`] | these vectors, searched; [`Library::fuse`] makes one list of both searches |
//!
//! ```
//! use anima_knowledge::{Folder, Library, Wanted, update};
//!
//! let home = tempfile::tempdir()?;
//! let (folder, index) = (home.path().join("museum"), home.path().join("index"));
//! std::fs::create_dir(&folder)?;
//! std::fs::write(folder.join("house.md"), "# The house\n\nThe tea museum opened in 1987.")?;
//! std::fs::write(folder.join("fixed.csv"), "question,answer\nWho are you?,The guide.")?;
//! update(&index, &Folder::named([&folder]), &mut |_| std::ops::ControlFlow::Continue(()))?;
//!
//! let library = Library::open(&index)?;
//! let found = library.search("When did the museum open?", &Wanted::default())?;
//! assert_eq!(found.passages[0].source, "museum/house.md#The house");
//! let found = library.search("so who are you", &Wanted::default())?;
//! assert_eq!(found.direct_answer.unwrap().answer, "The guide.");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cut;
mod folder;
mod library;
mod manifest;
mod pair;
mod read;
mod schema;
mod update;
mod vectors;
mod words;

pub use cut::{Cut, cut};
pub use folder::Folder;
pub use library::{DirectAnswer, Found, Library, LibraryError, Passage, Wanted};
pub use pair::{Pair, asked_words, likeness};
pub use read::{Block, Content, Kind, ReadError, read};
pub use update::{Progress, Summary, UpdateError, is_current, update};
pub use vectors::{
    Anew, Embedder, Near, Space, VectorError, VectorProgress, VectorSummary, Vectors,
    update_vectors,
};
pub use words::words;
