//! Tells an avatar what to say and when to stop: one sentence at a time, in their order, and nothing of
//! an answer that was cut.
//!
//! A server that fails is left alone for a while, longer each time. What it is not told meanwhile is not
//! said later: it is text that people have read, and counts as heard.

use std::{future::pending, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::{
    playback::{Heard, Playback},
    wire::{Played, Renderer, RendererError},
};
use crate::turn::{Sentence, TurnId};

/// How long a server is left alone after a failure, at first and at most; twice as long each time.
const PAUSE: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(10)];
/// Calls that fail one after the other before what is waiting is not said.
const TRIES: u32 = 3;
/// How long nothing is asked of a server that is well before it is asked whether the avatar is there.
const PROBE: Duration = Duration::from_secs(30);

/// A call under way.
type Calling = BoxFuture<'static, Result<(), RendererError>>;

/// What one avatar is told.
pub(super) struct Mouth {
    renderer: Arc<Renderer>,
    avatar: String,
    playback: Playback,
    call: Option<Call>,
    hush: Hush,
    /// Calls that have failed since the last one that did not.
    failures: u32,
    /// Whether the log says already that something is wrong.
    is_told: bool,
    /// Nothing more is said before that.
    rests_until: Option<Instant>,
    /// When the last call ended.
    called: Instant,
}

/// A call under way that is no interruption.
struct Call {
    /// The number of the line that is told; a probe has none.
    line: Option<u64>,
    /// What it says was cut.
    is_void: bool,
    answer: Calling,
}

/// The interruption.
#[derive(Default)]
struct Hush {
    call: Option<Calling>,
    /// When the avatar has to be told to stop, if it has to.
    due: Option<Instant>,
    failures: u32,
}

/// What has come of waiting.
pub(super) enum Done {
    /// A call, or a probe.
    Called(Result<(), RendererError>),
    /// An interruption.
    Hushed(Result<(), RendererError>),
    /// A pause is over.
    Rested,
}

impl Mouth {
    pub(super) fn new(renderer: Arc<Renderer>, avatar: String) -> Self {
        let (playback, hush, now) = (Playback::default(), Hush::default(), Instant::now());
        Self {
            renderer,
            avatar,
            playback,
            call: None,
            hush,
            failures: 0,
            is_told: false,
            rests_until: None,
            called: now,
        }
    }

    /// Whether the server did as it was last asked.
    pub(super) fn is_well(&self) -> bool {
        self.failures == 0 && self.hush.failures == 0
    }

    /// Whether the avatar may be saying something.
    pub(super) fn is_open(&self) -> bool {
        let tells = self.call.as_ref().is_some_and(|call| call.line.is_some());
        tells || self.hush.call.is_some() || self.hush.due.is_some() || self.playback.is_open()
    }

    /// Takes a sentence that is to be said.
    pub(super) fn add(&mut self, number: u64, turn: &TurnId, sentence: &Sentence) -> Option<Heard> {
        self.playback.add(number, turn, sentence)
    }

    /// Takes note of what the avatar plays.
    pub(super) fn played(&mut self, played: &Played) -> Option<Heard> {
        self.playback.played(played)
    }

    /// What was told counts as heard, since nobody listens.
    pub(super) fn assume(&mut self) -> Option<Heard> {
        self.playback.assume()
    }

    /// The person has cut in on everything with a lower number than `before`.
    ///
    /// The interruption goes out at once, beside a sentence that is on its way; since that may arrive
    /// later, it is followed by another one.
    pub(super) fn cut(&mut self, before: u64) {
        let mut speaks = self.playback.cut(before);
        if let Some(call) = &mut self.call
            && call.line.is_some_and(|number| number < before)
        {
            speaks |= !call.is_void;
            call.is_void = true;
        }
        if speaks {
            self.hush.due = Some(Instant::now());
            self.hush.failures = 0;
        }
    }

    /// Begins what is due. What is not said because the server rests counts as heard.
    pub(super) fn begin(&mut self) -> Option<Heard> {
        let now = Instant::now();
        if self.hush.call.is_none() && self.hush.due.is_some_and(|due| due <= now) {
            self.hush.due = None;
            let (renderer, avatar) = (Arc::clone(&self.renderer), self.avatar.clone());
            self.hush.call = Some(Box::pin(async move { renderer.interrupt(&avatar).await }));
        }
        if self.rests_until.is_some_and(|until| now < until) {
            return if self.failures >= TRIES { self.playback.skip() } else { None };
        }
        if self.call.is_some() || self.hush.call.is_some() || self.hush.due.is_some() {
            return None;
        }
        let (renderer, avatar) = (Arc::clone(&self.renderer), self.avatar.clone());
        if let Some(line) = self.playback.next().cloned() {
            let number = Some(line.number);
            let answer = Box::pin(async move { renderer.say(&avatar, &line).await });
            self.call = Some(Call { line: number, is_void: false, answer });
        } else if now >= self.probes_at() {
            let answer = Box::pin(async move { renderer.probe(&avatar).await });
            self.call = Some(Call { line: None, is_void: false, answer });
        }
        None
    }

    /// Waits for what has been begun, or for the end of a pause. Giving up waiting loses nothing.
    pub(super) async fn next(&mut self) -> Done {
        let wake = self.wakes_at(Instant::now());
        let calling = async {
            match &mut self.call {
                Some(call) => (&mut call.answer).await,
                None => pending().await,
            }
        };
        let hushing = async {
            match &mut self.hush.call {
                Some(call) => call.await,
                None => pending().await,
            }
        };
        let resting = async {
            match wake {
                Some(wake) => sleep_until(wake).await,
                None => pending().await,
            }
        };
        tokio::select! {
            answer = hushing => Done::Hushed(answer),
            answer = calling => Done::Called(answer),
            () = resting => Done::Rested,
        }
    }

    /// When something is due that nothing else tells.
    fn wakes_at(&self, now: Instant) -> Option<Instant> {
        let hush = self.hush.due.filter(|_| self.hush.call.is_none());
        let rest = self.rests_until.filter(|until| *until > now);
        let is_busy = self.call.is_some() || self.hush.call.is_some() || hush.is_some();
        let probe = (!is_busy && rest.is_none()).then(|| self.probes_at());
        [hush, rest, probe].into_iter().flatten().min()
    }

    /// When the server is asked whether the avatar is there, if nothing else is asked of it: soon, where
    /// something has failed.
    fn probes_at(&self) -> Instant {
        let failures = self.failures.max(self.hush.failures);
        self.called + if failures == 0 { PROBE } else { pause(failures) }
    }

    /// Takes what has come of waiting. `is_heard` says whether somebody listens to the avatar.
    ///
    /// # Errors
    /// When the server has no such avatar.
    pub(super) fn take(&mut self, done: Done, is_heard: bool) -> (Option<Heard>, Result<(), Gone>) {
        match done {
            Done::Rested => (None, Ok(())),
            Done::Hushed(answer) => (None, self.take_hush(answer)),
            Done::Called(answer) => self.take_call(answer, is_heard),
        }
    }

    fn take_hush(&mut self, answer: Result<(), RendererError>) -> Result<(), Gone> {
        self.hush.call = None;
        self.called = Instant::now();
        let Err(error) = answer else {
            self.do_well();
            return Ok(());
        };
        self.hush.failures += 1;
        self.note(&error);
        let is_gone = matches!(error, RendererError::NoSession);
        // Who is gone is silent; and the next answer begins with an interruption.
        let goes_on = !is_gone && self.hush.failures < TRIES && self.hush.due.is_none();
        if goes_on {
            self.hush.due = Some(Instant::now() + pause(self.hush.failures));
        }
        if is_gone { Err(Gone) } else { Ok(()) }
    }

    fn take_call(
        &mut self,
        answer: Result<(), RendererError>,
        is_heard: bool,
    ) -> (Option<Heard>, Result<(), Gone>) {
        let Some(Call { line, is_void, .. }) = self.call.take() else { return (None, Ok(())) };
        self.called = Instant::now();
        if is_void {
            // It may have come after the interruption.
            self.hush.due = Some(Instant::now());
        }
        // What may have been told must not be told twice.
        let is_told = answer.as_ref().map_or_else(|error| !error.is_harmless(), |()| true);
        if is_told && line.is_some() && !is_void {
            self.playback.was_told();
        }
        let heard = if is_heard { None } else { self.playback.assume() };
        let Err(error) = answer else {
            self.do_well();
            return (heard, Ok(()));
        };
        let is_gone = matches!(error, RendererError::NoSession);
        self.failures = if is_gone { self.failures.max(TRIES) } else { self.failures + 1 };
        self.rests_until = Some(Instant::now() + pause(self.failures));
        self.note(&error);
        (heard, if is_gone { Err(Gone) } else { Ok(()) })
    }

    fn do_well(&mut self) {
        if std::mem::take(&mut self.is_told) {
            info!("An avatar of LiveTalking does as it is told again");
        }
        (self.failures, self.hush.failures, self.rests_until) = (0, 0, None);
    }

    /// Says what is wrong, once until it is right again.
    fn note(&mut self, error: &RendererError) {
        if !std::mem::replace(&mut self.is_told, true) {
            warn!(error = %error, "An avatar was not told what to do: {error}");
        }
    }

    /// Lets the avatar fall silent, as far as it can be told so in time.
    pub(super) async fn leave(self) {
        let mut stopped = self.renderer.interrupt(&self.avatar).await;
        if let Some(call) = self.call.filter(|call| call.line.is_some()) {
            // It may have come after the interruption.
            let _ = call.answer.await;
            stopped = self.renderer.interrupt(&self.avatar).await;
        }
        if let Err(error) = stopped {
            warn!(error = %error, "An avatar that was let go was not told to stop: {error}");
        }
    }
}

/// The server has no such avatar.
pub(super) struct Gone;

fn pause(failures: u32) -> Duration {
    (PAUSE[0] * 2_u32.saturating_pow(failures.saturating_sub(1).min(10))).min(PAUSE[1])
}
