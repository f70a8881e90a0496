//! `LiveTalking`, a renderer of talking faces: what a session says is spoken there, sentence by
//! sentence, and what was played there is what counts as heard.
//!
//! A session that has an avatar is driven by one task, which reads its log like any client, posts each
//! sentence to `/human`, cuts in with `/interrupt_talk`, and reads from `/sse` what has been played. See
//! docs/avatars.md.

mod driver;
mod ears;
mod mouth;
mod playback;
mod wire;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use thiserror::Error;
use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    session::Session,
    settings::{LivetalkingSettings, SettingsError},
    turn::SessionId,
};
use driver::Driver;
use wire::Renderer;

/// Most characters of the id of an avatar.
const MAX_ID_CHARS: usize = 128;
/// How long a driver may take to let go of its session.
const LETTING_GO: Duration = Duration::from_secs(1);

/// The sessions whose avatars are driven.
pub struct Drivers {
    renderer: Arc<Renderer>,
    runtime: Handle,
    patience: Duration,
    max_sessions: usize,
    driven: Mutex<HashMap<SessionId, Driven>>,
}

/// A session whose avatar is driven.
struct Driven {
    avatar: AvatarId,
    standing: watch::Receiver<Standing>,
    task: JoinHandle<()>,
    /// Dropping it ends the task in order: the avatar falls silent.
    hold: oneshot::Sender<()>,
}

/// What `LiveTalking` calls an avatar, its `sessionid`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct AvatarId(String);

/// A text that cannot be the id of an avatar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the sessionid of LiveTalking has 1 to {MAX_ID_CHARS} characters, none of them blank or unseen"
)]
pub struct InvalidAvatarId;

/// How an avatar stands with the session that it speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// `LiveTalking` was asked for it, and has not answered yet.
    Asked,
    /// There is no such avatar.
    Absent,
    /// It is driven.
    Driven {
        /// The server did as it was last asked.
        reachable: bool,
        /// What it plays is known; where it is not, what it is told counts as heard.
        acknowledges: bool,
    },
}

/// An avatar that speaks for a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Avatar {
    /// Its id.
    pub sessionid: AvatarId,
    /// Whether the server did as it was last asked.
    pub reachable: bool,
    /// Whether what it plays is known; where it is not, what it is told counts as heard.
    pub acknowledges: bool,
}

/// Why a session did not get an avatar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AttachError {
    /// There is no such avatar.
    #[error("LiveTalking has no session of this id")]
    NoAvatar,
    /// It speaks for somebody else, or the session got another one at the same time.
    #[error("this avatar, or this session, was taken by somebody else")]
    Taken,
    /// There are too many.
    #[error("no more sessions can have an avatar now; see avatars.livetalking.max_sessions")]
    Full,
}

impl AvatarId {
    /// Takes an id from outside.
    ///
    /// # Errors
    /// When it cannot be one.
    pub fn parse(text: String) -> Result<Self, InvalidAvatarId> {
        let fits = (1..=MAX_ID_CHARS).contains(&text.chars().count())
            && !text.chars().any(|letter| letter.is_control() || letter.is_whitespace());
        if fits { Ok(Self(text)) } else { Err(InvalidAvatarId) }
    }
}

impl Drivers {
    /// Nobody is driven yet. Must be called on the runtime that drivers are to run on.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub fn new(settings: &LivetalkingSettings) -> Result<Self, SettingsError> {
        Ok(Self {
            renderer: Arc::new(Renderer::new(settings)?),
            runtime: Handle::current(),
            patience: Duration::from_millis(settings.gone_ms),
            max_sessions: settings.max_sessions,
            driven: Mutex::default(),
        })
    }

    /// Lets an avatar speak for a session from now on, from its next sentence, and no other one. An
    /// avatar that speaks for another session of the same tenant leaves that. A server that cannot be
    /// reached is tried again.
    ///
    /// # Errors
    /// When there is no such avatar, it is another tenant's, or there are too many.
    pub async fn attach(&self, session: Session, avatar: AvatarId) -> Result<Avatar, AttachError> {
        let id = session.id().clone();
        let mut standing = self.begin(session, &avatar)?;
        let is_known = |standing: &Standing| *standing != Standing::Asked;
        let standing = standing.wait_for(is_known).await.map(|standing| *standing);
        let Ok(standing) = standing else { return Err(AttachError::Taken) };
        let found = seen(&avatar, standing);
        if found.is_none() {
            let mut all = self.driven();
            all.retain(|session, driven| *session != id || driven.avatar != avatar);
            Self::count(&all);
        }
        found.ok_or(AttachError::NoAvatar)
    }

    fn begin(
        &self,
        session: Session,
        avatar: &AvatarId,
    ) -> Result<watch::Receiver<Standing>, AttachError> {
        let id = session.id().clone();
        let mut all = self.driven();
        all.retain(|_, driven| !driven.task.is_finished());
        if let Some(same) = all.get(&id).filter(|driven| driven.avatar == *avatar) {
            return Ok(same.standing.clone());
        }
        let other = all.iter().find(|(_, driven)| driven.avatar == *avatar);
        if let Some(other) = other.map(|(other, _)| other.clone()) {
            if other.tenant() != id.tenant() {
                return Err(AttachError::Taken);
            }
            all.remove(&other);
        }
        all.remove(&id);
        if all.len() >= self.max_sessions {
            return Err(AttachError::Full);
        }
        let renderer = Arc::clone(&self.renderer);
        let (driver, standing) = Driver::new(session, renderer, avatar.0.clone(), self.patience);
        let (hold, let_go) = oneshot::channel();
        // It ends with its avatar, or when it is let go.
        let task = self.runtime.spawn(driver.run(let_go));
        let (avatar, seen) = (avatar.clone(), standing.clone());
        all.insert(id, Driven { avatar, standing, task, hold });
        Self::count(&all);
        Ok(seen)
    }

    /// The avatar that speaks for a session.
    pub fn avatar(&self, session: &SessionId) -> Option<Avatar> {
        let all = self.driven();
        let driven = all.get(session).filter(|driven| !driven.task.is_finished())?;
        let standing = *driven.standing.borrow();
        seen(&driven.avatar, standing)
    }

    /// Lets the avatar of a session go: it falls silent, and the session is free when this returns. Tells
    /// whether there was one.
    pub async fn detach(&self, session: &SessionId) -> bool {
        let removed = {
            let mut all = self.driven();
            let removed = all.remove(session);
            Self::count(&all);
            removed
        };
        let Some(Driven { mut standing, task, hold, .. }) = removed else { return false };
        let was_driven = !task.is_finished();
        drop(hold);
        // The driver's end of it is dropped together with the session.
        let ended = async { while standing.changed().await.is_ok() {} };
        let _ = timeout(LETTING_GO, ended).await;
        was_driven
    }

    fn count(all: &HashMap<SessionId, Driven>) {
        let count = u32::try_from(all.len()).unwrap_or(u32::MAX);
        metrics::gauge!("anima_livetalking_sessions").set(count);
    }

    fn driven(&self) -> MutexGuard<'_, HashMap<SessionId, Driven>> {
        self.driven.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An avatar as it is seen from outside; nothing where there is none.
fn seen(avatar: &AvatarId, standing: Standing) -> Option<Avatar> {
    let (reachable, acknowledges) = match standing {
        Standing::Absent => return None,
        Standing::Asked => (false, false),
        Standing::Driven { reachable, acknowledges } => (reachable, acknowledges),
    };
    Some(Avatar { sessionid: avatar.clone(), reachable, acknowledges })
}

impl Drop for Drivers {
    fn drop(&mut self) {
        // What an avatar is saying when the service ends, it may say to its end.
        for driven in self.driven().values() {
            driven.task.abort();
        }
    }
}
