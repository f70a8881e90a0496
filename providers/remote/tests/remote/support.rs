//! Providers of every kind, and what they say.

use std::time::{Duration, Instant};

use anima_provider::{
    EventStream, FinishReason, Input, LaneId, Message, Provider, ProviderError, ProviderEvent,
    Request, Role, Sampling,
};
use anima_remote::{RemoteProvider, SecretSource, SetupError};
use anima_upstream::{Plan, Upstream};
use futures::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The key of every account.
pub(crate) const KEY: &str = "account.key-of-the-tests";

/// What the stand-in says when nothing goes wrong.
pub(crate) const TEXT: &str = "慢慢呼吸几次，把大事拆成小步。再找人聊聊。";

/// The kinds of provider, the two APIs of `openai` and the two servers that `chatglm` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    OpenAi,
    Responses,
    ChatGlm,
    ChatGlm3,
    Gemini,
}

pub(crate) const KINDS: [Kind; 5] =
    [Kind::OpenAi, Kind::Responses, Kind::ChatGlm, Kind::ChatGlm3, Kind::Gemini];

impl Kind {
    /// Where its server is on the stand-in.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::OpenAi | Self::Responses => "/v1",
            Self::ChatGlm => "/api/paas/v4",
            Self::ChatGlm3 => "/chatglm3/v1",
            Self::Gemini => "/v1beta",
        }
    }

    /// A provider at `base`, with `changes` of its settings.
    pub(crate) fn at(self, base: &str, changes: &Value) -> Result<RemoteProvider, SetupError> {
        let mut settings = json!({ "model": "stand-in", "base_url": base });
        if self != Self::ChatGlm3 {
            settings["api_key_env"] = json!("KEY");
        }
        if self == Self::Responses {
            settings["api"] = json!("responses");
        }
        for (key, value) in changes.as_object().into_iter().flatten() {
            settings[key] = value.clone();
        }
        self.with(settings)
    }

    /// A provider with these settings and no others.
    pub(crate) fn with(self, settings: Value) -> Result<RemoteProvider, SetupError> {
        fn read<T: DeserializeOwned>(settings: Value) -> T {
            serde_json::from_value(settings).unwrap()
        }
        let reveal = |source: SecretSource<'_>| match source {
            SecretSource::Variable("KEY") => Ok(KEY.to_owned().into()),
            SecretSource::Variable(name) => Err(format!("the variable {name} is not set")),
            SecretSource::File(path) => Ok(path.to_string_lossy().into_owned().into()),
        };
        match self {
            Self::OpenAi | Self::Responses => RemoteProvider::openai("it", read(settings), &reveal),
            Self::ChatGlm | Self::ChatGlm3 => {
                RemoteProvider::chatglm("it", read(settings), &reveal)
            }
            Self::Gemini => RemoteProvider::gemini("it", read(settings), &reveal),
        }
    }

    /// A stand-in that does as `plan` says, and a provider that asks it.
    pub(crate) async fn start(self, plan: Plan) -> (Upstream, RemoteProvider) {
        self.start_with(plan, &json!({})).await
    }

    /// The same with changes of the settings.
    pub(crate) async fn start_with(
        self,
        plan: Plan,
        changes: &Value,
    ) -> (Upstream, RemoteProvider) {
        let upstream = Upstream::start(plan).await.unwrap();
        let provider = self.at(&upstream.url(self.path()), changes).unwrap();
        (upstream, provider)
    }
}

/// A question, asked in a lane of its own.
pub(crate) fn question(lane: &str) -> Request {
    let messages = vec![Message::new(Role::User, "如何应对压力")];
    let input = Input::Chat { system: Some("你是灵犀。".to_owned()), messages };
    Request::new(input, Sampling::default(), LaneId(lane.to_owned()))
}

/// What came of a question.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) text: String,
    pub(crate) reasoning: String,
    pub(crate) end: Result<FinishReason, ProviderError>,
}

impl Heard {
    /// The end in one word, to compare.
    pub(crate) fn end(&self) -> String {
        match &self.end {
            Ok(FinishReason::Stop) => "stop".to_owned(),
            Ok(FinishReason::Length) => "length".to_owned(),
            Ok(FinishReason::Filtered) => "filtered".to_owned(),
            Ok(FinishReason::ToolCalls) => "tool_calls".to_owned(),
            Err(ProviderError::Unauthorized) => "unauthorized".to_owned(),
            Err(ProviderError::RateLimited { retry_after: None }) => "limited".to_owned(),
            Err(ProviderError::RateLimited { retry_after: Some(wait) }) => {
                format!("limited {}", wait.as_millis())
            }
            Err(ProviderError::ContextOverflow { .. }) => "overflow".to_owned(),
            Err(ProviderError::Refused(_)) => "refused".to_owned(),
            Err(ProviderError::InvalidRequest { .. }) => "invalid".to_owned(),
            Err(ProviderError::Unsupported { .. }) => "unsupported".to_owned(),
            Err(ProviderError::Timeout(_)) => "timeout".to_owned(),
            Err(ProviderError::Unavailable(_)) => "unavailable".to_owned(),
            Err(ProviderError::Protocol(_)) => "protocol".to_owned(),
        }
    }
}

/// Asks and listens to the end. Nothing may come after it.
pub(crate) async fn hear(provider: &dyn Provider) -> Heard {
    let mut events = match provider.generate(question("one")).await {
        Ok(events) => events,
        Err(error) => {
            return Heard { text: String::new(), reasoning: String::new(), end: Err(error) };
        }
    };
    let first = next(&mut events).await.unwrap().unwrap();
    assert_eq!(first, ProviderEvent::Admitted { model: "stand-in".to_owned() });
    let (mut text, mut reasoning) = (String::new(), String::new());
    let end = loop {
        match next(&mut events).await.expect("an answer has an end") {
            Ok(ProviderEvent::Text(piece)) => text.push_str(&piece),
            Ok(ProviderEvent::Reasoning(piece)) => reasoning.push_str(&piece),
            Ok(ProviderEvent::Done { reason, .. }) => break Ok(reason),
            Ok(other) => panic!("{other:?} within an answer"),
            Err(error) => break Err(error),
        }
    };
    assert!(next(&mut events).await.is_none(), "something came after the end");
    Heard { text, reasoning, end }
}

/// The next event.
pub(crate) async fn next(events: &mut EventStream) -> Option<Result<ProviderEvent, ProviderError>> {
    timeout(PATIENCE, events.next()).await.expect("nothing came")
}

/// Reads to the text of this number.
pub(crate) async fn texts(events: &mut EventStream, number: usize) {
    let mut heard = 0;
    while heard < number {
        if let ProviderEvent::Text(_) = next(events).await.unwrap().unwrap() {
            heard += 1;
        }
    }
}

/// Waits until something holds, and says how long that took.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        sleep(Duration::from_millis(1)).await;
    }
    begun.elapsed()
}
