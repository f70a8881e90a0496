//! The actor of a session: one turn at a time, kept, logged, and stopped when the person cuts in.

mod current;
mod hearing;
mod memory;
mod ownership;
mod turns;

use std::{future::Future, sync::Arc, time::Duration};

use anima_provider::BoxError;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until, timeout},
};
use tracing::{Instrument, warn};

use super::{
    Attached, CommandError, EventLog, Hello, Playback,
    commands::Command,
    directory::{Inner, Phase},
};
use crate::{
    history::{Exchange, HistoryError, SessionSettings},
    turn::{Earlier, SessionId, TurnError, TurnErrorCode, TurnEvent, pipeline::turn_span},
};
use current::Current;

/// How long the store may take; longer counts as unavailable.
const STORE_DEADLINE: Duration = Duration::from_secs(5);

/// One session's state.
pub(super) struct Actor {
    id: SessionId,
    log: Arc<EventLog>,
    house: Arc<Inner>,
    commands: mpsc::Receiver<Box<Command>>,
    phase: watch::Receiver<Phase>,
    settings: SessionSettings,
    playback: Playback,
    owner: watch::Sender<u64>,
    /// The newest turn; it stays here after its end, until the next one begins.
    current: Option<Current>,
    /// What came before the newest turn, as far as it was shown to it, oldest first.
    earlier: Vec<Earlier>,
}

impl Actor {
    pub(super) fn new(
        id: SessionId,
        log: Arc<EventLog>,
        house: Arc<Inner>,
        commands: mpsc::Receiver<Box<Command>>,
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
            earlier: Vec::new(),
        }
    }

    /// Lives until the session has been idle for a while, or the service ends.
    ///
    /// Thousands of sessions wait here for their next command, so what is done with one is boxed
    /// and takes no room while nothing is done.
    pub(super) async fn run(mut self) {
        Box::pin(self.read_settings()).await;
        loop {
            let running = self.current.as_ref().is_some_and(Current::is_running);
            let renewal = self.renewal_due();
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => Box::pin(self.obey(*command)).await,
                    None => break,
                },
                events = next_events(&mut self.current), if running => Box::pin(self.on_events(events)).await,
                () = sleep_until(renewal.unwrap_or_else(Instant::now)), if renewal.is_some() => {
                    Box::pin(self.renew()).await;
                }
                () = closed(&mut self.phase) => {
                    Box::pin(self.give_up()).await;
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
            Command::Submit { submission, asked, reply } => {
                let span = asked.in_scope(|| turn_span(&submission.turn.id));
                let submitted = self.submit(*submission, &span).instrument(span.clone()).await;
                drop(reply.send(submitted));
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
        if self.house.shares_store() {
            self.read_settings().await;
        }
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

    /// Takes what came together as one, so that no command comes in between.
    async fn on_events(&mut self, events: Option<Vec<TurnEvent>>) {
        let died = || TurnError::new(TurnErrorCode::Internal, "the turn ended without an answer");
        for event in events.unwrap_or_else(|| vec![TurnEvent::Failed(died())]) {
            self.on_event(event).await;
        }
    }

    async fn configure(
        &mut self,
        wanted: SessionSettings,
    ) -> Result<SessionSettings, CommandError> {
        if self.house.shares_store() {
            self.read_settings().await;
        }
        let settings = self.house.conversation().with_changes(&self.settings, wanted)?;
        match within(self.house.store().configure(&self.id, &settings)).await {
            // Nothing was said yet: the settings go along with the first turn.
            Ok(_) | Err(HistoryError::SessionNotFound) => {}
            Err(error) => return Err(error.into()),
        }
        self.settings = settings;
        Ok(self.settings.clone())
    }

    /// Reads the settings, which another process may have changed.
    async fn read_settings(&mut self) {
        match within(self.house.store().session(&self.id)).await {
            Ok(Some(record)) => self.settings = record.settings,
            // Nothing is kept yet: the settings in memory go along with the first turn.
            Ok(None) => {}
            Err(error) => {
                warn!(error = %error, "The settings of a session could not be read");
            }
        }
    }

    async fn recent(&self, limit: usize) -> Result<Vec<Exchange>, CommandError> {
        match within(self.house.store().recent(&self.id, limit)).await {
            Err(HistoryError::SessionNotFound) => Ok(Vec::new()),
            exchanges => Ok(exchanges?),
        }
    }

    /// Forgets the exchanges, or the whole session; a running turn is interrupted first.
    async fn forget_exchanges(&mut self, whole: bool) -> Result<(), CommandError> {
        self.log.cut();
        if let Some(current) = self.current.as_mut().filter(|current| current.is_running()) {
            let end = current.interrupt();
            self.keep(end).await;
        }
        self.current = None;
        self.earlier.clear();
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
        .unwrap_or_else(|elapsed| Err(HistoryError::Unacknowledged(BoxError::from(elapsed))))
}
