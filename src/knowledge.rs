//! What the personas know: their indexes, open and up to date.
//!
//! Each persona that names folders has a *shelf*. Shelves open and are brought up to date on a thread
//! of their own, so nothing waits for them; a turn that comes before its shelf is open goes without.
//! Where a provider makes vectors, shelves get them in the same way, once they are up to date.

mod embedding;
pub mod index;
mod search;
mod shelf;
mod vectors;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    thread,
};

use anima_knowledge::{Folder, Wanted};
use tracing::error;

use crate::{
    registry::{Entry, Registry},
    settings::{BreakerSettings, KnowledgeSettings, Settings},
    turn::prompt::{Persona, Prompts},
};
use embedding::{Embedding, Gate, Wish};

pub use shelf::Shelf;

/// The shelves of all personas.
#[derive(Default)]
pub struct Shelves {
    settings: KnowledgeSettings,
    by_persona: BTreeMap<String, Arc<Shelf>>,
    /// What is wanted of vectors; `None` where passages are found by their words alone.
    wish: Option<Wish>,
    gate: Arc<Gate>,
}

impl Shelves {
    /// The shelves that personas have by these settings. Those of `before` that are the same stay
    /// open. All of them are looked through for changes, in the background.
    pub fn open(settings: &Settings, prompts: &Prompts, before: Option<&Self>) -> Self {
        let mut by_persona = BTreeMap::new();
        for persona in prompts.personas().filter(|_| settings.knowledge.enabled) {
            let (folders, index) = (folders_of(persona), index_of(settings, &persona.name));
            if folders.is_empty() {
                continue;
            }
            let known = before.and_then(|before| before.by_persona.get(&persona.name));
            let shelf = match known.filter(|shelf| shelf.is_of(&index, &folders)) {
                Some(shelf) => Arc::clone(shelf),
                None => Arc::new(Shelf::new(&persona.name, index, folders)),
            };
            by_persona.insert(persona.name.clone(), shelf);
        }
        keep(by_persona.values().map(Arc::downgrade).collect());
        let gate = before.map(|before| Arc::clone(&before.gate)).unwrap_or_default();
        Self { settings: settings.knowledge.clone(), by_persona, wish: Wish::of(settings), gate }
    }

    /// Looks whether there is a provider that makes the vectors which the settings want.
    ///
    /// # Errors
    /// What is wrong with the one that they name.
    pub fn vet(&self, registry: &Registry) -> Result<(), String> {
        self.wish.as_ref().map_or(Ok(()), |wish| wish.find(registry).map(drop))
    }

    /// Lets vectors be made by the provider that the settings name, where they name one and it is
    /// there, in the background. Must be called on a runtime then.
    pub fn be_embedded(&self, registry: &Registry, breaker: BreakerSettings) {
        let found = |wish: &Wish| Some((wish.clone(), wish.find(registry).ok().flatten()?));
        let by = self.wish.as_ref().and_then(found);
        let is_same = |shelf: &Arc<Shelf>, (wish, entry): &(Wish, Entry)| {
            shelf.embedding().is_some_and(|it| it.is_by(entry) && it.wish == *wish)
        };
        if let Some(by) = &by
            && self.by_persona.values().all(|shelf| is_same(shelf, by))
        {
            return;
        }
        let gate = || Arc::clone(&self.gate);
        let by = by.map(|(wish, entry)| Embedding::new(wish, entry, gate(), breaker)).map(Arc::new);
        let shelves: Vec<_> = self.by_persona.values().collect();
        for shelf in &shelves {
            shelf.be_embedded(by.clone());
        }
        if by.is_some() {
            let shelves = shelves.into_iter().map(Arc::downgrade).collect();
            in_background(move || vectors::keep(shelves));
        }
    }

    /// What a persona knows; `None` when it names no folders.
    pub fn of(&self, persona: &str) -> Option<&Arc<Shelf>> {
        self.by_persona.get(persona)
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
    in_background(move || {
        for shelf in &shelves {
            shelf::keep(shelf);
        }
        vectors::keep(shelves);
    });
}

/// Nobody waits for the thread: what is being written when the process ends is as it was.
fn in_background(work: impl FnOnce() + Send + 'static) {
    let began = thread::Builder::new().name("knowledge".to_owned()).spawn(work);
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
