//! What one persona knows.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anima_knowledge::{
    Folder, Library, LibraryError, Progress, Space, Summary, UpdateError, Vectors, is_current,
    update,
};
use arc_swap::ArcSwapOption;
use tracing::{info, warn};

use super::embedding::Embedding;

/// How long to wait until an index that another process writes is looked at again.
const BUSY: Duration = Duration::from_secs(1);

/// More notes on files than these are not logged one by one.
const MOST_NOTES: usize = 20;

/// The index of one persona.
pub struct Shelf {
    persona: String,
    index: PathBuf,
    folders: Vec<Folder>,
    library: ArcSwapOption<Library>,
    /// Held while it is brought up to date.
    keeping: Mutex<()>,
    /// Who makes vectors; `None` where passages are found by their words alone.
    embedding: ArcSwapOption<Embedding>,
    held: ArcSwapOption<Held>,
    /// Held while vectors are made.
    making: Arc<Mutex<()>>,
    /// Whether vectors are being read that another process made.
    reading: AtomicBool,
}

/// Vectors in memory, and whose they are.
pub(super) struct Held {
    pub(super) vectors: Vectors,
    /// What they are of.
    pub(super) space: Space,
    /// When they were read.
    pub(super) since: Instant,
    /// Whether it was told that they do not fit.
    told: AtomicBool,
}

impl Held {
    pub(super) fn new(vectors: Vectors, space: Space) -> Self {
        Self { vectors, space, since: Instant::now(), told: AtomicBool::new(false) }
    }

    /// Whether it was told already that they do not fit; it is from now on.
    pub(super) fn is_told(&self) -> bool {
        self.told.swap(true, Ordering::Relaxed)
    }
}

impl Shelf {
    /// A shelf that is not open yet.
    pub(super) fn new(persona: &str, index: PathBuf, folders: Vec<Folder>) -> Self {
        Self {
            persona: persona.to_owned(),
            index,
            folders,
            library: ArcSwapOption::empty(),
            keeping: Mutex::default(),
            embedding: ArcSwapOption::empty(),
            held: ArcSwapOption::empty(),
            making: Arc::default(),
            reading: AtomicBool::new(false),
        }
    }

    /// Whether this is the shelf of these folders.
    pub(super) fn is_of(&self, index: &Path, folders: &[Folder]) -> bool {
        self.index == index && self.folders == folders
    }

    /// Whose it is.
    pub(super) fn persona(&self) -> &str {
        &self.persona
    }

    /// Where its index is.
    pub(super) fn index(&self) -> &Path {
        &self.index
    }

    /// The index, once it is open.
    pub(super) fn library(&self) -> Option<Arc<Library>> {
        self.library.load_full()
    }

    /// Lets vectors be made by somebody, or by nobody.
    pub(super) fn be_embedded(&self, embedding: Option<Arc<Embedding>>) {
        if embedding.is_none() {
            self.hold(None);
        }
        self.embedding.store(embedding);
    }

    /// Who makes vectors.
    pub(super) fn embedding(&self) -> Option<Arc<Embedding>> {
        self.embedding.load_full()
    }

    /// The vectors in memory.
    pub(super) fn held(&self) -> Option<Arc<Held>> {
        self.held.load_full()
    }

    /// Takes vectors into memory, or lets go of those that are there.
    pub(super) fn hold(&self, held: Option<Held>) {
        self.held.store(held.map(Arc::new));
    }

    /// Who makes vectors, with those that it made; `None` where there are none of them.
    pub(super) fn meanings(&self) -> Option<(Arc<Embedding>, Arc<Held>)> {
        let (embedding, held) = (self.embedding()?, self.held()?);
        (held.space == embedding.wish.space).then_some((embedding, held))
    }

    /// What is held while vectors are made.
    pub(super) fn making(&self) -> Arc<Mutex<()>> {
        Arc::clone(&self.making)
    }

    /// Notes that vectors are being read, or not any more; gives what was before.
    pub(super) fn is_reading(&self, now: bool) -> bool {
        self.reading.swap(now, Ordering::Relaxed)
    }

    /// Opens the index, or sees what is new in it; `false` when there is none.
    fn open(&self) -> bool {
        let looked = match &*self.library.load() {
            Some(library) => library.refresh(),
            None => Library::open(&self.index).map(|it| self.library.store(Some(Arc::new(it)))),
        };
        match looked {
            Ok(()) => true,
            Err(LibraryError::Missing(_)) => false,
            Err(error) => {
                let (error, persona) = (anyhow::Error::new(error), self.persona.as_str());
                warn!("The knowledge of {persona} cannot be opened: {error:#}");
                false
            }
        }
    }

    fn tell(&self, summary: &Summary) {
        let persona = self.persona.as_str();
        let Summary { passages, pairs, read, removed, failed, .. } = *summary;
        #[expect(clippy::cast_precision_loss, reason = "a gauge needs no more precision")]
        metrics::gauge!("anima_knowledge_passages", "persona" => persona.to_owned())
            .set((passages + pairs) as f64);
        info!(
            persona,
            passages,
            pairs,
            read,
            removed,
            failed,
            "{persona} knows {passages} passages and {pairs} fixed answers; {read} files were read now"
        );
    }
}

/// Opens a shelf and brings it up to date. An update ends early when nobody has the shelf any more.
pub(super) fn keep(shelf: &Weak<Shelf>) {
    let Some(kept) = shelf.upgrade() else { return };
    let (persona, index, folders) =
        (kept.persona.clone(), kept.index.clone(), kept.folders.clone());
    let keeping = kept.keeping.lock().unwrap_or_else(PoisonError::into_inner);
    let is_open = kept.open();
    if is_open && is_current(&index, &folders) {
        return;
    }
    drop(keeping);
    drop(kept);
    let mut notes = 0;
    let mut watch = |progress: Progress<'_>| {
        if let Progress::Note { document, why } = progress {
            notes += 1;
            if notes <= MOST_NOTES {
                warn!(persona, document, "{document} of the knowledge of {persona}: {why}");
            }
        }
        if shelf.strong_count() == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    loop {
        let outcome = update(&index, &folders, &mut watch);
        let Some(kept) = shelf.upgrade() else { return };
        match outcome {
            Ok(summary) => {
                if kept.open() {
                    kept.tell(&summary);
                }
                return;
            }
            Err(UpdateError::Busy(_)) => {
                let _ = kept.open();
                drop(kept);
                wait();
            }
            Err(error) => {
                let error = anyhow::Error::new(error);
                warn!("The knowledge of {persona} is not up to date: {error:#}");
                return;
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the thread has nothing else to do")]
pub(super) fn wait() {
    thread::sleep(BUSY);
}
