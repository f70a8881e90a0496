//! What one persona knows.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use anima_knowledge::{
    Folder, Found, Library, LibraryError, Progress, Summary, UpdateError, Wanted, is_current,
    update,
};
use arc_swap::ArcSwapOption;
use tokio::{task::spawn_blocking, time::timeout};
use tracing::{info, warn};

/// How long a turn waits for a search at most: a disk that does not answer costs no answer.
const DEADLINE: Duration = Duration::from_millis(250);

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
}

impl Shelf {
    /// A shelf that is not open yet.
    pub(super) fn new(persona: &str, index: PathBuf, folders: Vec<Folder>) -> Self {
        let (library, keeping) = (ArcSwapOption::empty(), Mutex::default());
        Self { persona: persona.to_owned(), index, folders, library, keeping }
    }

    /// Whether this is the shelf of these folders.
    pub(super) fn is_of(&self, index: &Path, folders: &[Folder]) -> bool {
        self.index == index && self.folders == folders
    }

    /// What there is on what a person said; `None` when the shelf is not open yet or cannot be
    /// searched, which is logged.
    pub async fn search(&self, said: &str, wanted: Wanted) -> Option<Found> {
        let library = self.library.load_full()?;
        let (began, said) = (Instant::now(), said.to_owned());
        let search = spawn_blocking(move || library.search(&said, &wanted));
        let persona = self.persona.as_str();
        let found = match timeout(DEADLINE, search).await {
            Ok(Ok(Ok(found))) => Some(found),
            Ok(Ok(Err(error))) => {
                warn!(%error, persona, "The knowledge of {persona} cannot be searched: {error}");
                None
            }
            Ok(Err(error)) => {
                warn!(%error, persona, "The search in the knowledge of {persona} failed");
                None
            }
            Err(_) => {
                warn!(persona, "The knowledge of {persona} was not searched in {DEADLINE:?}");
                None
            }
        };
        metrics::histogram!("anima_retrieval_seconds").record(began.elapsed().as_secs_f64());
        found
    }

    /// Opens the index, or sees what is new in it; `false` when there is none.
    fn look(&self) -> bool {
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
    let is_open = kept.look();
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
                if kept.look() {
                    kept.tell(&summary);
                }
                return;
            }
            Err(UpdateError::Busy(_)) => {
                let _ = kept.look();
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
fn wait() {
    thread::sleep(BUSY);
}
