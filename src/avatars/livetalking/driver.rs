//! One session and its avatar: an observer of the session's log, which acknowledges what is played.
//!
//! Whatever it waits for, it waits for everything at once, so that neither a slow server nor a slow
//! store keeps it from cutting in. It is no part of any turn: the session does not wait for it.

use std::{future::pending, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};
use tracing::{debug, warn};

use super::{
    Standing,
    ears::{Ears, Noise},
    mouth::{Done, Mouth},
    playback::Heard,
    wire::{Renderer, RendererError},
};
use crate::{
    session::{CommandError, Read, Session},
    turn::{EndReason, TurnEvent, TurnId},
};

/// Events taken from the log at a time.
const BATCH: usize = 32;

/// A session and its avatar.
pub(super) struct Driver {
    session: Session,
    head: watch::Receiver<u64>,
    cuts: watch::Receiver<u64>,
    /// The next event to read.
    next: u64,
    /// The turn whose stored answer is told again, and was said when it was new.
    replayed: Option<TurnId>,
    mouth: Mouth,
    ears: Ears,
    /// What was heard and the session does not know yet.
    heard: Option<Heard>,
    telling: Option<BoxFuture<'static, Result<(), CommandError>>>,
    standing: watch::Sender<Standing>,
    /// Whether the server has answered to the first question, or failed to.
    is_asked: bool,
    /// Since when the avatar is out of reach, if it is.
    lost_since: Option<Instant>,
    /// How long it may be before it is let go.
    patience: Duration,
}

/// What happened first.
enum Step {
    /// Nobody wants the avatar to be driven any more.
    LetGo,
    /// Something in the session.
    News,
    Noise(Noise),
    Done(Done),
    /// The session knows what was heard.
    Told(Result<(), CommandError>),
}

impl Driver {
    /// Speaks what is said in the session from now on.
    pub(super) fn new(
        session: Session,
        renderer: Arc<Renderer>,
        avatar: String,
        patience: Duration,
    ) -> (Self, watch::Receiver<Standing>) {
        let (head, cuts) = (session.log().watch(), session.log().voice());
        let next = session.log().next();
        let (standing, seen) = watch::channel(Standing::Asked);
        let driver = Self {
            session,
            head,
            cuts,
            next,
            replayed: None,
            mouth: Mouth::new(Arc::clone(&renderer), avatar.clone()),
            ears: Ears::new(renderer, avatar),
            heard: None,
            telling: None,
            standing,
            is_asked: false,
            lost_since: None,
            patience,
        };
        (driver, seen)
    }

    /// Drives the avatar until the other end of `let_go` is dropped, or the avatar is gone. Then it falls
    /// silent.
    pub(super) async fn run(mut self, mut let_go: oneshot::Receiver<()>) {
        loop {
            self.read_log();
            let skipped = self.mouth.begin();
            self.assume(skipped);
            self.tell();
            if self.is_out_of_reach_for_too_long() {
                warn!("An avatar of LiveTalking was out of reach for too long and is let go");
                return;
            }
            let step = self.step(&mut let_go).await;
            if matches!(step, Step::LetGo) {
                break;
            }
            self.take(step);
            if *self.standing.borrow() == Standing::Absent {
                return;
            }
        }
        let Self { mouth, session, head, cuts, ears, telling, standing, .. } = self;
        // Whoever waits for the session to be free, of which the last one tells, need not wait for more.
        drop((session, head, cuts, ears, telling, standing));
        if mouth.is_open() {
            mouth.leave().await;
        }
    }

    fn is_out_of_reach_for_too_long(&mut self) -> bool {
        if self.is_reachable() {
            self.lost_since = None;
            return false;
        }
        self.lost_since.get_or_insert_with(Instant::now).elapsed() > self.patience
    }

    fn is_reachable(&self) -> bool {
        self.mouth.is_well() && !self.ears.is_unreachable()
    }

    /// Takes what has happened in the session.
    fn read_log(&mut self) {
        loop {
            self.head.mark_unchanged();
            let entries = match self.session.log().read(self.next, BATCH) {
                Read::Entries(entries) if entries.is_empty() => break,
                Read::Entries(entries) => entries,
                Read::Lost => {
                    // What was forgotten cannot be said; it goes on with what comes.
                    self.next = self.session.log().next();
                    break;
                }
            };
            for entry in &entries {
                self.next = entry.seq + 1;
                self.on_event(entry.seq, &entry.turn, &entry.event);
            }
        }
        let before = *self.cuts.borrow_and_update();
        self.mouth.cut(before);
    }

    fn on_event(&mut self, number: u64, turn: &TurnId, event: &TurnEvent) {
        if self.replayed.as_ref() == Some(turn) {
            if event.is_terminal() {
                self.replayed = None;
            }
            return;
        }
        match event {
            TurnEvent::Accepted { replay: true, .. } => self.replayed = Some(turn.clone()),
            TurnEvent::Sentence(sentence) => {
                let heard = self.mouth.add(number, turn, sentence);
                self.heard = heard.or(self.heard.take());
            }
            TurnEvent::Finished(outcome) if outcome.reason == EndReason::Interrupted => {
                self.mouth.cut(number);
            }
            _ => {}
        }
    }

    /// Takes note of what counts as heard although nobody heard it.
    fn assume(&mut self, heard: Option<Heard>) {
        if heard.is_some() {
            metrics::counter!("anima_livetalking_assumed_total").increment(1);
            self.heard = heard;
        }
    }

    /// Tells the session what was heard, one thing after the other; the newest says it all.
    fn tell(&mut self) {
        if self.telling.is_some() {
            return;
        }
        if let Some(Heard { turn, sentence }) = self.heard.take() {
            let session = self.session.clone();
            self.telling = Some(Box::pin(async move { session.spoken(turn, sentence).await }));
        }
    }

    async fn step(&mut self, let_go: &mut oneshot::Receiver<()>) -> Step {
        let telling = async {
            match &mut self.telling {
                Some(telling) => telling.await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = let_go => Step::LetGo,
            // Both have a sender as long as we have the session.
            _ = self.cuts.changed() => Step::News,
            _ = self.head.changed() => Step::News,
            done = self.mouth.next() => Step::Done(done),
            noise = self.ears.next() => Step::Noise(noise),
            told = telling => Step::Told(told),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::News | Step::LetGo => {}
            Step::Noise(noise) => self.take_noise(noise),
            Step::Done(done) => {
                let is_heard = self.ears.is_open();
                let (heard, there) = self.mouth.take(done, is_heard);
                self.assume(heard);
                if there.is_err() && is_heard {
                    // A connection to what is gone stays open, and tells nothing.
                    let lost = self.ears.close();
                    self.take_noise(lost);
                }
            }
            Step::Told(told) => {
                self.telling = None;
                if let Err(error) = told {
                    debug!(error = %error, "What an avatar has said could not be kept");
                }
            }
        }
        self.report();
    }

    fn take_noise(&mut self, noise: Noise) {
        match noise {
            Noise::Opened => self.is_asked = true,
            Noise::Played(played) => {
                let heard = self.mouth.played(&played);
                self.heard = heard.or(self.heard.take());
            }
            Noise::Lost(error) => {
                let assumed = self.mouth.assume();
                self.assume(assumed);
                if !self.is_asked && matches!(error, Some(RendererError::NoSession)) {
                    self.standing.send_replace(Standing::Absent);
                }
                self.is_asked = true;
            }
        }
    }

    /// Says how the avatar stands, once that is known.
    fn report(&mut self) {
        let reachable = self.is_reachable();
        let now = Standing::Driven { reachable, acknowledges: self.ears.is_open() };
        let is_asked = self.is_asked;
        self.standing.send_if_modified(|standing| {
            let changes = is_asked && *standing != Standing::Absent && *standing != now;
            if changes {
                *standing = now;
            }
            changes
        });
    }
}
