//! Listens to what an avatar plays, and listens again when that ends.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, future::BoxFuture, stream::BoxStream};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::wire::{Played, Renderer, RendererError};

/// How long after a loss it is tried again, at first and at most; twice as long each time.
const AGAIN: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(10)];

/// What is heard of one avatar.
pub(super) struct Ears {
    renderer: Arc<Renderer>,
    avatar: String,
    state: State,
    pause: Duration,
    /// Whether the log says already that nothing is heard.
    is_told: bool,
    /// Whether nobody was there when it was last tried.
    is_unreachable: bool,
    /// Whether it was ever tried.
    is_tried: bool,
}

enum State {
    Waiting(Instant),
    Opening(BoxFuture<'static, Result<BoxStream<'static, Played>, RendererError>>),
    Open(BoxStream<'static, Played>),
}

/// What the ears have to tell.
#[derive(Debug)]
pub(super) enum Noise {
    /// The avatar is heard from now on.
    Opened,
    /// It plays something.
    Played(Played),
    /// It is not heard any more, or still not.
    Lost(Option<RendererError>),
}

impl Ears {
    pub(super) fn new(renderer: Arc<Renderer>, avatar: String) -> Self {
        let state = State::Waiting(Instant::now());
        let (is_told, is_unreachable, is_tried) = (false, false, false);
        Self { renderer, avatar, state, pause: AGAIN[0], is_told, is_unreachable, is_tried }
    }

    /// Whether the avatar is heard.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Whether nobody was there when it was last tried to hear the avatar.
    pub(super) fn is_unreachable(&self) -> bool {
        self.is_unreachable
    }

    /// Waits for what is next. Giving up waiting loses nothing.
    pub(super) async fn next(&mut self) -> Noise {
        loop {
            match &mut self.state {
                State::Waiting(until) => {
                    sleep_until(*until).await;
                    let (renderer, avatar) = (Arc::clone(&self.renderer), self.avatar.clone());
                    let opening = async move { renderer.listen(&avatar).await };
                    self.state = State::Opening(Box::pin(opening));
                }
                State::Opening(opening) => match opening.await {
                    Ok(events) => return self.open(events),
                    Err(error) => return self.lose(Some(error)),
                },
                State::Open(events) => match events.next().await {
                    Some(played) => return Noise::Played(played),
                    None => return self.lose(None),
                },
            }
        }
    }

    /// The avatar is gone; what is open to it tells nothing any more.
    pub(super) fn close(&mut self) -> Noise {
        self.lose(Some(RendererError::NoSession))
    }

    fn open(&mut self, events: BoxStream<'static, Played>) -> Noise {
        self.state = State::Open(events);
        (self.pause, self.is_unreachable, self.is_tried) = (AGAIN[0], false, true);
        if std::mem::take(&mut self.is_told) {
            info!("An avatar of LiveTalking is heard again");
        }
        Noise::Opened
    }

    fn lose(&mut self, error: Option<RendererError>) -> Noise {
        let never_was = !std::mem::replace(&mut self.is_tried, true)
            && matches!(error, Some(RendererError::NoSession));
        // Whoever named an avatar that is not there is told so, and nobody else.
        if !never_was && !std::mem::replace(&mut self.is_told, true) {
            let reason = error.as_ref().map(ToString::to_string);
            warn!(reason, "An avatar of LiveTalking is not heard: what it is told counts as heard");
        }
        // A server that has no such events is there all the same.
        self.is_unreachable =
            error.as_ref().is_some_and(|error| !matches!(error, RendererError::Refused(_)));
        self.state = State::Waiting(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(AGAIN[1]);
        Noise::Lost(error)
    }
}
