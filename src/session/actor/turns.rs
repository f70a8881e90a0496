//! Taking turns: a new one, the same one again, and the end of one.

use std::time::Duration;

use anima_provider::LaneId;
use serde_json::json;
use tracing::{Instrument, Span, debug_span, error, warn};

use super::{
    Actor,
    current::{Beginning, Current, note_interruption},
    ownership::is_superseded,
    within,
};
use crate::{
    access::Claim,
    history::{
        Answer, Begun, Exchange, ExchangeState, Fence, HistoryError, NewTurn, Opened, Replaces,
    },
    session::{CommandError, Playback, Replayed, Submission, Submitted, directory::Phase},
    turn::{
        Earlier, EndReason, Outcome, Turn, TurnError, TurnErrorCode, TurnEvent, TurnId,
        pipeline::{Job, Place},
    },
};

/// When to ask again for a turn that another process answers, at the latest.
const ELSEWHERE_AGAIN: Duration = Duration::from_secs(1);

/// A turn on its way in.
pub(super) struct Incoming {
    pub(super) turn: Turn,
    /// What was heard of the turn before, when the client says so.
    pub(super) heard: Option<String>,
    /// Its place among the turns that are answered.
    pub(super) place: Place,
    /// What is done for it.
    pub(super) span: Span,
}

impl Actor {
    /// Takes a turn; `span` is what is done for it.
    pub(super) async fn submit(
        &mut self,
        submission: Submission,
        span: &Span,
    ) -> Result<Submitted, CommandError> {
        if *self.phase.borrow() != Phase::Open {
            return Err(CommandError::ShuttingDown);
        }
        let Submission { turn, replaces, heard, claim } = submission;
        if self.owner.receiver_count() == 0 {
            // Whoever acknowledged playback has gone, and nobody else does.
            self.playback = Playback::None;
        }
        if heard.is_some() && self.current.is_none() {
            self.remember().await?;
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
            settles: self.current.as_ref().and_then(|current| current.settlement(heard.as_deref())),
            recent: conversation.turns_shown(&turn, &self.settings)?,
            settings: self.settings.clone(),
            running_here: running_from.is_some(),
        };
        if let Some(taken) = self.taken_before(&new) {
            return taken;
        }
        let place = match self.place(claim) {
            Ok(place) => place,
            // Whoever asks again for what was answered is not refused: it costs nothing. Nor does it
            // need a place, but for the moment until the store has told it.
            Err(_) if running_from.is_some() || self.was_answered(&new.id).await => {
                conversation.replace(&Claim::of_the_house())
            }
            Err(refusal) => return Err(refusal.into()),
        };
        let beginning = within(self.house.store().begin(&self.id, &new));
        let begun = match beginning.instrument(debug_span!("store.begin")).await {
            Err(error) if self.house.goes_on_after(&error) => {
                return self
                    .go_on(Incoming { turn, heard, place, span: span.clone() }, new, error)
                    .await;
            }
            Err(error @ HistoryError::Unacknowledged(_)) => {
                self.end_as_it_may_be_kept(&new.id, heard.as_deref()).await;
                return Err(error.into());
            }
            begun => begun?,
        };
        match begun {
            Begun::New(opened) => {
                let span = span.clone();
                Ok(self.open(Incoming { turn, heard, place, span }, &new, *opened).await)
            }
            Begun::Replay(exchange) => Ok(self.tell_again(&turn.id, *exchange)),
            Begun::Running => match running_from {
                Some(from) => Ok(Submitted { from, replayed: Replayed::Joined }),
                // The store says that we answer it, and we do not: it opens again when asked again.
                None => Err(HistoryError::Unavailable("the turn was lost".into()).into()),
            },
            // Most turns have been answered before their lease would run out.
            Begun::Elsewhere { wait } => {
                Err(CommandError::RunningElsewhere { wait: wait.min(ELSEWHERE_AGAIN) })
            }
            Begun::Conflict => Err(CommandError::TurnIdConflict),
            Begun::NothingToReplace => Err(CommandError::NothingToRegenerate),
        }
    }

    /// A place for a turn. One that takes over from a running one, or joins it, adds nothing to what is
    /// going on.
    fn place(&self, claim: Result<Claim, TurnError>) -> Result<Place, TurnError> {
        let (claim, conversation) = (claim?, self.house.conversation());
        if self.current.as_ref().is_some_and(Current::is_running) {
            return Ok(conversation.replace(&claim));
        }
        conversation.admit(&claim)
    }

    /// Whether the store has the whole answer to a turn, as far as it tells.
    async fn was_answered(&self, turn: &TurnId) -> bool {
        let found = within(self.house.store().exchange(&self.id, turn)).await;
        found.is_ok_and(|found| found.is_some_and(|found| found.state == ExchangeState::Finished))
    }

    /// Ends the running turn after a later one that the store did not acknowledge. If that has begun,
    /// the store ended this one with what had been released; nobody must be told more of it.
    async fn end_as_it_may_be_kept(&mut self, later: &TurnId, heard: Option<&str>) {
        let running = self.current.as_mut().filter(|current| current.is_running());
        let Some(current) = running.filter(|current| current.turn != *later) else { return };
        if let Some(heard) = heard {
            current.ledger.tell(heard);
        }
        let end = current.interrupt();
        self.keep(end).await;
    }

    /// Starts a turn that the store has opened, as it says: another process may have changed the
    /// settings, and said what we know nothing of.
    async fn open(
        &mut self,
        mut incoming: Incoming,
        new: &NewTurn,
        mut opened: Opened,
    ) -> Submitted {
        opened.recent = self.shown(&incoming.turn, &opened, new.recent).await;
        self.settings = opened.settings;
        self.earlier = opened.recent.iter().map(Exchange::as_earlier).collect();
        incoming.turn.task = opened.task;
        self.start(incoming, &new.options, Some(opened.fence)).await
    }

    /// Ends the turn before in the log, as the store has already settled it, and starts the new one;
    /// without a fence it is not kept.
    pub(super) async fn start(
        &mut self,
        incoming: Incoming,
        options: &str,
        fence: Option<Fence>,
    ) -> Submitted {
        let Incoming { turn, heard, place, span } = incoming;
        self.log.cut();
        if let Some(before) = self.current.take() {
            let (id, end) = (before.turn.clone(), before.end_before_next(heard.as_deref()));
            // It leaves its place in the provider's queue before the new turn asks for one.
            before.stop().await;
            self.end_before(&id, end);
        }
        let durable = fence.is_some();
        let accepted = self.log.append(&turn.id, TurnEvent::Accepted { replay: false, durable });
        self.log.pin(Some(accepted));
        let beginning = Beginning {
            task: turn.task.clone(),
            options: options.to_owned(),
            fence,
            playback: if self.log.has_voice() { Playback::Acknowledged } else { self.playback },
            accepted,
        };
        let id = turn.id.clone();
        let job = Job {
            earlier: self.earlier_of(&turn),
            turn,
            settings: self.settings.clone(),
            lane: LaneId(self.id.key().to_owned()),
        };
        let stream = self.house.conversation().run_within(span.clone(), job, place);
        self.current = Some(Current::new(id, stream, beginning, span));
        Submitted { from: accepted, replayed: Replayed::No }
    }

    /// Tells the end of a turn that the next one interrupted, if it was running.
    fn end_before(&self, turn: &TurnId, end: Option<Outcome>) {
        if let Some(outcome) = end {
            note_interruption(turn);
            self.log.append(turn, TurnEvent::Finished(outcome));
        }
    }

    /// What a turn is shown of the conversation.
    fn earlier_of(&self, turn: &Turn) -> Vec<Earlier> {
        turn.context.supplied.clone().unwrap_or_else(|| self.earlier.clone())
    }

    /// Tells a stored answer again, under the id that was asked for.
    fn tell_again(&self, id: &TurnId, exchange: Exchange) -> Submitted {
        self.replay(id, exchange.answer, exchange.heard, true)
    }

    /// Tells an answer again.
    pub(super) fn replay(
        &self,
        id: &TurnId,
        answer: Answer,
        heard: Option<String>,
        durable: bool,
    ) -> Submitted {
        let from = self.log.append(id, TurnEvent::Accepted { replay: true, durable });
        for sentence in answer.sentences {
            let index = sentence.index;
            self.log.append(id, TurnEvent::Sentence(sentence));
            for verdict in answer.verdicts.iter().filter(|verdict| verdict.sentence == Some(index))
            {
                self.log.append(id, TurnEvent::Verdict(verdict.clone()));
            }
        }
        let end = match answer.outcome {
            Some(mut outcome) => {
                outcome.heard = heard;
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
        let Some(current) = &mut self.current else { return };
        // Whatever comes after is not done for the turn.
        let span = std::mem::replace(&mut current.span, Span::none());
        let Some(fence) = &current.fence else { return self.tell_end(end) };
        let finishing = within(self.house.store().finish(fence, &current.turn, &current.answer));
        let finish = debug_span!(parent: &span, "store.finish");
        let kept = finishing.instrument(finish).await;
        drop(span);
        let end = match kept {
            Ok(()) => end,
            Err(failure) if is_superseded(&failure) => match end {
                TurnEvent::Finished(outcome) if outcome.reason != EndReason::Interrupted => {
                    current.supersede()
                }
                end => {
                    current.fence = None;
                    end
                }
            },
            Err(failure) if self.house.goes_on_after(&failure) => {
                warn!(error = %failure, "The end of turn {} is kept later", current.turn);
                current.keep_later();
                end
            }
            Err(failure) => {
                error!(error = %failure, "The end of turn {} could not be kept", current.turn);
                let message = "the answer could not be kept; ask again with the same turn id";
                TurnEvent::Failed(TurnError::new(TurnErrorCode::StoreUnavailable, message))
            }
        };
        self.tell_end(end);
    }

    /// Tells the end of the current turn.
    pub(super) fn tell_end(&self, end: TurnEvent) {
        if let Some(current) = &self.current {
            self.log.append(&current.turn, end);
            self.log.pin(None);
        }
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
