//! The providers: whether their settings and models are there, and whether servers answer.

use std::time::Duration;

use anima_provider::{
    Input, LaneId, Message, Provider, ProviderError, ProviderEvent, Request, Role, Sampling,
};
use futures::{StreamExt, future::join_all};
use tokio::time::{Instant, timeout};

use super::{Finding, machine::size};
use crate::{
    registry::{Examined, examine},
    settings::{ProviderSettings, Settings},
};

/// How long a server may take to begin an answer.
const DEADLINE: Duration = Duration::from_secs(15);

/// Tokens that are asked for: few, and as many as every API takes.
const TOKENS: u32 = 16;

/// Looks at every provider that is not switched off.
pub(super) async fn look(settings: &Settings, calls: bool) -> Vec<Finding> {
    let default = settings.default_provider();
    let looks = settings.enabled_providers().map(|(name, provider)| async move {
        let mut finding = one(settings, name, provider, calls).await;
        if name == default {
            finding.message.push_str(" (default)");
        }
        finding
    });
    join_all(looks).await
}

async fn one(settings: &Settings, key: &str, provider: &ProviderSettings, calls: bool) -> Finding {
    let name = format!("provider {key}");
    let kind = &provider.kind;
    match examine(key, provider, &settings.home) {
        Err(error) => {
            let reason = std::error::Error::source(&error).map(|source| format!(": {source}"));
            let advice = format!("put [providers.{key}] right, or set enabled = false in it");
            Finding::failure(&name, format!("{error}{}", reason.unwrap_or_default()), advice)
        }
        Ok(Examined::Model { bytes }) => {
            Finding::ok(&name, format!("a model of {} that fits into memory", size(bytes)))
        }
        Ok(Examined::Ready(_)) if !matches!(&kind[..], "openai" | "gemini" | "chatglm") => {
            Finding::ok(&name, format!("ready, kind {kind}"))
        }
        Ok(Examined::Ready(_)) if !calls => Finding::ok(&name, format!("not asked, kind {kind}")),
        Ok(Examined::Ready(provider)) => asked(&name, key, provider.as_ref()).await,
    }
}

/// Asks for a short answer.
async fn asked(name: &str, key: &str, provider: &dyn Provider) -> Finding {
    let began = Instant::now();
    match timeout(DEADLINE, answer(provider)).await {
        Ok(Ok(())) => {
            Finding::ok(name, format!("answers after {} ms", began.elapsed().as_millis()))
        }
        Ok(Err(error)) => Finding::failure(name, error.to_string(), advice(key, &error)),
        Err(_) => Finding::failure(
            name,
            format!("says nothing for {} s", DEADLINE.as_secs()),
            "look whether the server is up, and whether a proxy is needed (proxy = \"…\")",
        ),
    }
}

async fn answer(provider: &dyn Provider) -> Result<(), ProviderError> {
    let input = Input::Chat { system: None, messages: vec![Message::new(Role::User, "Hi")] };
    let sampling = Sampling { max_tokens: Some(TOKENS), ..Sampling::default() };
    let request = Request::new(input, sampling, LaneId("doctor".to_owned()));
    let mut stream = provider.generate(request).await?;
    while let Some(event) = stream.next().await {
        match event? {
            ProviderEvent::Queued { .. } | ProviderEvent::Admitted { .. } => {}
            _ => return Ok(()),
        }
    }
    Ok(())
}

fn advice(key: &str, error: &ProviderError) -> String {
    match error {
        ProviderError::Unauthorized => {
            format!("the server refuses the key: renew the one that providers.{key} names")
        }
        ProviderError::RateLimited { .. } => "wait, or raise the limit of the account".to_owned(),
        ProviderError::Unavailable(_) | ProviderError::Timeout(_) => {
            format!("look whether the server is up, and at base_url and proxy of providers.{key}")
        }
        _ => format!("look at model and base_url of providers.{key}"),
    }
}
