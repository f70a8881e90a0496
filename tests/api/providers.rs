//! The models of the tests.

use std::sync::Arc;

use anima_provider::{
    Capabilities, EventStream, FinishReason, Input, Message, Provider, ProviderError,
    ProviderEvent, Request, Role, Script, ScriptedProvider, Step,
};
use async_trait::async_trait;
use futures::{StreamExt, stream};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};

use crate::helpers::PATIENCE;

/// Three sentences for a short answer.
pub(crate) const ANSWER: &str = "[calm]先深呼吸，把大事拆成小步。累了就休息一会儿。";

/// Its sentences as they are released.
pub(crate) const SENTENCES: [&str; 3] = ["先深呼吸，", "把大事拆成小步。", "累了就休息一会儿。"];

/// A model that always gives the same answer.
pub(crate) fn answering(name: &str, answer: &'static str) -> Arc<ScriptedProvider> {
    Arc::new(ScriptedProvider::new(name, move |_| Ok(Script::saying([answer]))))
}

/// A model that always says the first two sentences of [`ANSWER`] and then nothing more.
pub(crate) fn hanging(name: &str) -> Arc<ScriptedProvider> {
    Arc::new(ScriptedProvider::new(name, |_| Ok(half_an_answer().then(Step::Hang))))
}

/// The beginning of [`ANSWER`], of which two sentences are released.
pub(crate) fn half_an_answer() -> Script {
    Script::admitted().text("[calm]先深呼吸，把大事拆成小步。累")
}

/// A model that plays these scripts, one for each request.
pub(crate) fn playing(
    name: &str,
    scripts: impl IntoIterator<Item = Script>,
) -> Arc<ScriptedProvider> {
    Arc::new(ScriptedProvider::playing(name, scripts))
}

/// A model that can only fail.
pub(crate) fn failing(name: &str) -> Arc<ScriptedProvider> {
    Arc::new(ScriptedProvider::playing(name, []))
}

/// A model that is down.
pub(crate) fn unavailable() -> ProviderError {
    ProviderError::Unavailable("the cable is cut at 10.0.0.7 with key sk-secret".into())
}

/// The conversation that a model was shown: who spoke, and what.
pub(crate) fn conversation(request: &Request) -> Vec<(Role, String)> {
    let Input::Chat { messages, .. } = &request.input else {
        panic!("not a conversation: {request:?}")
    };
    messages.iter().map(|Message { role, text, .. }| (*role, text.clone())).collect()
}

/// What a model was told about itself.
pub(crate) fn system(request: &Request) -> String {
    match &request.input {
        Input::Chat { system, .. } => system.clone().unwrap_or_default(),
        Input::Text { .. } => panic!("not a conversation: {request:?}"),
    }
}

/// Something the person said.
pub(crate) fn user(text: &str) -> (Role, String) {
    (Role::User, text.to_owned())
}

/// Something the digital human said.
pub(crate) fn assistant(text: &str) -> (Role, String) {
    (Role::Assistant, text.to_owned())
}

/// A model that the test itself speaks for.
pub(crate) struct Puppet {
    name: String,
    capabilities: Capabilities,
    asked: UnboundedSender<Asked>,
}

/// The test's end of a [`Puppet`].
pub(crate) struct Hand {
    asked: UnboundedReceiver<Asked>,
}

/// A request to a [`Puppet`], and the way to answer it.
pub(crate) struct Asked {
    /// What it was asked.
    pub(crate) request: Request,
    events: UnboundedSender<Result<ProviderEvent, ProviderError>>,
}

impl Puppet {
    pub(crate) fn new(name: &str) -> (Arc<Self>, Hand) {
        let (asked, requests) = unbounded_channel();
        let capabilities =
            Capabilities { chat: true, text: true, images: true, ..Capabilities::default() };
        let puppet = Self { name: name.to_owned(), capabilities, asked };
        (Arc::new(puppet), Hand { asked: requests })
    }
}

#[async_trait]
impl Provider for Puppet {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn count_tokens(&self, _request: &Request) -> Option<usize> {
        None
    }

    async fn generate(&self, request: Request) -> Result<EventStream, ProviderError> {
        let (events, told) = unbounded_channel();
        self.asked.send(Asked { request, events }).map_err(|_| unavailable())?;
        let next = |mut told: UnboundedReceiver<_>| async move { Some((told.recv().await?, told)) };
        Ok(stream::unfold(told, next).boxed())
    }
}

impl Hand {
    /// The next request.
    pub(crate) async fn asked(&mut self) -> Asked {
        timeout(PATIENCE, self.asked.recv()).await.expect("nobody asked").unwrap()
    }

    /// The next request, admitted.
    pub(crate) async fn admitted(&mut self) -> Asked {
        let asked = self.asked().await;
        asked.admit();
        asked
    }

    /// Whether nothing was asked since.
    pub(crate) fn is_idle(&mut self) -> bool {
        self.asked.try_recv().is_err()
    }
}

impl Asked {
    pub(crate) fn admit(&self) {
        self.tell(ProviderEvent::Admitted { model: "puppet".to_owned() });
    }

    pub(crate) fn say(&self, text: &str) {
        self.tell(ProviderEvent::Text(text.to_owned()));
    }

    pub(crate) fn finish(self) {
        self.tell(ProviderEvent::Done { reason: FinishReason::Stop, usage: None });
    }

    fn tell(&self, event: ProviderEvent) {
        // Whoever does not listen any more misses nothing.
        let _ = self.events.send(Ok(event));
    }
}
