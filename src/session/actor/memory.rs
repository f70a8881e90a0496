//! Going on without the store, where the configuration wants that: turns are answered from what is
//! in memory, are told not to be durable, and are not kept.

use tracing::warn;

use super::{Actor, current::Current, turns::Incoming};
use crate::{
    history::{HistoryError, NewTurn, Replaces},
    session::{CommandError, Replayed, Submitted},
    turn::{Earlier, Task},
};

impl Actor {
    /// What is to be done with a turn that the store knows nothing of, and we do: it was taken
    /// without the store.
    pub(super) fn taken_before(&self, new: &NewTurn) -> Option<Result<Submitted, CommandError>> {
        let current = self.current.as_ref().filter(|current| current.turn == new.id)?;
        if current.is_durable() {
            return None;
        }
        if !current.is_for(new) {
            return Some(Err(CommandError::TurnIdConflict));
        }
        if current.is_running() {
            let from = current.accepted;
            return Some(Ok(Submitted { from, replayed: Replayed::Joined }));
        }
        let answer = current.is_finished().then(|| current.answer.clone())?;
        Some(Ok(self.replay(&new.id, answer, current.ledger.heard(), false)))
    }

    /// Takes a turn that the store could not keep.
    ///
    /// # Errors
    /// The store's, where it is needed all the same: only it knows what the last exchange was.
    pub(super) async fn go_on(
        &mut self,
        incoming: Incoming,
        new: NewTurn,
        error: HistoryError,
    ) -> Result<Submitted, CommandError> {
        if new.replaces == Replaces::Last {
            return Err(error.into());
        }
        warn!(error = %error, "Turn {} is answered without being kept", new.id);
        let mut earlier = std::mem::take(&mut self.earlier);
        let before = self.current.as_ref();
        earlier.extend(before.and_then(|before| before.as_earlier(incoming.heard.as_deref())));
        earlier.drain(..earlier.len().saturating_sub(new.recent));
        self.earlier = earlier;
        Ok(self.start(incoming, &new.options, None).await)
    }
}

impl Current {
    /// How it is shown to a later turn, if it was answered.
    fn as_earlier(&self, heard: Option<&str>) -> Option<Earlier> {
        let said = match &self.task {
            Task::Answer { said, .. } => said.as_str().to_owned(),
            Task::Speak { .. } => String::new(),
        };
        let answered = self.is_running() || self.is_finished();
        answered.then(|| Earlier {
            said,
            heard: self.heard_by_now(heard).heard_text(),
            emotion: self.answer.sentences.first().map(|sentence| sentence.emotion),
        })
    }

    /// Whether `new` asks for the same.
    fn is_for(&self, new: &NewTurn) -> bool {
        new.task.as_ref() == Some(&self.task) && new.options == self.options
    }
}
