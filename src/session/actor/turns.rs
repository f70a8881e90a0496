//! Taking turns: a new one, the same one again, and the end of one.

use anima_provider::LaneId;
use serde_json::json;
use tracing::error;

use super::{
    Actor,
    current::{Current, note_interruption},
    within,
};
use crate::{
    history::{Begun, Exchange, HistoryError, NewTurn, Opened, Replaces, Settlement},
    session::{CommandError, Playback, Replayed, Submission, Submitted, directory::Phase},
    turn::{Turn, TurnError, TurnErrorCode, TurnEvent, TurnId, pipeline::Job},
};

impl Actor {
    pub(super) async fn submit(
        &mut self,
        submission: Submission,
    ) -> Result<Submitted, CommandError> {
        if *self.phase.borrow() != Phase::Open {
            return Err(CommandError::ShuttingDown);
        }
        let Submission { turn, replaces, heard } = submission;
        if self.owner.receiver_count() == 0 {
            // Whoever acknowledged playback has gone, and nobody else does.
            self.playback = Playback::None;
        }
        let conversation = self.house.conversation();
        conversation.vet(&turn, &self.settings)?;
        let same = self.current.as_ref().filter(|current| current.turn == turn.id);
        let running_from =
            same.filter(|current| current.is_running()).map(|current| current.accepted);
        let new = NewTurn {
            id: turn.id.clone(),
            task: (replaces == Replaces::Nothing).then(|| turn.task.clone()),
            options: options(&turn),
            replaces,
            settles: self.current.as_ref().map(|current| current.settlement(heard.as_deref())),
            recent: conversation.turns_shown(&turn, &self.settings)?,
            settings: self.settings.clone(),
            running_here: running_from.is_some(),
        };
        match within(self.house.store().begin(&self.id, &new)).await? {
            Begun::New(opened) => Ok(self.open(turn, *opened, new.settles).await),
            Begun::Replay(exchange) => Ok(self.tell_again(&turn.id, *exchange)),
            Begun::Running => match running_from {
                Some(from) => Ok(Submitted { from, replayed: Replayed::Joined }),
                // The store says that we answer it, and we do not: it opens again when asked again.
                None => Err(HistoryError::Unavailable("the turn was lost".into()).into()),
            },
            Begun::Elsewhere { wait } => Err(CommandError::RunningElsewhere { wait }),
            Begun::Conflict => Err(CommandError::TurnIdConflict),
            Begun::NothingToReplace => Err(CommandError::NothingToRegenerate),
        }
    }

    /// Ends the turn before in the log, as the store has already settled it, and starts the new one.
    async fn open(
        &mut self,
        mut turn: Turn,
        opened: Opened,
        settled: Option<Settlement>,
    ) -> Submitted {
        if let Some(before) = self.current.take() {
            // It leaves its place in the provider's queue before the new turn asks for one.
            before.stop().await;
        }
        if let Some(Settlement { turn, running: Some(answer), .. }) = settled
            && let Some(outcome) = answer.outcome
        {
            note_interruption(&turn);
            self.log.append(&turn, TurnEvent::Finished(outcome));
        }
        let accepted =
            self.log.append(&turn.id, TurnEvent::Accepted { replay: false, durable: true });
        self.log.pin(Some(accepted));
        turn.task = opened.task;
        let supplied = turn.context.supplied.clone();
        let earlier =
            supplied.unwrap_or_else(|| opened.recent.iter().map(Exchange::as_earlier).collect());
        let id = turn.id.clone();
        let stream = self.house.conversation().run(Job {
            turn,
            earlier,
            settings: self.settings.clone(),
            lane: LaneId(self.id.to_string()),
        });
        self.current = Some(Current::new(id, opened.fence, self.playback, stream, accepted));
        Submitted { from: accepted, replayed: Replayed::No }
    }

    /// Tells a stored answer again, under the id that was asked for.
    fn tell_again(&self, id: &TurnId, exchange: Exchange) -> Submitted {
        let from = self.log.append(id, TurnEvent::Accepted { replay: true, durable: true });
        for sentence in exchange.answer.sentences {
            let index = sentence.index;
            self.log.append(id, TurnEvent::Sentence(sentence));
            for verdict in
                exchange.answer.verdicts.iter().filter(|verdict| verdict.sentence == Some(index))
            {
                self.log.append(id, TurnEvent::Verdict(verdict.clone()));
            }
        }
        let end = match exchange.answer.outcome {
            Some(mut outcome) => {
                outcome.heard = exchange.heard;
                TurnEvent::Finished(outcome)
            }
            None => TurnEvent::Failed(TurnError::new(
                TurnErrorCode::Internal,
                "the stored answer is incomplete",
            )),
        };
        self.log.append(id, end);
        Submitted { from, replayed: Replayed::Stored }
    }

    pub(super) async fn on_event(&mut self, event: TurnEvent) {
        let Some(current) = &mut self.current else { return };
        match event {
            TurnEvent::Finished(outcome) => {
                let end = current.finish(outcome);
                self.keep(end).await;
            }
            TurnEvent::Failed(error) => {
                let end = current.fail(error);
                self.keep(end).await;
            }
            event => {
                current.observe(&event);
                self.log.append(&current.turn, event);
            }
        }
    }

    /// Keeps the end of the current turn, then tells it.
    pub(super) async fn keep(&mut self, end: TurnEvent) {
        let Some(current) = &self.current else { return };
        let kept =
            within(self.house.store().finish(&current.fence, &current.turn, &current.answer)).await;
        let end = match kept {
            Ok(()) => end,
            Err(failure) => {
                error!(error = %failure, "The end of turn {} could not be kept", current.turn);
                let message = "the answer could not be kept; ask again with the same turn id";
                TurnEvent::Failed(TurnError::new(TurnErrorCode::StoreUnavailable, message))
            }
        };
        self.log.append(&current.turn, end);
        self.log.pin(None);
    }
}

/// What must be equal, beside the words, for two turns to be the same.
fn options(turn: &Turn) -> String {
    let (choice, context) = (&turn.choice, &turn.context);
    json!({
        "provider": choice.provider, "persona": choice.persona, "style": choice.style,
        "sampling": choice.sampling, "turns": context.turns, "knowledge": context.knowledge,
    })
    .to_string()
}
