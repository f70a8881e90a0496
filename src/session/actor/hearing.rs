//! What was heard: acknowledgements and interruptions.

use super::{Actor, current::Current, within};
use crate::{
    history::{Amendment, Exchange},
    session::{CommandError, Told},
    turn::TurnId,
};

impl Actor {
    pub(super) async fn spoken(
        &mut self,
        turn: &TurnId,
        sentence: u32,
    ) -> Result<(), CommandError> {
        self.remember().await?;
        let Some(current) = self.current.as_mut().filter(|current| current.turn == *turn) else {
            // An older turn: its heard text is settled, and the acknowledgement comes too late.
            return self.find(turn).await.map(drop);
        };
        current.ledger.acknowledge(sentence);
        self.amend().await
    }

    pub(super) async fn interrupt(
        &mut self,
        turn: Option<&TurnId>,
        heard: Option<&str>,
    ) -> Result<Told, CommandError> {
        self.remember().await?;
        let Some(current) =
            self.current.as_mut().filter(|current| turn.is_none_or(|turn| current.turn == *turn))
        else {
            let turn = turn.ok_or(CommandError::TurnNotFound)?;
            let exchange = self.find(turn).await?;
            return Ok(Told { turn: turn.clone(), text: exchange.heard().to_owned() });
        };
        if let Some(heard) = heard {
            current.ledger.tell(heard);
        }
        // It may have finished long ago and still be spoken.
        self.log.cut();
        let told = Told { turn: current.turn.clone(), text: current.ledger.heard_text() };
        if current.is_running() {
            let end = current.interrupt();
            self.keep(end).await;
        } else if heard.is_some() {
            self.amend().await?;
        }
        Ok(told)
    }

    /// Writes down what was heard of a turn that has finished.
    async fn amend(&self) -> Result<(), CommandError> {
        let Some(current) = self.current.as_ref().filter(|current| current.is_finished()) else {
            return Ok(());
        };
        let Some(fence) = &current.fence else { return Ok(()) };
        let change = Amendment::Heard(current.ledger.heard());
        match within(self.house.store().amend(fence, &current.turn, &change)).await {
            // The ledger has it, and the next turn takes it along.
            Err(error) if self.house.goes_on_after(&error) => Ok(()),
            amended => Ok(amended?),
        }
    }

    /// Takes the newest turn from the store where it ended before this actor began, or at another
    /// process: what was heard of it can be told until the next one is opened.
    pub(super) async fn remember(&mut self) -> Result<(), CommandError> {
        if !self.current.as_ref().is_none_or(|current| self.may_be_outdated(current)) {
            return Ok(());
        }
        let last = match within(self.house.store().last(&self.id)).await {
            Err(error) if self.house.goes_on_after(&error) => None,
            last => last?,
        };
        let ours = self.current.as_ref().and_then(|current| current.fence.as_ref());
        if let Some((exchange, fence)) = last.filter(|(_, fence)| ours != Some(fence)) {
            self.current = Some(Current::restore(exchange, fence, self.log.next()));
        }
        Ok(())
    }

    async fn find(&self, turn: &TurnId) -> Result<Exchange, CommandError> {
        let found = within(self.house.store().exchange(&self.id, turn)).await?;
        found.ok_or(CommandError::TurnNotFound)
    }
}
