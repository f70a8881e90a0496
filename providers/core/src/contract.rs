//! What every provider keeps, as checks that the tests of each implementation call.

use std::collections::BTreeSet;

use futures::StreamExt;

use crate::{FinishReason, Provider, ProviderEvent, Request};

/// What [`answer`] saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The joined text.
    pub text: String,
    /// Why the answer ended.
    pub reason: FinishReason,
}

/// Runs `request` to its end and checks the order of events that [`Provider::generate`]
/// promises: queue notices, one admission, text that is never empty, calls that begin with a name,
/// one end, nothing after it.
///
/// # Errors
/// A sentence that names the first promise broken, or the provider's own error.
pub async fn answer(provider: &dyn Provider, request: Request) -> Result<Answer, String> {
    let mut events = provider.generate(request).await.map_err(|error| error.to_string())?;
    let (mut admitted, mut text, mut end) = (false, String::new(), None);
    let mut calls = BTreeSet::new();
    while let Some(event) = events.next().await {
        if end.is_some() {
            return Err("an event came after the end".to_owned());
        }
        match event.map_err(|error| error.to_string())? {
            ProviderEvent::Queued { .. } if admitted => {
                return Err("queued after admission".to_owned());
            }
            ProviderEvent::Admitted { .. } if admitted => return Err("admitted twice".to_owned()),
            ProviderEvent::Admitted { .. } => admitted = true,
            ProviderEvent::Text(piece) | ProviderEvent::Reasoning(piece)
                if piece.is_empty() || !admitted =>
            {
                return Err("text was empty or came before admission".to_owned());
            }
            ProviderEvent::Logprobs(tokens) if tokens.is_empty() || !admitted => {
                return Err("logprobs were empty or came before admission".to_owned());
            }
            ProviderEvent::Tool(delta) => {
                let is_named = delta.id.is_some() && delta.name.is_some();
                if !admitted || calls.insert(delta.index) != is_named {
                    return Err("a call has its id and name in its first piece, and nowhere else"
                        .to_owned());
                }
            }
            ProviderEvent::Text(piece) => text.push_str(&piece),
            ProviderEvent::Queued { .. }
            | ProviderEvent::Reasoning(_)
            | ProviderEvent::Logprobs(_) => {}
            ProviderEvent::Done { reason, .. } => end = Some(reason),
        }
    }
    let reason = end.ok_or_else(|| "the stream ended without an end event".to_owned())?;
    Ok(Answer { text, reason })
}
