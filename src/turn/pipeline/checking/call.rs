//! One call of somebody who helps to check.

use std::time::{Duration, Instant};

use anima_provider::{FinishReason, ProviderError, ProviderEvent, Request};
use futures::StreamExt;
use tokio::time::timeout;
use tracing::warn;

use super::Helper;
use crate::{
    registry::{Entry, health::Pass},
    settings::BreakerSettings,
    turn::{TurnError, check::Failure, think::ThinkFilter},
};

/// The longest answer that is read, in bytes.
const LONGEST: usize = 32 * 1024;

/// A call that is about to be made.
pub(super) struct Call {
    pub(super) helper: Helper,
    pub(super) request: Request,
    pub(super) deadline: Duration,
    pub(super) breaker: BreakerSettings,
}

impl Call {
    /// Asks, and gives the whole answer without reasoning.
    pub(super) async fn answer(self) -> Result<String, Failure> {
        let (role, began) = (self.helper.role, Instant::now());
        let answer = self.ask().await;
        match &answer {
            Ok(_) => {
                metrics::histogram!("anima_check_call_seconds", "role" => role)
                    .record(began.elapsed().as_secs_f64());
            }
            Err(failure) => {
                let reason = failure.name();
                metrics::counter!("anima_check_failures_total", "role" => role, "reason" => reason)
                    .increment(1);
            }
        }
        answer
    }

    async fn ask(self) -> Result<String, Failure> {
        let Self { helper, request, deadline, breaker } = self;
        let role = helper.role;
        let entry = helper.entry.ok_or(Failure::Unavailable)?;
        if entry.provider.capabilities().lacks(&request).is_some() {
            return Err(Failure::Unavailable);
        }
        if entry.health.is_local() && !entry.health.is_free() && !helper.is_answering {
            // A turn would wait for it.
            return Err(Failure::Unavailable);
        }
        let mut gate = helper.gate.enter(breaker).map_err(|_| Failure::Unavailable)?;
        let mut pass = entry.health.enter(breaker).map_err(|_| Failure::Unavailable)?;
        gate.asked();
        gate.admitted(role);
        let answer = match timeout(deadline, answer_of(&entry, &mut pass, request)).await {
            Ok(answer) => answer,
            Err(_) => Err(ProviderError::Timeout(deadline)),
        };
        match answer {
            Ok(text) => {
                pass.answered();
                gate.answered();
                if text.trim().is_empty() { Err(Failure::Silent) } else { Ok(text) }
            }
            Err(error) => {
                let name = entry.provider.name();
                let told = TurnError::from_provider(name, &error);
                warn!(
                    provider.name = name,
                    error = told.loggable(),
                    "{name} did not help to check ({role})"
                );
                gate.failed(&error, told.loggable());
                // What is too slow for the check may be in time for a turn.
                let too_slow = matches!(error, ProviderError::Timeout(_));
                if !too_slow || deadline >= entry.first_token {
                    pass.failed(&error, told.loggable());
                }
                Err(failure(&error))
            }
        }
    }
}

/// Everything that a provider says.
async fn answer_of(
    entry: &Entry,
    pass: &mut Pass,
    request: Request,
) -> Result<String, ProviderError> {
    pass.asked();
    let mut stream = entry.provider.generate(request).await?;
    let (mut think, mut text) = (ThinkFilter::new(false), String::new());
    while let Some(event) = stream.next().await {
        match event? {
            ProviderEvent::Queued { .. } => pass.queued(),
            ProviderEvent::Admitted { model } => pass.admitted(&model),
            ProviderEvent::Reasoning(_) => pass.works(),
            ProviderEvent::Text(piece) => {
                pass.works();
                text.push_str(&think.push(&piece).answer);
                if text.len() > LONGEST {
                    return Err(ProviderError::Protocol("the answer is too long".into()));
                }
            }
            ProviderEvent::Done { reason: FinishReason::Filtered, .. } => {
                return Err(ProviderError::Refused("the answer was filtered".to_owned()));
            }
            ProviderEvent::Done { .. } => {
                text.push_str(&think.finish().answer);
                return Ok(text);
            }
            ProviderEvent::Logprobs(_) | ProviderEvent::Tool(_) => {}
        }
    }
    Err(ProviderError::Protocol("the answer has no end".into()))
}

/// What a failure means for the check.
fn failure(error: &ProviderError) -> Failure {
    match error {
        ProviderError::Timeout(_) => Failure::Timeout,
        ProviderError::Refused(_) => Failure::Refused,
        _ => Failure::Unavailable,
    }
}
