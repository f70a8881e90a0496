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
    history::{Addition, HistoryStore, Used},
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
        let addition = Addition { by: open.by, number: open.number, used };
        match timeout(DEADLINE, store.count(open.day, open.name(), addition)).await {
            Ok(Ok(sum)) => open.settle(sum.turns, sum.tokens),
            // It stays open until the next time, when the same is told again: it may have been counted.
            Ok(Err(error)) => debug!(%error, "The quotas of {} are kept later", open.name()),
            Err(_) => debug!("The quotas of {} are kept later", open.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, pin::pin};

    use futures::poll;

    use super::*;
    use crate::{
        history::embedded::{EmbeddedOptions, EmbeddedStore},
        settings::{Overrides, Settings},
    };

    const KEY: &str = "0123456789abcdef";

    #[tokio::test]
    async fn what_the_store_wrote_and_did_not_say_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/base.toml");
        fs::copy(base, folder.path().join("base.toml")).unwrap();
        fs::write(folder.path().join("key"), KEY).unwrap();
        let key = folder.path().join("key");
        let keys = format!("[keys.kiosk]\nkey_file = {key:?}\nlimits = {{ turns_per_day = 9 }}\n");
        fs::write(folder.path().join("test.toml"), keys).unwrap();
        let settings = Settings::load(folder.path(), "test", &Overrides::default()).unwrap();
        let gate = Gate::new(&settings).unwrap();
        let path = folder.path().join("history.redb");
        let store = EmbeddedStore::open(&path, EmbeddedOptions::default()).unwrap();

        let caller = gate.caller(Some(KEY), None).unwrap();
        let running = caller.take_turn().unwrap().begin().unwrap();
        running.spend();
        running.charge(7);
        // The store is told, and nobody waits for what it says.
        assert!(poll!(pin!(settle(&gate, &store))).is_pending());
        running.charge(5);
        settle(&gate, &store).await;
        settle(&gate, &store).await;

        let open = gate.unsettled(true);
        let nothing = Addition { by: 0, number: 0, used: Used::default() };
        let sum = store.count(open[0].day, "kiosk", nothing).await.unwrap();
        assert_eq!(sum, Used { turns: 1, tokens: 12 });
    }
}
