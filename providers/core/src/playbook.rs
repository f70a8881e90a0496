//! A provider that answers from a written playbook, timings and failures included: for
//! demonstrations without a model, and for tests of what a model may do wrong.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;

use crate::{
    BoxError, Capabilities, EventStream, FinishReason, Input, Provider, ProviderError,
    ProviderEvent, Request, Script, Step,
};

/// What stands for the person's words in [`Line::says`].
const SAID: &str = "{said}";

/// What stands for all that the model is shown before these words.
const SHOWN: &str = "{shown}";

/// Answers and when to give them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Playbook {
    /// The answers; the first one that fits a question is given.
    pub answers: Vec<Line>,
}

/// An answer and what it is given to.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Line {
    /// Texts of which one is found in the question, whatever its case; none fits every question.
    pub asks: Vec<String>,
    /// What is said; `{said}` stands for the question, `{shown}` for what is shown before it.
    pub says: String,
    /// What is thought before it is said.
    pub thinks: String,
    /// Characters that come at a time; 0 means all at once.
    pub characters: usize,
    /// Milliseconds before the first piece.
    pub first_ms: u64,
    /// Milliseconds between two pieces.
    pub every_ms: u64,
    /// How it ends after what was said.
    pub ends: Ending,
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Of itself.
    #[default]
    Stop,
    /// At the token limit.
    Length,
    /// By the content filter.
    Filtered,
    /// Not at all: nothing more comes.
    Hang,
    /// The provider is unavailable.
    Unavailable,
    /// The provider is at its limit.
    RateLimited,
    /// The provider refuses our key.
    Unauthorized,
    /// The provider declines to answer.
    Refused,
    /// The provider gives something that is no answer.
    Protocol,
}

impl Ending {
    fn step(self) -> Step {
        let done = |reason| Step::Event(ProviderEvent::Done { reason, usage: None });
        match self {
            Self::Stop => done(FinishReason::Stop),
            Self::Length => done(FinishReason::Length),
            Self::Filtered => done(FinishReason::Filtered),
            Self::Hang => Step::Hang,
            Self::Unavailable => Step::Fail(ProviderError::Unavailable(scripted())),
            Self::RateLimited => Step::Fail(ProviderError::RateLimited { retry_after: None }),
            Self::Unauthorized => Step::Fail(ProviderError::Unauthorized),
            Self::Refused => Step::Fail(ProviderError::Refused("as written".to_owned())),
            Self::Protocol => Step::Fail(ProviderError::Protocol(scripted())),
        }
    }
}

fn scripted() -> BoxError {
    "as written in the playbook".into()
}

impl Line {
    fn fits(&self, question: &str) -> bool {
        let question = question.to_lowercase();
        self.asks.is_empty() || self.asks.iter().any(|text| question.contains(&text.to_lowercase()))
    }

    fn script(&self, input: &Input) -> Script {
        let mut script = Script::admitted();
        let wait = |milliseconds| Step::Wait(Duration::from_millis(milliseconds));
        if self.first_ms > 0 {
            script = script.then(wait(self.first_ms));
        }
        if !self.thinks.is_empty() {
            script = script.then(Step::Event(ProviderEvent::Reasoning(self.thinks.clone())));
        }
        for (number, piece) in pieces(&filled(&self.says, input), self.characters) {
            if number > 0 && self.every_ms > 0 {
                script = script.then(wait(self.every_ms));
            }
            script = script.text(piece);
        }
        script.then(self.ends.step())
    }
}

/// A text with its placeholders filled; one that stands in what they are filled with is text.
fn filled(says: &str, input: &Input) -> String {
    let mut filled = String::new();
    let mut rest = says;
    while let Some((before, from)) = rest.find('{').map(|at| rest.split_at(at)) {
        filled.push_str(before);
        let (text, after) = if let Some(after) = from.strip_prefix(SAID) {
            (input.said(), after)
        } else if let Some(after) = from.strip_prefix(SHOWN) {
            (input.shown(), after)
        } else {
            ("{".to_owned(), &from[1..])
        };
        filled.push_str(&text);
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// A text in numbered pieces of `characters`.
fn pieces(text: &str, characters: usize) -> impl Iterator<Item = (usize, String)> {
    let size = if characters == 0 { usize::MAX } else { characters };
    let mut left = text.chars();
    let cut = move || Some(left.by_ref().take(size).collect::<String>());
    std::iter::from_fn(cut).take_while(|piece| !piece.is_empty()).enumerate()
}

/// A provider that answers from a [`Playbook`].
pub struct PlaybookProvider {
    name: String,
    playbook: Playbook,
    capabilities: Capabilities,
}

impl PlaybookProvider {
    /// A provider under this name.
    pub fn new(name: impl Into<String>, playbook: Playbook) -> Self {
        let capabilities = Capabilities { chat: true, text: true, ..Capabilities::default() };
        Self { name: name.into(), playbook, capabilities }
    }
}

#[async_trait]
impl Provider for PlaybookProvider {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn count_tokens(&self, _: &Request) -> Option<usize> {
        None
    }

    async fn generate(&self, request: Request) -> Result<EventStream, ProviderError> {
        let question = request.input.said();
        let line = self.playbook.answers.iter().find(|line| line.fits(&question));
        let line = line.ok_or_else(|| ProviderError::Unsupported {
            feature: "this question: no answer of its playbook fits".to_owned(),
        })?;
        Ok(line.script(&request.input).play())
    }
}
