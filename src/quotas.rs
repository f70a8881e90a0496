//! What was used of the day's quotas, kept in the store: it survives a restart, and processes that share
//! a store share the quotas.
//!
//! A turn does not wait for that. Each process counts for itself and tells the store a moment later, so
//! that what is used within that moment is known to nobody else yet. While the store is away each process
//! goes on with what it knows.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::debug;

use crate::{
    access::Gate,
    history::{HistoryStore, Used},
};

/// How often the store is told.
const EVERY: Duration = Duration::from_secs(1);

/// How long the store may take for one key.
const DEADLINE: Duration = Duration::from_secs(2);

/// Tells the store again and again. Never ends.
pub async fn keep(gate: &Gate, store: &dyn HistoryStore) {
    let mut rounds = interval(EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        settle(gate, store).await;
    }
}

/// Learns what was used before, if the store tells soon.
pub async fn begin(gate: &Gate, store: &dyn HistoryStore) {
    // Without an answer the first round asks again.
    let _ = timeout(DEADLINE, settle(gate, store)).await;
}

/// Tells the store once what it does not know, and learns what others have used.
pub async fn settle(gate: &Gate, store: &dyn HistoryStore) {
    let shared = store.renewal().is_some();
    for open in gate.unsettled(shared) {
        let used = Used { turns: open.turns, tokens: open.tokens };
        match timeout(DEADLINE, store.count(open.day, open.name(), used)).await {
            Ok(Ok(sum)) => open.settle(sum.turns, sum.tokens),
            // It stays open until the next time.
            Ok(Err(error)) => debug!(%error, "The quotas of {} are kept later", open.name()),
            Err(_) => debug!("The quotas of {} are kept later", open.name()),
        }
    }
}
