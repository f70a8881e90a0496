//! What was heard: acknowledgements and interruptions.

use super::{Actor, within};
use crate::{
    history::{Amendment, Exchange, HistoryError},
    session::{CommandError, Told},
    turn::TurnId,
};

impl Actor {
    pub(super) async fn spoken(
        &mut self,
        turn: &TurnId,
        sentence: u32,
    ) -> Result<(), CommandError> {
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

    async fn find(&self, turn: &TurnId) -> Result<Exchange, CommandError> {
        let exchanges = match within(self.house.store().recent(&self.id, usize::MAX)).await {
            Err(HistoryError::SessionNotFound) => Vec::new(),
            exchanges => exchanges?,
        };
        exchanges
            .into_iter()
            .find(|exchange| exchange.turn == *turn)
            .ok_or(CommandError::TurnNotFound)
    }
}
