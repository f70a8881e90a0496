//! Waits for files to change.

use std::{
    collections::BTreeSet,
    future::pending,
    mem,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tracing::warn;

/// How long nothing may happen until a change counts as whole: editors and deployments write a file
/// in several steps.
const QUIET: Duration = Duration::from_millis(200);

/// How long a change may go on until it is looked at anyway.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where something that matters may change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// Folders in which every file matters.
    pub(super) folders: BTreeSet<PathBuf>,
    /// Files that matter alone, such as a key; beside them others may change all the time.
    pub(super) files: BTreeSet<PathBuf>,
}

impl Places {
    /// The folders to watch. Folders and not files are watched: what replaces a file is another file.
    fn watched(&self) -> BTreeSet<PathBuf> {
        let beside = self.files.iter().filter_map(|file| file.parent()).map(Path::to_owned);
        self.folders.iter().cloned().chain(beside).collect()
    }

    /// Whether a change of this path matters. Clusters exchange files behind links whose names begin
    /// with two dots.
    fn hold(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("..")
            || self.files.contains(path)
            || self.folders.contains(path)
            || path.parent().is_some_and(|folder| self.folders.contains(folder))
    }
}

/// Tells when something changes in the places it looks at.
pub(super) struct Watch {
    watcher: Option<RecommendedWatcher>,
    places: Arc<Mutex<Places>>,
    changes: mpsc::Receiver<()>,
}

impl Watch {
    pub(super) fn new() -> Self {
        // One change that waits says as much as many.
        let (sender, changes) = mpsc::channel(1);
        let places: Arc<Mutex<Places>> = Arc::default();
        let known = Arc::clone(&places);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let matters = event.is_ok_and(|event| {
                let places = known.lock().unwrap_or_else(PoisonError::into_inner);
                is_change(event.kind) && event.paths.iter().any(|path| places.hold(path))
            });
            if matters {
                let _ = sender.try_send(());
            }
        });
        let watcher = watcher
            .inspect_err(|error| {
                warn!(%error, "Changed files are not noticed; reload by a signal or a call");
            })
            .ok();
        Self { watcher, places, changes }
    }

    /// Looks at these places and at no others. `true` when it did not look at all of them before.
    pub(super) fn look_at(&mut self, places: &Places) -> bool {
        let Some(watcher) = &mut self.watcher else { return false };
        // Exchanged first and not held: the watcher's own thread asks for them, and we ask for it.
        let mut known = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let before = mem::replace(&mut *known, places.clone());
        drop(known);
        let (looked_at, wanted) = (before.watched(), places.watched());
        for folder in looked_at.difference(&wanted) {
            // One that is gone is watched no more anyway.
            let _ = watcher.unwatch(folder);
        }
        // Each of them anew: one of the same name may have come in its place.
        for folder in &wanted {
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                let folder = Path::display(folder);
                warn!(%error, "Changes in {folder} are not noticed; reload by a signal or a call");
            }
        }
        !wanted.is_subset(&looked_at) || !places.files.is_subset(&before.files)
    }

    /// Waits for a change, and until it is whole.
    pub(super) async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            pending::<()>().await;
        }
        let latest = Instant::now() + PATIENCE;
        loop {
            let quiet = (Instant::now() + QUIET).min(latest);
            match timeout_at(quiet, self.changes.recv()).await {
                Ok(Some(())) if Instant::now() < latest => {}
                _ => return,
            }
        }
    }
}

/// Whether an event changes what a file says. Reading it, which a reload does, is none.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}
