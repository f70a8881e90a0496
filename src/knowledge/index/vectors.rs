//! The vectors that `anima index` has made.

use std::{ops::ControlFlow, path::Path, sync::Arc};

use anima_knowledge::{VectorError, VectorProgress, VectorSummary, update_vectors};
use anyhow::{anyhow, bail};

use super::Screen;
use crate::{
    knowledge::embedding::{Embedding, Gate, Passages, Wish},
    registry::Registry,
    settings::Settings,
};

/// Who makes vectors, with no other provider loaded; `None` where the settings want none.
///
/// # Errors
/// When the provider that they name is not there, cannot be made ready, or makes none.
pub(super) async fn embedding(settings: &Settings) -> anyhow::Result<Option<Embedding>> {
    let Some(wish) = Wish::of(settings) else { return Ok(None) };
    let name = wish.space.embedder.clone();
    let mut alone = settings.clone();
    alone.providers.retain(|known, _| *known == name);
    alone.turn.fallback.clear();
    alone.turn.provider = name;
    let registry = Registry::load(&alone).await?;
    let Some(entry) = wish.find(&registry).map_err(|error| anyhow!(error))? else {
        bail!("knowledge.embedder: {} is not there", wish.provider);
    };
    let breaker = settings.turn.asking().breaker;
    Ok(Some(Embedding::new(wish, entry, Arc::<Gate>::default(), breaker)))
}

/// Has the vectors made that are missing.
///
/// # Errors
/// When that fails; what was made is kept.
pub(super) fn make(
    screen: &mut Screen,
    index: &Path,
    embedding: &Embedding,
    is_stopped: &(dyn Fn() -> bool + Sync),
) -> Result<VectorSummary, VectorError> {
    let wish = &embedding.wish;
    let mut passages = Passages::new(embedding, is_stopped);
    let mut watch = |progress| {
        match progress {
            VectorProgress::Anew(why) => {
                screen.line(&format!("  all vectors are made anew: {}", why.words()));
            }
            VectorProgress::Found { missing } => {
                screen.begin(missing);
                screen.bar.set_message(format!("vectors by {}", wish.provider));
            }
            VectorProgress::Embedded { passages } => screen.go_on(passages, "vectors"),
            VectorProgress::Failed => {}
        }
        if is_stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    update_vectors(index, &wish.space, &mut passages, wish.most_bytes, &mut watch)
}

/// What was done, in a line.
pub(super) fn told(summary: &VectorSummary) -> String {
    let VectorSummary { embedded, kept, removed, refused, left_out, damaged, dimension, .. } =
        *summary;
    let all = format!(
        "{embedded} vectors of {dimension} numbers made, {kept} kept, {removed} of passages that are gone"
    );
    let further = [
        (damaged, "were damaged"),
        (refused, "passages were not taken by the embedder"),
        (left_out, "passages have none: knowledge.vectors_mib holds no more"),
    ];
    let further = further.into_iter().filter(|(count, _)| *count > 0);
    further.fold(all, |told, (count, what)| format!("{told}; {count} {what}"))
}
