//! How long something is waited for, again and again.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// A deadline for one thing after the other.
///
/// To set a timer for every token and to take it back would cost more than reading the token. So
/// there is one timer, which is set anew only when it has gone off too early.
#[derive(Debug, Default)]
pub struct Patience {
    /// Nothing is waited for without it.
    until: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// From now on something is waited for, no longer than `limit`; nothing changes where it is
    /// waited for already.
    pub fn begin(&mut self, limit: Duration) {
        if self.until.is_none() {
            self.until = Some(Instant::now() + limit);
        }
    }

    /// It has come.
    pub fn end(&mut self) {
        self.until = None;
    }

    /// Ends when it has not come in time; never while nothing is waited for.
    pub async fn runs_out(&mut self) {
        poll_fn(|context| self.poll_runs_out(context)).await;
    }

    /// The same for those who wait for other things, too.
    pub fn poll_runs_out(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(until) = self.until else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if until < timer.deadline() {
            timer.as_mut().reset(until);
        }
        loop {
            ready!(timer.as_mut().poll(context));
            if until <= timer.deadline() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(until);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(20);

    async fn waits(patience: &mut Patience, limit: Duration) -> Duration {
        let begun = Instant::now();
        patience.begin(limit);
        patience.runs_out().await;
        patience.end();
        begun.elapsed()
    }

    #[tokio::test]
    async fn it_runs_out_after_its_limit_and_not_before() {
        let mut patience = Patience::default();
        assert!(timeout(MOMENT, patience.runs_out()).await.is_err());
        // Each of them finds the timer of the one before.
        for moments in [1, 4, 2] {
            assert!(waits(&mut patience, MOMENT * moments).await >= MOMENT * moments);
        }
        patience.begin(Duration::from_mins(10));
        assert!(timeout(MOMENT, patience.runs_out()).await.is_err());
        patience.end();
        assert!(waits(&mut patience, MOMENT).await < Duration::from_mins(1));
    }

    #[tokio::test]
    async fn what_is_waited_for_already_keeps_its_deadline() {
        let mut patience = Patience::default();
        patience.begin(MOMENT);
        assert!(timeout(MOMENT / 2, patience.runs_out()).await.is_err());
        patience.begin(Duration::from_mins(10));
        assert!(timeout(Duration::from_mins(1), patience.runs_out()).await.is_ok());
    }
}
