//! Finds the one actor of a session, starts it when there is none, and ends them all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until, timeout_at},
};
use tracing::Span;

use super::{
    Attached, CommandError, EventLog, Hello, Submission, Submitted, Told,
    actor::Actor,
    commands::{Command, Reply},
};
use crate::{
    history::{Exchange, HistoryError, HistoryStore, SessionSettings},
    settings::{SessionLimits, WhenUnavailable},
    turn::{SessionId, TurnId, pipeline::Conversation},
};

/// Commands that wait for one session; a full queue makes the asker wait.
const QUEUE: usize = 32;

/// How the service stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Turns are taken.
    Open,
    /// Running turns go on, new ones are refused.
    Draining,
    /// Everything ends.
    Closed,
}

/// All sessions that are in memory.
#[derive(Clone)]
pub struct Directory {
    inner: Arc<Inner>,
}

/// What the actors share.
pub(super) struct Inner {
    sessions: Mutex<HashMap<SessionId, Session>>,
    store: Arc<dyn HistoryStore>,
    conversation: Arc<Conversation>,
    limits: SessionLimits,
    when_unavailable: WhenUnavailable,
    phase: watch::Sender<Phase>,
    nobody: watch::Sender<u64>,
}

/// A way to one session.
#[derive(Debug, Clone)]
pub struct Session {
    id: SessionId,
    log: Arc<EventLog>,
    commands: mpsc::Sender<Box<Command>>,
}

impl Directory {
    /// A directory without sessions.
    pub fn new(
        store: Arc<dyn HistoryStore>,
        conversation: Arc<Conversation>,
        limits: SessionLimits,
        when_unavailable: WhenUnavailable,
    ) -> Self {
        let inner = Inner {
            sessions: Mutex::default(),
            store,
            conversation,
            limits,
            when_unavailable,
            phase: watch::Sender::new(Phase::Open),
            nobody: watch::Sender::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// What was said.
    pub fn store(&self) -> &dyn HistoryStore {
        self.inner.store()
    }

    /// The session of this id; it need not be known yet.
    pub fn open(&self, id: &SessionId) -> Session {
        let mut sessions = self.inner.sessions();
        if let Some(session) = sessions.get(id).filter(|session| !session.commands.is_closed()) {
            return session.clone();
        }
        let keep_for = Duration::from_secs(self.inner.limits.log_seconds);
        let log = Arc::new(EventLog::new(self.inner.limits.log_bytes, keep_for));
        let (commands, receiver) = mpsc::channel(QUEUE);
        let actor = Actor::new(id.clone(), Arc::clone(&log), Arc::clone(&self.inner), receiver);
        // It ends when idle or when the directory closes, whichever comes first.
        self.inner.conversation.runtime().spawn(actor.run());
        let session = Session { id: id.clone(), log, commands };
        sessions.insert(id.clone(), session.clone());
        session
    }

    /// Whether a session is in memory or in the store. Where turns go on without the store, an id
    /// that it cannot be asked about is taken for a known one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn is_known(&self, id: &SessionId) -> Result<bool, HistoryError> {
        if self.inner.sessions().contains_key(id) {
            return Ok(true);
        }
        match self.inner.store.session(id).await {
            Err(error) if self.inner.goes_on_after(&error) => Ok(true),
            record => Ok(record?.is_some()),
        }
    }

    /// Forgets a session; a running turn is interrupted first. Its id is not known any more, unless
    /// somebody else is there: then it begins anew.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn delete(&self, session: Session) -> Result<(), CommandError> {
        session.delete().await?;
        let mut sessions = self.inner.sessions();
        // One way to it is ours and one is in the map.
        if session.commands.strong_count() <= 2 {
            sessions.remove(&session.id);
        }
        Ok(())
    }

    /// Whether turns go on while the store cannot be reached.
    pub fn goes_on_without_store(&self) -> bool {
        self.inner.when_unavailable == WhenUnavailable::Continue
    }

    /// Whether new turns are taken.
    pub fn is_open(&self) -> bool {
        *self.inner.phase.borrow() == Phase::Open
    }

    /// Refuses new turns, lets running ones go on for `patience`, then ends all sessions.
    pub async fn drain(&self, patience: Duration) {
        self.inner.phase.send_replace(Phase::Draining);
        let deadline = Instant::now() + patience;
        while self.inner.conversation.running() > 0 && Instant::now() < deadline {
            sleep_until((Instant::now() + Duration::from_millis(20)).min(deadline)).await;
        }
        self.inner.phase.send_replace(Phase::Closed);
        let sessions: Vec<_> = self.inner.sessions().drain().map(|(_, session)| session).collect();
        let end = Instant::now() + Duration::from_secs(5);
        for session in sessions {
            // An actor that does not end in time loses nothing: what it accepted is in the store.
            let _ = timeout_at(end, session.commands.closed()).await;
        }
    }
}

impl Inner {
    pub(super) fn store(&self) -> &dyn HistoryStore {
        self.store.as_ref()
    }

    pub(super) fn conversation(&self) -> &Arc<Conversation> {
        &self.conversation
    }

    pub(super) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Whether a turn goes on although the store failed so.
    pub(super) fn goes_on_after(&self, error: &HistoryError) -> bool {
        self.when_unavailable == WhenUnavailable::Continue
            && matches!(error, HistoryError::Unavailable(_) | HistoryError::Unacknowledged(_))
    }

    /// Whether other processes may change sessions, too.
    pub(super) fn shares_store(&self) -> bool {
        self.store.renewal().is_some()
    }

    pub(super) fn idle(&self) -> Duration {
        Duration::from_secs(self.limits.idle_seconds)
    }

    /// A watch that never changes.
    pub(super) fn never_taken_over(&self) -> watch::Receiver<u64> {
        self.nobody.subscribe()
    }

    /// Takes an idle session out of memory, unless somebody holds a way to it.
    pub(super) fn forget(&self, id: &SessionId, commands: &mpsc::Receiver<Box<Command>>) -> bool {
        let mut sessions = self.sessions();
        // The one way to it that is left is ours.
        let forgotten = commands.is_empty() && commands.sender_strong_count() == 1;
        if forgotten {
            sessions.remove(id);
        }
        forgotten
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<SessionId, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Its id.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// Its events.
    pub fn log(&self) -> &Arc<EventLog> {
        &self.log
    }

    /// Takes a place in the session; the newest one that does not only watch owns it.
    ///
    /// # Errors
    /// When settings are asked for that do not exist.
    pub async fn attach(&self, hello: Hello) -> Result<Attached, CommandError> {
        self.ask(|reply| Command::Attach { hello, reply }).await
    }

    /// Hands over a turn. When this returns `Ok`, the person's words are kept.
    ///
    /// # Errors
    /// When the turn is not taken; nothing was interrupted then.
    pub async fn submit(&self, submission: Submission) -> Result<Submitted, CommandError> {
        let (submission, asked) = (Box::new(submission), Span::current());
        self.ask(|reply| Command::Submit { submission, asked, reply }).await
    }

    /// Sentences 0 to `sentence` of a turn were heard.
    ///
    /// # Errors
    /// When there is no such turn.
    pub async fn spoken(&self, turn: TurnId, sentence: u32) -> Result<(), CommandError> {
        self.ask(|reply| Command::Spoken { turn, sentence, reply }).await
    }

    /// Cuts in on a turn, or says how far an ended one was heard.
    ///
    /// # Errors
    /// When there is no such turn.
    pub async fn interrupt(
        &self,
        turn: Option<TurnId>,
        heard: Option<String>,
    ) -> Result<Told, CommandError> {
        self.ask(|reply| Command::Interrupt { turn, heard, reply }).await
    }

    /// Changes the settings that are given, from the next turn on, and tells all of them.
    ///
    /// # Errors
    /// When a name does not exist.
    pub async fn configure(
        &self,
        settings: SessionSettings,
    ) -> Result<SessionSettings, CommandError> {
        self.ask(|reply| Command::Configure { settings, reply }).await
    }

    /// The newest exchanges, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn recent(&self, limit: usize) -> Result<Vec<Exchange>, CommandError> {
        self.ask(|reply| Command::Recent { limit, reply }).await
    }

    /// Forgets the exchanges; a running turn is interrupted first.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn clear(&self) -> Result<(), CommandError> {
        self.ask(|reply| Command::Clear { reply }).await
    }

    /// Forgets the session in the store.
    async fn delete(&self) -> Result<(), CommandError> {
        self.ask(|reply| Command::Delete { reply }).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, CommandError> {
        let (reply, answer) = oneshot::channel();
        self.commands
            .send(Box::new(command(reply)))
            .await
            .map_err(|_| CommandError::ShuttingDown)?;
        answer.await.map_err(|_| CommandError::ShuttingDown)?
    }
}
