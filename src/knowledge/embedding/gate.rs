//! How whoever makes the vectors of questions is doing, from turn to turn.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anima_provider::ProviderError;
use tracing::{info, warn};

use crate::{
    registry::health::{Health, Pass},
    turn::TurnError,
};

/// Whoever is too slow or down again and again is left alone for a while, so that turns need not wait;
/// apart from how it does with turns, and across reloads.
pub(in crate::knowledge) struct Gate {
    pub(super) health: Arc<Health>,
    /// Whether it was told that it fails.
    failing: AtomicBool,
}

impl Default for Gate {
    fn default() -> Self {
        let health = Arc::new(Health::new("knowledge:embedder", "knowledge", None));
        Self { health, failing: AtomicBool::new(false) }
    }
}

impl Gate {
    /// It made a vector. After failures that is told once.
    pub(super) fn works(&self, name: &str) {
        if self.failing.swap(false, Ordering::Relaxed) {
            info!(provider.name = name, "{name} makes vectors of what is said again");
        }
    }

    /// It made none, which is told once.
    pub(super) fn fails(&self, name: &str, error: &ProviderError, pass: &mut Pass) {
        let told = TurnError::from_provider(name, error);
        pass.failed(error, told.loggable());
        if !self.failing.swap(true, Ordering::Relaxed) {
            let error = told.loggable();
            warn!(
                provider.name = name,
                error,
                "{name} made no vector of what was said; passages are found by their words alone: {error}"
            );
        }
    }
}
