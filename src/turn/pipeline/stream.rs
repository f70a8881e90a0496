//! The events of a turn on their way to whoever listens.

use std::{
    future::poll_fn,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

use futures::{FutureExt, future::BoxFuture};
use tokio::{
    runtime::Handle,
    sync::mpsc::{self, Sender},
    task::JoinHandle,
};

use super::bell::Bell;
use crate::turn::TurnEvent;

/// How often events may wait for the reader of a [`TurnStream`]; a full queue makes the provider
/// wait.
const QUEUE: usize = 64;

/// The events of a turn from `Queued` or `Started` to its end. Dropping it stops the turn.
///
/// What was released together comes together, so that nobody who stops in between has a sentence
/// without its caption.
pub struct TurnStream {
    events: mpsc::Receiver<Vec<TurnEvent>>,
    work: Work,
}

/// Who gets the turn on.
enum Work {
    /// A task of its own.
    Task(JoinHandle<()>),
    /// Its reader, whenever that asks for events; it stands still while nobody does.
    Reader(Carried),
    /// Nobody: it has ended.
    Nobody,
}

/// A turn that its reader gets on.
struct Carried {
    /// Never locked: with the mutex it can be shared between threads as any other value.
    turn: Mutex<BoxFuture<'static, ()>>,
    /// Rings when the turn may go on.
    bell: Arc<Bell>,
    waker: Waker,
}

impl Carried {
    /// Gets the turn on, where it may go on.
    fn poll(&mut self, context: &Context<'_>) -> Poll<()> {
        if !self.bell.has_rung(context) {
            return Poll::Pending;
        }
        let turn = self.turn.get_mut().unwrap_or_else(PoisonError::into_inner);
        turn.poll_unpin(&mut Context::from_waker(&self.waker))
    }
}

impl TurnStream {
    /// A turn that goes on by itself, on this runtime.
    pub(super) fn spawn<F>(runtime: &Handle, turn: impl FnOnce(Sender<Vec<TurnEvent>>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, events) = mpsc::channel(QUEUE);
        Self { events, work: Work::Task(runtime.spawn(turn(sender))) }
    }

    /// A turn that its reader gets on, which saves waking another task for every piece of it.
    pub(super) fn of_reader<F>(turn: impl FnOnce(Sender<Vec<TurnEvent>>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, events) = mpsc::channel(QUEUE);
        // A panic ends the turn and not its reader, as it would on a task.
        let turn = AssertUnwindSafe(turn(sender)).catch_unwind().map(drop);
        let (bell, waker) = Bell::new();
        let turn = Carried { turn: Mutex::new(turn.boxed()), bell, waker };
        Self { events, work: Work::Reader(turn) }
    }

    /// The next events; a terminal one is the last, and alone.
    pub async fn next(&mut self) -> Option<Vec<TurnEvent>> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The same for those who wait for other things, too.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Vec<TurnEvent>>> {
        if let Work::Reader(turn) = &mut self.work {
            // The queue is not waited for: what fills it is done here.
            if let Ok(events) = self.events.try_recv() {
                return Poll::Ready(Some(events));
            }
            match turn.poll(context) {
                Poll::Pending => {
                    return self
                        .events
                        .try_recv()
                        .map_or(Poll::Pending, |it| Poll::Ready(Some(it)));
                }
                Poll::Ready(()) => self.work = Work::Nobody,
            }
        }
        self.events.poll_recv(context)
    }

    /// Events that have come already.
    pub fn try_next(&mut self) -> Option<Vec<TurnEvent>> {
        self.events.try_recv().ok()
    }

    /// Stops the turn and waits until it has left its provider, its place in the queue included.
    pub async fn stop(mut self) {
        if let Work::Task(task) = &mut self.work {
            task.abort();
            // The error says that it was stopped, which is what we want.
            let _ = task.await;
        }
    }
}

impl Drop for TurnStream {
    fn drop(&mut self) {
        if let Work::Task(task) = &self.work {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use futures::poll;
    use tokio::{sync::oneshot, time::sleep};

    use super::*;

    fn delta(text: usize) -> Vec<TurnEvent> {
        vec![TurnEvent::Delta(text.to_string())]
    }

    /// Sends this many events, waits in the middle, and then does `last`.
    async fn turn(events: Sender<Vec<TurnEvent>>, count: usize, last: fn()) {
        for number in 0..count {
            if number == count / 2 {
                sleep(Duration::from_millis(5)).await;
            }
            events.send(delta(number)).await.unwrap();
        }
        last();
    }

    async fn read(mut stream: TurnStream) -> Vec<Vec<TurnEvent>> {
        let mut read = Vec::new();
        while let Some(events) = stream.next().await {
            read.push(events);
        }
        assert_eq!(stream.next().await, None);
        read
    }

    #[tokio::test]
    async fn everything_comes_in_order_whoever_gets_the_turn_on() {
        for count in [1, 2, QUEUE, 3 * QUEUE + 1] {
            let expected: Vec<_> = (0..count).map(delta).collect();
            let quiet: fn() = || ();
            let spawned = TurnStream::spawn(&Handle::current(), |it| turn(it, count, quiet));
            assert_eq!(read(spawned).await, expected);
            assert_eq!(read(TurnStream::of_reader(|it| turn(it, count, quiet))).await, expected);
        }
    }

    #[tokio::test]
    async fn a_panic_ends_the_turn_and_not_its_reader() {
        let broken: fn() = || panic!("a test");
        assert_eq!(read(TurnStream::of_reader(|it| turn(it, 2, broken))).await.len(), 2);
    }

    #[tokio::test]
    async fn a_turn_is_got_on_only_when_it_has_called() {
        let (called, calls) = oneshot::channel::<()>();
        let polls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&polls);
        let mut stream = TurnStream::of_reader(|events| async move {
            let mut calls = pin!(calls);
            poll_fn(|context| {
                counted.fetch_add(1, Ordering::Relaxed);
                calls.poll_unpin(context).map(drop)
            })
            .await;
            events.send(delta(0)).await.unwrap();
        });
        for _ in 0..3 {
            assert!(poll!(pin!(stream.next())).is_pending());
        }
        assert_eq!(polls.load(Ordering::Relaxed), 1);
        called.send(()).unwrap();
        assert_eq!(stream.next().await, Some(delta(0)));
        assert_eq!(polls.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn what_its_reader_gets_on_ends_with_it() {
        let (held, mut is_held) = oneshot::channel::<()>();
        let mut stream = TurnStream::of_reader(|events| async move {
            let _held = held;
            turn(events, 2, || ()).await;
        });
        assert_eq!(stream.next().await, Some(delta(0)));
        assert!(poll!(&mut is_held).is_pending());
        stream.stop().await;
        assert!(poll!(&mut is_held).is_ready());
    }
}
