//! A socket's place in a session: what happens there is read from here, in its order.

use std::{future::pending, sync::Arc};

use tokio::sync::watch;

use super::wire::End;
use crate::session::{Attached, Entry, Read, Session};

/// A place in a session.
pub(super) struct Seat {
    pub(super) session: Session,
    pub(super) attached: Attached,
    head: watch::Receiver<u64>,
    /// The next event to read.
    next: u64,
}

impl Seat {
    /// The place that was attached to a session.
    pub(super) fn new(session: Session, attached: Attached) -> Self {
        let (head, next) = (attached.log.watch(), attached.from);
        Self { session, attached, head, next }
    }

    /// Whether a newer socket has the session.
    pub(super) fn is_lost(&self) -> bool {
        *self.attached.taken_over.borrow() != self.attached.ticket
    }

    /// Reads from `seq` on, if that is before what comes next.
    pub(super) fn go_back(&mut self, seq: u64) {
        self.next = self.next.min(seq);
    }

    /// What has happened since last time, at most `limit` events.
    ///
    /// # Errors
    /// When that has been forgotten already, or the session is somebody else's.
    pub(super) fn news(&mut self, limit: usize) -> Result<Vec<Arc<Entry>>, End> {
        if self.is_lost() {
            return Err(End::TakenOver);
        }
        self.head.mark_unchanged();
        let Read::Entries(entries) = self.attached.log.read(self.next, limit) else {
            return Err(End::Slow);
        };
        if let Some(last) = entries.last() {
            self.next = last.seq + 1;
        }
        Ok(entries)
    }

    /// Ends when something happens in the session, or a newer socket takes it over.
    pub(super) async fn changed(&mut self) {
        let ticket = self.attached.ticket;
        tokio::select! {
            // Both end only with the session's actor; then there is nothing to wait for.
            news = self.head.changed() => if news.is_err() { pending::<()>().await },
            taken = self.attached.taken_over.wait_for(|owner| *owner != ticket) => {
                if taken.is_err() {
                    drop(taken);
                    pending::<()>().await;
                }
            }
        }
    }
}
