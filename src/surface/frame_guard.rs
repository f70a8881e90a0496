//! Refuses what no client of ours sends, as early as it can be seen.
//!
//! actix-ws 0.4 waits for a whole frame before it looks at its size, so a header that declares a
//! huge frame would let a client fill the memory; it knows neither a limit for the number of
//! fragments nor one for the time that a message takes. This stream sits before it and reads along.

mod close;
mod frames;
mod header;
mod utf8;

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::{error::PayloadError, web::Bytes};
use futures::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use frames::Frames;
pub(super) use frames::MAX_FRAGMENTS;

/// How long a message may take to come in, from its first byte to its last.
const MESSAGE_DEADLINE: Duration = Duration::from_secs(10);

/// A client that has sent something within this part of the deadline is slow and not silent.
const LATELY: u32 = 5;

/// What a client did that ends its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Violation {
    /// A message larger than allowed.
    TooBig,
    /// A message in more fragments than allowed.
    TooManyFragments,
    /// A message that is still being sent after its deadline.
    TooSlow,
    /// A message whose rest did not come.
    Unfinished,
    /// A frame that nobody may send, or not there: reserved bits, an unknown opcode, no mask, a
    /// control frame that is too long, a reason for closing that does not exist, a fragment of nothing.
    Protocol,
    /// A text, or the words of a reason for closing, that is not UTF-8.
    NotUtf8,
}

/// Where the reader of a guarded stream finds what was wrong with it; an error on its way through
/// actix-ws loses its type.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdict(Arc<OnceLock<Violation>>);

impl Verdict {
    /// What was wrong, once the stream has ended with an error of the guard.
    pub(super) fn violation(&self) -> Option<Violation> {
        self.0.get().copied()
    }
}

/// A stream of request bytes that ends with an error where its client breaks a rule; what came
/// before is passed on first.
pub(super) struct FrameGuard<S> {
    inner: S,
    frames: Frames,
    verdict: Verdict,
    patience: Duration,
    /// Runs while a message is incomplete.
    deadline: Option<Pin<Box<Sleep>>>,
    heard_at: Instant,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// What came before the violation was passed on; its reader must get to it before the error,
    /// since actix-ws forgets what it has not parsed yet when it sees one.
    Yielding,
    Failing,
    Ended,
}

impl<S> FrameGuard<S> {
    /// Lets messages of at most `limit` bytes through.
    pub(super) fn new(inner: S, limit: usize) -> Self {
        Self {
            inner,
            frames: Frames::new(limit),
            verdict: Verdict::default(),
            patience: MESSAGE_DEADLINE,
            deadline: None,
            heard_at: Instant::now(),
            state: State::Open,
        }
    }

    /// Lets messages of at most so many fragments through.
    pub(super) fn with_max_fragments(mut self, most: u32) -> Self {
        self.frames.max_fragments = most;
        self
    }

    /// Where to look when the stream has ended with an error.
    pub(super) fn verdict(&self) -> Verdict {
        self.verdict.clone()
    }

    /// The part of `bytes` that may pass.
    fn admit(&mut self, bytes: &Bytes) -> Bytes {
        self.heard_at = Instant::now();
        let was_late = self.deadline.as_ref().is_some_and(|deadline| deadline.is_elapsed());
        match self.frames.push(bytes) {
            Ok(()) if was_late && !self.frames.finished_one() => {
                self.fail(Violation::TooSlow);
                Bytes::new()
            }
            Ok(()) => {
                if !self.frames.is_amid_message() {
                    self.deadline = None;
                } else if self.deadline.is_none() || self.frames.finished_one() {
                    let at = self.heard_at + self.patience;
                    self.deadline = Some(Box::pin(sleep_until(at)));
                }
                bytes.clone()
            }
            Err((good, violation)) => {
                self.fail(violation);
                bytes.slice(..good)
            }
        }
    }

    fn fail(&mut self, violation: Violation) {
        // Only the first counts, and there is only one.
        let _ = self.verdict.0.set(violation);
        self.state = State::Yielding;
    }
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for FrameGuard<S> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match self.state {
                State::Open => {}
                State::Yielding => {
                    self.state = State::Failing;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                State::Failing => {
                    self.state = State::Ended;
                    return Poll::Ready(Some(Err(PayloadError::Overflow)));
                }
                State::Ended => return Poll::Ready(None),
            }
            match Pin::new(&mut self.inner).poll_next(context) {
                Poll::Ready(Some(Ok(bytes))) => {
                    let passed = self.admit(&bytes);
                    if !passed.is_empty() {
                        return Poll::Ready(Some(Ok(passed)));
                    }
                }
                Poll::Pending => {
                    let Some(deadline) = &mut self.deadline else { return Poll::Pending };
                    ready!(deadline.as_mut().poll(context));
                    let is_sending = self.heard_at.elapsed() < self.patience / LATELY;
                    let violation =
                        if is_sending { Violation::TooSlow } else { Violation::Unfinished };
                    self.fail(violation);
                }
                end @ Poll::Ready(_) => return end,
            }
        }
    }
}

#[cfg(test)]
mod tests;
