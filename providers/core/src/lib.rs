//! What any model that answers must be able to do.
//!
//! This crate is the leaf of the house: it knows no engine, no wire protocol and no session. A
//! [`Provider`] takes a [`Request`] and gives back an [`EventStream`]; everything that Anima does
//! with a model goes through these few types. Two providers need no model: [`DirectReply`] gives the
//! person's words back, [`PlaybookProvider`] answers from a file. [`ScriptedProvider`] is the double
//! of the tests, and [`contract`] holds what every provider must keep.

pub mod contract;
mod direct;
mod error;
mod event;
mod playbook;
mod request;
mod scripted;

pub use direct::DirectReply;
pub use error::{BoxError, ProviderError};
pub use event::{EventStream, FinishReason, ProviderEvent, Usage};
pub use playbook::{Ending, Line, Playbook, PlaybookProvider};
pub use request::{Image, Input, LaneId, Message, Request, Role, Sampling, TextPart};
pub use scripted::{Script, ScriptedProvider, Step};

use async_trait::async_trait;

/// What a provider can take and do, known before a request is made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent answers, each asked for alone")]
pub struct Capabilities {
    /// Takes [`Input::Chat`]: it has a chat template, or its server applies one.
    pub chat: bool,
    /// Takes [`Input::Text`]: a finished prompt is continued as it stands.
    pub text: bool,
    /// Looks at [`Message::images`].
    pub images: bool,
    /// Its answer is a text that somebody wrote: it is spoken whole, and nothing in it is reasoning.
    pub verbatim: bool,
    /// Tokens of prompt and answer together, where it is known.
    pub context_length: Option<usize>,
}

/// A model that answers.
#[async_trait]
pub trait Provider: Send + Sync {
    /// The name that the configuration gives this provider.
    fn name(&self) -> &str;

    /// What this provider takes; constant for its lifetime.
    fn capabilities(&self) -> &Capabilities;

    /// The exact number of prompt tokens of `request`, or `None` where the provider cannot say
    /// without asking its server.
    fn count_tokens(&self, request: &Request) -> Option<usize>;

    /// Starts to answer.
    ///
    /// Returns at once: waiting, connecting and generating happen while the stream is polled. The
    /// stream yields [`ProviderEvent::Queued`] any number of times, then
    /// [`ProviderEvent::Admitted`] once, then text, then [`ProviderEvent::Done`] once and last; an
    /// `Err` ends it too. Dropping the stream stops the generation.
    ///
    /// # Errors
    /// What is known to be wrong before anything is tried: an unsupported or invalid request, a
    /// full queue, an engine that is not there.
    async fn generate(&self, request: Request) -> Result<EventStream, ProviderError>;
}
