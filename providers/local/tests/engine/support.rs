//! Short ways to ask and to listen.

use std::time::Duration;

use anima_local::{LocalProvider, LocalSettings};
use anima_provider::{
    EventStream, FinishReason, Input, LaneId, Message, Provider, ProviderEvent, Request, Role,
    Sampling, Usage,
};
use futures::StreamExt;

use crate::fixture::Folder;

/// A provider and the folder that it was loaded from, which it may need again.
pub(crate) struct Loaded {
    pub(crate) provider: LocalProvider,
    pub(crate) _folder: Folder,
}

pub(crate) async fn load(folder: Folder) -> Loaded {
    load_with(folder, |_| {}).await
}

pub(crate) async fn load_with(folder: Folder, change: impl FnOnce(&mut LocalSettings)) -> Loaded {
    let mut settings = LocalSettings::new(folder.path());
    change(&mut settings);
    let provider = LocalProvider::load("tiny", settings).await.unwrap();
    Loaded { provider, _folder: folder }
}

pub(crate) fn greedy(max_tokens: u32) -> Sampling {
    Sampling { temperature: Some(0.0), max_tokens: Some(max_tokens), ..Sampling::default() }
}

pub(crate) fn question(text: &str) -> Request {
    in_lane(text, "test", 16)
}

pub(crate) fn in_lane(text: &str, lane: &str, max_tokens: u32) -> Request {
    let input = Input::Chat { system: None, messages: vec![Message::new(Role::User, text)] };
    Request::new(input, greedy(max_tokens), LaneId(lane.to_owned()))
}

/// The text, the reason, the usage and the places of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Heard {
    pub(crate) text: String,
    pub(crate) reason: FinishReason,
    pub(crate) usage: Usage,
    pub(crate) places: Vec<u32>,
}

pub(crate) async fn ask(provider: &LocalProvider, request: Request) -> Heard {
    listen(provider.generate(request).await.unwrap()).await
}

pub(crate) async fn listen(mut events: EventStream) -> Heard {
    let (mut text, mut places) = (String::new(), Vec::new());
    while let Some(event) =
        tokio::time::timeout(Duration::from_secs(30), events.next()).await.unwrap()
    {
        match event.unwrap() {
            ProviderEvent::Queued { ahead } => places.push(ahead),
            ProviderEvent::Text(piece) => text.push_str(&piece),
            ProviderEvent::Done { reason, usage } => {
                return Heard { text, reason, usage: usage.unwrap(), places };
            }
            ProviderEvent::Admitted { .. }
            | ProviderEvent::Reasoning(_)
            | ProviderEvent::Logprobs(_)
            | ProviderEvent::Tool(_) => {}
        }
    }
    panic!("the stream ended without an end event");
}

/// Reads until the request is being answered.
pub(crate) async fn until_admitted(events: &mut EventStream) {
    while let Some(event) = events.next().await {
        if matches!(event.unwrap(), ProviderEvent::Admitted { .. }) {
            return;
        }
    }
    panic!("never admitted");
}
