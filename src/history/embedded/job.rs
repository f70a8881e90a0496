//! An operation on its way to the writer and back.

use tokio::sync::oneshot;

use super::fault::{Failure, Fault};
use super::tables::Tables;
use crate::history::HistoryError;

/// Something to be written, together with whoever waits for it.
pub(super) trait Job: Send {
    /// Does it, inside a transaction that is yet to be committed. It may be done again in another
    /// transaction, when this one is given up.
    ///
    /// # Errors
    /// When the transaction cannot be committed; a mere refusal is no error here.
    fn apply(&mut self, tables: &mut Tables<'_>) -> Result<(), Failure>;

    /// Tells the caller how it went: as decided in [`Job::apply`], or that it came to nothing.
    fn answer(self: Box<Self>, fault: Option<Fault>);
}

/// An operation with an answer of type `T`.
pub(super) struct Change<O, T> {
    operation: O,
    decided: Option<Result<T, HistoryError>>,
    caller: oneshot::Sender<Result<T, HistoryError>>,
}

impl<O, T> Change<O, T>
where
    O: Fn(&mut Tables<'_>) -> Result<T, Failure> + Send,
    T: Send,
{
    /// An operation, and where its answer will come.
    pub(super) fn new(operation: O) -> (Self, oneshot::Receiver<Result<T, HistoryError>>) {
        let (caller, answer) = oneshot::channel();
        (Self { operation, decided: None, caller }, answer)
    }
}

impl<O, T> Job for Change<O, T>
where
    O: Fn(&mut Tables<'_>) -> Result<T, Failure> + Send,
    T: Send,
{
    fn apply(&mut self, tables: &mut Tables<'_>) -> Result<(), Failure> {
        self.decided = match (self.operation)(tables) {
            Ok(value) => Some(Ok(value)),
            Err(Failure::Refused(error)) => Some(Err(error)),
            Err(failure) => return Err(failure),
        };
        Ok(())
    }

    fn answer(self: Box<Self>, fault: Option<Fault>) {
        let answer = match (fault, self.decided) {
            (None, Some(decided)) => decided,
            (None, None) => Err(Fault::Closed.into()),
            (Some(fault), _) => Err(fault.into()),
        };
        // A caller that has gone away needs no answer; what it asked for is done all the same.
        drop(self.caller.send(answer));
    }
}
