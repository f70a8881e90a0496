//! The vectors of the personas' passages, made beside everything else.

use std::{
    ops::ControlFlow,
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use anima_knowledge::{VectorError, VectorProgress, VectorSummary, Vectors, update_vectors};
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::{
    embedding::{Embedding, Passages},
    shelf::{Held, Shelf, wait},
};

/// After a failure the next try comes so many seconds later, and after each further one twice as many.
const FIRST_PAUSE: u32 = 10;

/// The longest such pause.
const LONGEST_PAUSE: u32 = 300;

/// Vectors that were read so lately are not read again, however often another process adds to them.
const FRESH: Duration = Duration::from_secs(5);

/// What a try came to.
enum Tried {
    /// Everything is as it should be, or nobody wants it any more.
    Done,
    /// Another process makes them.
    Busy,
    /// It failed, and may be tried again.
    Failed,
}

/// Makes the vectors that are missing on these shelves. One after the other; those that fail are tried
/// again until they do not, or nobody has them any more.
pub(super) fn keep(mut shelves: Vec<Weak<Shelf>>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut is_failing = false;
        shelves.retain(|shelf| match make(shelf) {
            Tried::Done => false,
            Tried::Busy => true,
            Tried::Failed => {
                is_failing = true;
                true
            }
        });
        for _ in 0..if is_failing { pause } else { 1 } {
            shelves.retain(|shelf| shelf.strong_count() > 0);
            if shelves.is_empty() {
                return;
            }
            wait();
        }
        if is_failing {
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Makes the vectors that are missing on a shelf. It ends early when nobody has the shelf any more, or
/// another one makes its vectors.
fn make(shelf: &Weak<Shelf>) -> Tried {
    let Some(kept) = shelf.upgrade() else { return Tried::Done };
    let Some(embedding) = kept.embedding() else {
        kept.hold(None);
        return Tried::Done;
    };
    let (index, making) = (kept.index().to_owned(), kept.making());
    drop(kept);
    let _turn = making.lock().unwrap_or_else(PoisonError::into_inner);
    let is_stopped = || {
        let wanted = shelf.upgrade().and_then(|kept| kept.embedding());
        wanted.is_none_or(|wanted| !Arc::ptr_eq(&wanted, &embedding))
    };
    if is_stopped() {
        return Tried::Done;
    }
    // What is there already is searched meanwhile.
    open(shelf, &embedding, false);
    let mut passages = Passages::new(&embedding, &is_stopped);
    let mut watch = |progress| {
        if let VectorProgress::Anew(why) = progress {
            info!("All vectors in {} are made anew: {}", index.display(), why.words());
        }
        if is_stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let wish = &embedding.wish;
    let outcome = update_vectors(&index, &wish.space, &mut passages, wish.most_bytes, &mut watch);
    if is_stopped() {
        return Tried::Done;
    }
    open(shelf, &embedding, true);
    match outcome {
        Ok(summary) => {
            tell(shelf, &summary);
            Tried::Done
        }
        // There is no index yet, and whoever makes it comes here afterwards.
        Err(VectorError::Missing(_)) => Tried::Done,
        Err(VectorError::Busy(_)) => Tried::Busy,
        Err(error) => {
            let error = anyhow::Error::new(error);
            warn!("Not every passage in {} has its vector: {error:#}", index.display());
            Tried::Failed
        }
    }
}

/// Takes the vectors into memory that are there, unless they are in it, or are as good as new and it
/// need not be `at_once`.
fn open(shelf: &Weak<Shelf>, embedding: &Arc<Embedding>, at_once: bool) {
    let Some(kept) = shelf.upgrade() else { return };
    let space = &embedding.wish.space;
    let will_do = |held: &Arc<Held>| {
        let is_new = !at_once && held.since.elapsed() < FRESH;
        held.space == *space && (is_new || held.vectors.is_current(kept.index()))
    };
    if kept.held().as_ref().is_some_and(will_do) {
        return;
    }
    match Vectors::open(kept.index(), space) {
        Ok(vectors) => kept.hold(vectors.map(|it| Held::new(it, space.clone()))),
        Err(error) => {
            let (error, persona) = (anyhow::Error::new(error), kept.persona());
            warn!("The vectors of what {persona} knows cannot be opened: {error:#}");
        }
    }
    let count = kept.held().map_or(0, |held| held.vectors.count());
    #[expect(clippy::cast_precision_loss, reason = "a gauge needs no more precision")]
    metrics::gauge!("anima_knowledge_vectors", "persona" => kept.persona().to_owned())
        .set(count as f64);
}

/// Reads vectors that another process made, beside everything else.
pub(super) fn look_again(shelf: &Arc<Shelf>, embedding: Arc<Embedding>) {
    if shelf.is_reading(true) {
        return;
    }
    let weak = Arc::downgrade(shelf);
    // Nobody waits for it: the next question searches what there is by then.
    spawn_blocking(move || {
        open(&weak, &embedding, false);
        if let Some(shelf) = weak.upgrade() {
            shelf.is_reading(false);
        }
    });
}

fn tell(shelf: &Weak<Shelf>, summary: &VectorSummary) {
    let Some(kept) = shelf.upgrade() else { return };
    let (persona, vectors) = (kept.persona(), summary.vectors());
    let VectorSummary { embedded, removed, damaged, refused, left_out, .. } = *summary;
    info!(
        persona,
        vectors,
        embedded,
        removed,
        damaged,
        refused,
        left_out,
        "{vectors} passages that {persona} knows have vectors; {embedded} were made now"
    );
    if left_out > 0 {
        warn!(
            persona,
            left_out,
            "{left_out} passages that {persona} knows have no vectors: knowledge.vectors_mib holds no more"
        );
    }
}
