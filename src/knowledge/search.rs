//! What there is on what a person said: by its words, and by its vector where there are vectors.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use anima_knowledge::{Found, Library, LibraryError, VectorError, Wanted};
use futures::future::{Either, select};
use tokio::{task::spawn_blocking, time::timeout};
use tracing::warn;

use super::{
    embedding::{Embedding, count},
    shelf::{Held, Shelf},
    vectors::look_again,
};

/// How long a turn waits for a search at most: a disk that does not answer costs no answer.
const DEADLINE: Duration = Duration::from_millis(250);

/// So many times more passages than wanted does each search give, of which the best by both are taken.
const DEPTH: usize = 3;

impl Shelf {
    /// What there is on what a person said; `None` when the shelf is not open yet or cannot be
    /// searched, which is logged.
    ///
    /// Where there are vectors the question's own is made while the words are looked for. A fixed
    /// answer waits for none, and when none comes in time the passages with the words stand.
    pub async fn search(self: &Arc<Self>, said: &str, wanted: Wanted) -> Option<Found> {
        let library = self.library()?;
        let began = Instant::now();
        let found = match self.meanings().filter(|_| wanted.passages > 0) {
            Some((embedding, held)) => self.by_both(said, wanted, library, (embedding, held)).await,
            None => self.by_words(said, wanted, library).await,
        };
        metrics::histogram!("anima_retrieval_seconds").record(began.elapsed().as_secs_f64());
        found
    }

    async fn by_words(&self, said: &str, wanted: Wanted, library: Arc<Library>) -> Option<Found> {
        let said = said.to_owned();
        self.look(move || library.search(&said, &wanted)).await
    }

    async fn by_both(
        self: &Arc<Self>,
        said: &str,
        wanted: Wanted,
        library: Arc<Library>,
        (embedding, held): (Arc<Embedding>, Arc<Held>),
    ) -> Option<Found> {
        let deep = Wanted { passages: wanted.passages * DEPTH, ..wanted };
        let words = pin!(self.by_words(said, deep, Arc::clone(&library)));
        let question = pin!(embedding.question(said));
        let is_answered = |found: &Option<Found>| {
            found.as_ref().is_some_and(|found| found.direct_answer.is_some())
        };
        let (found, vector) = match select(words, question).await {
            Either::Left((found, _)) if is_answered(&found) => return found,
            Either::Left((found, question)) => (found, question.await),
            Either::Right((vector, words)) => (words.await, vector),
        };
        let mut found = found?;
        let Some(vector) = vector else {
            found.passages.truncate(wanted.passages);
            return Some(found);
        };
        let (least, most) = (embedding.wish.least_similarity, wanted.passages);
        let index = self.index().to_owned();
        let fuse = move || {
            let is_current = held.vectors.is_current(&index);
            let found = match held.vectors.nearest(&vector, deep.passages, least) {
                Ok(near) => {
                    count("used");
                    library.fuse(found, &near, most)?
                }
                Err(error) => {
                    held.does_not_fit(&error);
                    found.passages.truncate(most);
                    found
                }
            };
            Ok((found, is_current))
        };
        let (found, is_current) = self.look(fuse).await?;
        if !is_current {
            look_again(self, Arc::clone(&embedding));
        }
        Some(found)
    }

    /// Looks something up where that may block.
    async fn look<T: Send + 'static>(
        &self,
        search: impl FnOnce() -> Result<T, LibraryError> + Send + 'static,
    ) -> Option<T> {
        let persona = self.persona();
        match timeout(DEADLINE, spawn_blocking(search)).await {
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
        }
    }
}

impl Held {
    /// Notes that questions have other vectors than passages, which is told once.
    fn does_not_fit(&self, error: &VectorError) {
        count("length");
        if !self.is_told() {
            warn!(%error, "Passages are found by their words alone until their vectors are made anew: {error}");
        }
    }
}
