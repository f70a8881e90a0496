//! Whose turn it is, where several processes share a store.
//!
//! A running turn is renewed now and then. When a turn of the session has begun at another process
//! meanwhile, ours has been settled there, and nothing that we know of it counts any more: it ends
//! as one that the person interrupted.

use tokio::time::Instant;
use tracing::{debug, info};

use super::{Actor, current::Current, within};
use crate::{
    history::{Exchange, ExchangeState, HistoryError, Opened},
    turn::{Turn, TurnEvent},
};

/// How many exchanges more than wanted are read, since some of them may never have been answered.
const SPARE: usize = 8;

impl Actor {
    /// When the running turn has to be renewed, if it has to be.
    pub(super) fn renewal_due(&self) -> Option<Instant> {
        let period = self.house.store().renewal()?;
        let current = self.current.as_ref().filter(|current| current.is_running())?;
        current.fence.as_ref().map(|_| current.renewed + period)
    }

    /// Whether a later turn than this one may have begun elsewhere without our knowing.
    pub(super) fn may_be_outdated(&self, current: &Current) -> bool {
        self.house.shares_store() && !current.is_running() && current.is_kept()
    }

    /// Says that the running turn is still being answered.
    pub(super) async fn renew(&mut self) {
        let Some(current) = &mut self.current else { return };
        let Some(fence) = &current.fence else { return };
        current.renewed = Instant::now();
        match within(self.house.store().renew(fence)).await {
            Ok(()) => {}
            Err(error) if is_superseded(&error) => {
                let end = current.supersede();
                self.tell_end(end);
            }
            // It goes on; if this lasts, another process may take the turn.
            Err(error) => debug!(error = %error, "Turn {} could not be renewed", current.turn),
        }
    }

    /// The earlier exchanges that a turn is shown. The store was asked for `asked_for` of them, by
    /// the settings as they were known here.
    pub(super) async fn shown(
        &self,
        turn: &Turn,
        opened: &Opened,
        asked_for: usize,
    ) -> Vec<Exchange> {
        let shown = self.house.conversation().turns_shown(turn, &opened.settings);
        let shown = shown.unwrap_or(asked_for);
        let mut recent = opened.recent.clone();
        if shown > asked_for {
            let wanted = within(self.house.store().recent(&self.id, shown + SPARE)).await;
            recent = wanted.unwrap_or(recent);
            recent.retain(|exchange| {
                exchange.position < opened.position && exchange.state == ExchangeState::Finished
            });
        }
        recent.drain(..recent.len().saturating_sub(shown));
        recent
    }
}

impl Current {
    /// Another process has settled it.
    pub(super) fn supersede(&mut self) -> TurnEvent {
        info!(turn.id = %self.turn, "Turn {} was ended by a later one at another process", self.turn);
        self.fence = None;
        self.interrupt()
    }
}

/// Whether the store says that a turn is not ours any more.
pub(super) fn is_superseded(error: &HistoryError) -> bool {
    matches!(
        error,
        HistoryError::Fenced | HistoryError::TurnNotFound | HistoryError::SessionNotFound
    )
}
