//! The actor of a session: one turn at a time, kept, logged, and stopped when the person cuts in.

mod current;

use std::{future::Future, sync::Arc, time::Duration};

use anima_provider::{BoxError, LaneId};
use serde_json::json;
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tracing::{error, warn};

use super::{
    Attached, CommandError, EventLog, Hello, Playback, Replayed, Submission, Submitted, Told,
    commands::Command,
    directory::{Inner, Phase},
};
use crate::{
    history::{
        Amendment, Begun, Exchange, HistoryError, NewTurn, Opened, Replaces, SessionSettings,
        Settlement,
    },
    turn::{SessionId, Turn, TurnError, TurnErrorCode, TurnEvent, TurnId, pipeline::Job},
};
use current::{Current, note_interruption};

/// How long the store may take; longer counts as unavailable.
const STORE_DEADLINE: Duration = Duration::from_secs(5);

/// One session's state.
pub(super) struct Actor {
    id: SessionId,
    log: Arc<EventLog>,
    house: Arc<Inner>,
    commands: mpsc::Receiver<Command>,
    phase: watch::Receiver<Phase>,
    settings: SessionSettings,
    playback: Playback,
    owner: watch::Sender<u64>,
    /// The newest turn; it stays here after its end, until the next one begins.
    current: Option<Current>,
}

impl Actor {
    pub(super) fn new(
        id: SessionId,
        log: Arc<EventLog>,
        house: Arc<Inner>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let phase = house.phase();
        Self {
            id,
            log,
            house,
            commands,
            phase,
            settings: SessionSettings::default(),
            playback: Playback::None,
            owner: watch::Sender::new(0),
            current: None,
        }
    }

    /// Lives until the session has been idle for a while, or the service ends.
    pub(super) async fn run(mut self) {
        match within(self.house.store().session(&self.id)).await {
            Ok(record) => self.settings = record.map(|record| record.settings).unwrap_or_default(),
            Err(error) => {
                warn!(error = %error, "The settings of session {} could not be read", self.id);
            }
        }
        loop {
            let running = self.current.as_ref().is_some_and(Current::is_running);
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => break,
                },
                events = next_events(&mut self.current), if running => self.on_events(events).await,
                () = closed(&mut self.phase) => {
                    self.give_up().await;
                    break;
                }
                () = sleep(self.house.idle()), if !running => {
                    if !self.log.has_readers() && self.house.forget(&self.id, &self.commands) {
                        break;
                    }
                }
            }
        }
    }

    async fn obey(&mut self, command: Command) {
        // Whoever asked may have gone; then there is nobody to answer.
        match command {
            Command::Attach { hello, reply } => drop(reply.send(self.attach(hello).await)),
            Command::Submit { submission, reply } => {
                drop(reply.send(self.submit(*submission).await));
            }
            Command::Spoken { turn, sentence, reply } => {
                drop(reply.send(self.spoken(&turn, sentence).await));
            }
            Command::Interrupt { turn, heard, reply } => {
                drop(reply.send(self.interrupt(turn.as_ref(), heard.as_deref()).await));
            }
            Command::Configure { settings, reply } => {
                drop(reply.send(self.configure(settings).await));
            }
            Command::Recent { limit, reply } => drop(reply.send(self.recent(limit).await)),
            Command::Clear { reply } => drop(reply.send(self.forget_exchanges(false).await)),
            Command::Delete { reply } => drop(reply.send(self.forget_exchanges(true).await)),
        }
    }

    async fn attach(&mut self, hello: Hello) -> Result<Attached, CommandError> {
        if !hello.observes {
            if hello.settings != SessionSettings::default() {
                self.configure(hello.settings).await?;
            }
            self.playback = hello.playback;
            self.owner.send_modify(|ticket| *ticket += 1);
        }
        let asked = hello.resume_from.map(|seq| seq.saturating_add(1));
        let same_log = hello.epoch.is_none_or(|epoch| epoch == self.log.epoch());
        let resumed = asked.filter(|from| same_log && self.log.can_resume(*from));
        let running = self.current.as_ref().filter(|current| current.is_running());
        let fresh = || running.map_or_else(|| self.log.next(), |current| current.accepted);
        let taken_over =
            if hello.observes { self.house.never_taken_over() } else { self.owner.subscribe() };
        let ticket = *taken_over.borrow();
        Ok(Attached {
            session: self.id.clone(),
            log: Arc::clone(&self.log),
            from: resumed.unwrap_or_else(fresh),
            resumed: resumed.is_some(),
            settings: self.settings.clone(),
            taken_over,
            ticket,
        })
    }

    async fn submit(&mut self, submission: Submission) -> Result<Submitted, CommandError> {
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
        let new = NewTurn {
            id: turn.id.clone(),
            task: (replaces == Replaces::Nothing).then(|| turn.task.clone()),
            options: options(&turn),
            replaces,
            settles: self.current.as_ref().map(|current| current.settlement(heard.as_deref())),
            recent: conversation.turns_shown(&turn, &self.settings)?,
            settings: self.settings.clone(),
            running_here: self
                .current
                .as_ref()
                .is_some_and(|current| current.turn == turn.id && current.is_running()),
        };
        match within(self.house.store().begin(&self.id, &new)).await? {
            Begun::New(opened) => Ok(self.open(turn, *opened, new.settles).await),
            Begun::Replay(exchange) => Ok(self.tell_again(&turn.id, *exchange)),
            Begun::Running => match &self.current {
                Some(current) if current.turn == turn.id && current.is_running() => {
                    Ok(Submitted { from: current.accepted, replayed: Replayed::Joined })
                }
                _ => {
                    Err(HistoryError::Unavailable("the turn is being answered elsewhere".into())
                        .into())
                }
            },
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

    /// Takes what came together as one, so that no command comes in between.
    async fn on_events(&mut self, events: Option<Vec<TurnEvent>>) {
        let died = || TurnError::new(TurnErrorCode::Internal, "the turn ended without an answer");
        for event in events.unwrap_or_else(|| vec![TurnEvent::Failed(died())]) {
            self.on_event(event).await;
        }
    }

    async fn on_event(&mut self, event: TurnEvent) {
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
    async fn keep(&mut self, end: TurnEvent) {
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

    async fn spoken(&mut self, turn: &TurnId, sentence: u32) -> Result<(), CommandError> {
        let Some(current) = self.current.as_mut().filter(|current| current.turn == *turn) else {
            // An older turn: its heard text is settled, and the acknowledgement comes too late.
            return self.find(turn).await.map(drop);
        };
        current.ledger.acknowledge(sentence);
        self.amend().await
    }

    async fn interrupt(
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
        let change = Amendment::Heard(current.ledger.heard());
        Ok(within(self.house.store().amend(&current.fence, &current.turn, &change)).await?)
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

    async fn configure(
        &mut self,
        wanted: SessionSettings,
    ) -> Result<SessionSettings, CommandError> {
        let settings = self.house.conversation().with_changes(&self.settings, wanted)?;
        match within(self.house.store().configure(&self.id, &settings)).await {
            // Nothing was said yet: the settings go along with the first turn.
            Ok(_) | Err(HistoryError::SessionNotFound) => {}
            Err(error) => return Err(error.into()),
        }
        self.settings = settings;
        Ok(self.settings.clone())
    }

    async fn recent(&self, limit: usize) -> Result<Vec<Exchange>, CommandError> {
        match within(self.house.store().recent(&self.id, limit)).await {
            Err(HistoryError::SessionNotFound) => Ok(Vec::new()),
            exchanges => Ok(exchanges?),
        }
    }

    /// Forgets the exchanges, or the whole session; a running turn is interrupted first.
    async fn forget_exchanges(&mut self, whole: bool) -> Result<(), CommandError> {
        if let Some(current) = self.current.as_mut().filter(|current| current.is_running()) {
            let end = current.interrupt();
            self.keep(end).await;
        }
        self.current = None;
        self.log.seal();
        let store = self.house.store();
        let forgotten = if whole {
            within(store.delete(&self.id)).await
        } else {
            within(store.clear(&self.id)).await
        };
        match forgotten {
            Ok(()) | Err(HistoryError::SessionNotFound) => {}
            Err(error) => return Err(error.into()),
        }
        if whole {
            self.settings = SessionSettings::default();
        }
        Ok(())
    }

    /// The service ends: a turn that is still running can be asked for again.
    async fn give_up(&mut self) {
        while let Some(events) = self.current.as_mut().and_then(Current::try_next) {
            self.on_events(Some(events)).await;
        }
        if let Some(current) = self.current.as_mut().filter(|current| current.is_running()) {
            let end = current
                .fail(TurnError::new(TurnErrorCode::ShuttingDown, "the service is shutting down"));
            self.keep(end).await;
        }
    }
}

/// The next events of the running turn.
async fn next_events(current: &mut Option<Current>) -> Option<Vec<TurnEvent>> {
    match current {
        Some(current) => current.next().await,
        None => None,
    }
}

/// Waits for the end of the service.
async fn closed(phase: &mut watch::Receiver<Phase>) {
    // An error means that the directory is gone, which is the end too.
    let _ = phase.wait_for(|phase| *phase == Phase::Closed).await;
}

/// Waits for the store, but not for ever.
async fn within<T>(
    operation: impl Future<Output = Result<T, HistoryError>>,
) -> Result<T, HistoryError> {
    timeout(STORE_DEADLINE, operation)
        .await
        .unwrap_or_else(|elapsed| Err(HistoryError::Unavailable(BoxError::from(elapsed))))
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
