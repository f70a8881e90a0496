//! What the personas know: their indexes, open and up to date.
//!
//! Each persona that names folders has a *shelf*. Shelves open and are brought up to date on a thread
//! of their own, so nothing waits for them; a turn that comes before its shelf is open goes without.

pub mod index;
mod shelf;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    thread,
};

use anima_knowledge::{Folder, Wanted};
use tracing::error;

use crate::{
    settings::{KnowledgeSettings, Settings},
    turn::prompt::{Persona, Prompts},
};

pub use shelf::Shelf;

/// The shelves of all personas.
#[derive(Default)]
pub struct Shelves {
    settings: KnowledgeSettings,
    shelves: BTreeMap<String, Arc<Shelf>>,
}

impl Shelves {
    /// The shelves that personas have by these settings. Those of `before` that are the same stay
    /// open. All of them are looked through for changes, in the background.
    pub fn open(settings: &Settings, prompts: &Prompts, before: Option<&Self>) -> Self {
        let mut shelves = BTreeMap::new();
        for persona in prompts.personas().filter(|_| settings.knowledge.enabled) {
            let (folders, index) = (folders_of(persona), index_of(settings, &persona.name));
            if folders.is_empty() {
                continue;
            }
            let known = before.and_then(|before| before.shelves.get(&persona.name));
            let shelf = match known.filter(|shelf| shelf.is_of(&index, &folders)) {
                Some(shelf) => Arc::clone(shelf),
                None => Arc::new(Shelf::new(&persona.name, index, folders)),
            };
            shelves.insert(persona.name.clone(), shelf);
        }
        keep(shelves.values().map(Arc::downgrade).collect());
        Self { settings: settings.knowledge.clone(), shelves }
    }

    /// What a persona knows; `None` when it names no folders.
    pub fn of(&self, persona: &str) -> Option<&Arc<Shelf>> {
        self.shelves.get(persona)
    }

    /// What is looked for, with a fixed answer or without.
    pub fn wanted(&self, direct_answer: bool) -> Wanted {
        Wanted {
            passages: self.settings.passages,
            least_coverage: self.settings.least_coverage,
            direct_answer: direct_answer.then_some(self.settings.least_likeness),
        }
    }

    /// Most characters of the passages of a turn together.
    pub fn characters(&self) -> usize {
        self.settings.characters
    }
}

/// Opens shelves one after the other and brings them up to date. Those that nobody has any more are
/// left as they are.
fn keep(shelves: Vec<Weak<Shelf>>) {
    if shelves.is_empty() {
        return;
    }
    // Nobody waits for the thread: an index that is being written when the process ends is as it was.
    let began = thread::Builder::new().name("knowledge".to_owned()).spawn(move || {
        for shelf in shelves {
            shelf::keep(&shelf);
        }
    });
    if let Err(error) = began {
        error!(%error, "No thread for the personas' knowledge: {error}");
    }
}

/// The folders of a persona.
fn folders_of(persona: &Persona) -> Vec<Folder> {
    Folder::named(&persona.knowledge)
}

/// Where the index of a persona is.
fn index_of(settings: &Settings, persona: &str) -> PathBuf {
    let data: &Path = &settings.history.data;
    settings.resolve(data).join(&settings.knowledge.index).join(persona)
}
