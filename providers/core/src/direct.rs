//! A provider that gives the person's words back: for front ends that decide themselves what the
//! digital human says, and only want it cut into sentences and spoken.

use async_trait::async_trait;
use futures::{StreamExt, stream};

use crate::{
    Capabilities, EventStream, FinishReason, Provider, ProviderError, ProviderEvent, Request, Usage,
};

/// Answers with what was said (直接回复 in Linly-Talker).
pub struct DirectReply {
    name: String,
    capabilities: Capabilities,
}

impl DirectReply {
    /// A direct reply under this name.
    pub fn new(name: impl Into<String>) -> Self {
        let capabilities =
            Capabilities { chat: true, text: true, verbatim: true, ..Capabilities::default() };
        Self { name: name.into(), capabilities }
    }
}

#[async_trait]
impl Provider for DirectReply {
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
        let text = request.input.said();
        let mut events = vec![ProviderEvent::Admitted { model: self.name.clone() }];
        if !text.is_empty() {
            events.push(ProviderEvent::Text(text));
        }
        let usage = Some(Usage::default());
        events.push(ProviderEvent::Done { reason: FinishReason::Stop, usage });
        Ok(stream::iter(events.into_iter().map(Ok)).boxed())
    }
}
