//! What any model that answers must be able to do.
//!
//! This crate is the leaf of the house: it knows no engine, no wire protocol and no session. A
//! [`Provider`] takes a [`Request`] and gives back an [`EventStream`]; everything that Anima does
//! with a model goes through these few types. Two providers need no model: [`DirectReply`] gives the
//! person's words back, [`PlaybookProvider`] answers from a file. [`ScriptedProvider`] is the double
//! of the tests, and [`contract`] holds what every provider must keep.

mod capabilities;
pub mod contract;
mod direct;
mod embedder;
mod error;
mod event;
mod logprob;
mod output;
mod playbook;
mod request;
mod sampling;
mod scorer;
mod scripted;
mod tool;

pub use capabilities::Capabilities;
pub use direct::DirectReply;
pub use embedder::{Embedder, Embeddings};
pub use error::{BoxError, ProviderError};
pub use event::{EventStream, FinishReason, ProviderEvent, Usage};
pub use logprob::{Likelihood, TokenLogprob};
pub use output::{Output, OutputKinds, Schema};
pub use playbook::{Ending, Line, Playbook, PlaybookProvider};
pub use request::{Image, Input, LaneId, Message, Request, Role, TextPart};
pub use sampling::Sampling;
pub use scorer::Scorer;
pub use scripted::{Script, ScriptedProvider, Step};
pub use tool::{Tool, ToolCall, ToolChoice, ToolDelta};

use async_trait::async_trait;

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
    /// [`ProviderEvent::Admitted`] once, then what the model says, then [`ProviderEvent::Done`] once
    /// and last; an `Err` ends it too. Dropping the stream stops the generation.
    ///
    /// # Errors
    /// What is known to be wrong before anything is tried: an unsupported or invalid request, a
    /// full queue, an engine that is not there.
    async fn generate(&self, request: Request) -> Result<EventStream, ProviderError>;

    /// The same model as one that turns texts into vectors, where it can.
    fn embedder(&self) -> Option<&dyn Embedder> {
        None
    }

    /// The same model as one that tells how likely texts are, where it can.
    fn scorer(&self) -> Option<&dyn Scorer> {
        None
    }
}
