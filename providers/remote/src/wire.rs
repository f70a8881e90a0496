//! The one way in which requests are sent: once, straight to the server that was named.

use std::time::Duration;

use anima_provider::ProviderError;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use reqwest::{
    Client, Proxy, Response,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
    redirect::Policy,
    retry,
};
use secrecy::{ExposeSecret, SecretString};

use crate::{SetupError, body, failure::Failure, secret::Blotter};

/// Most bytes that are read of an answer that is no success.
const ERROR_BYTES: usize = 64 * 1024;

/// How long an unused connection is kept, less than the minute after which most balancers cut it.
const IDLE: Duration = Duration::from_secs(50);

/// A client that sends every request exactly once. Neither redirects nor the proxies of the
/// environment are followed, because both can send a key elsewhere.
///
/// There is no deadline for reading: it would run while nobody polls, and only the caller knows
/// what it waits for.
pub(crate) fn client(
    connect: Duration,
    proxy: Option<&SecretString>,
) -> Result<Client, SetupError> {
    let mut builder = Client::builder()
        .user_agent(concat!("anima/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        .redirect(Policy::none())
        .retry(retry::never())
        .referer(false);
    match proxy.map(ExposeSecret::expose_secret) {
        Some("environment") => {}
        Some(url) => {
            let proxy = Proxy::all(url).map_err(|_| {
                SetupError::new("proxy", "is neither an address nor \"environment\"")
            })?;
            builder = builder.no_proxy().proxy(proxy);
        }
        None => builder = builder.no_proxy(),
    }
    builder.build().map_err(|error| {
        SetupError::new("base_url", format!("no connection can be made: {}", error.without_url()))
    })
}

tokio::task_local! {
    /// What continues the trace of whoever asks.
    static TRACEPARENT: Option<HeaderValue>;
}

/// Sends what `asking` sends as a part of a trace, whichever library it is sent by.
pub(crate) async fn continuing<T>(
    traceparent: Option<String>,
    asking: impl Future<Output = T>,
) -> T {
    let value = traceparent.and_then(|value| HeaderValue::try_from(value).ok());
    TRACEPARENT.scope(value, asking).await
}

/// Puts what continues the trace among the headers of a request.
pub(crate) fn put_trace(headers: &mut HeaderMap) {
    if let Ok(Some(value)) = TRACEPARENT.try_with(Clone::clone) {
        headers.insert("traceparent", value);
    }
}

/// A success, by what its body is.
pub(crate) enum Answer {
    /// Server-sent events.
    Stream(BoxStream<'static, Result<Bytes, reqwest::Error>>),
    /// One JSON text, from servers that do not stream or do not want to.
    Whole(Vec<u8>),
}

/// Looks at the head of a response.
///
/// # Errors
/// What the status means where it is no success, and [`ProviderError::Protocol`] where the body is
/// neither a stream of events nor JSON.
pub(crate) async fn accept(response: Response, blotter: &Blotter) -> Result<Answer, ProviderError> {
    let status = response.status();
    if !status.is_success() {
        let headers = response.headers().clone();
        // A body that breaks off tells less, and what the status says stands.
        let body = read(response, ERROR_BYTES).await.unwrap_or_default();
        return Err(Failure::of_response(status.as_u16(), &headers, &body, blotter).into_error());
    }
    match kind(response.headers()) {
        Kind::Events => Ok(Answer::Stream(response.bytes_stream().boxed())),
        Kind::Json => Ok(Answer::Whole(read(response, body::MOST).await?)),
        Kind::Other(content_type) => {
            let content_type = blotter.blot(&content_type, 80);
            Err(ProviderError::Protocol(format!("it sent {content_type}").into()))
        }
    }
}

/// What a failure to send or to read means.
pub(crate) fn broken(error: reqwest::Error) -> ProviderError {
    ProviderError::Unavailable(Box::new(error.without_url()))
}

enum Kind {
    Events,
    Json,
    Other(String),
}

fn kind(headers: &HeaderMap) -> Kind {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        // Servers written in an afternoon do not say; what is no stream ends without an end.
        return Kind::Events;
    };
    let value = String::from_utf8_lossy(value.as_bytes());
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "text/event-stream" => Kind::Events,
        "application/json" | "text/json" => Kind::Json,
        _ => Kind::Other(essence),
    }
}

/// Reads a body, of which more than `most` bytes are an error.
async fn read(response: Response, most: usize) -> Result<Vec<u8>, ProviderError> {
    let mut body = Vec::new();
    let mut bytes = response.bytes_stream().map_err(broken);
    while let Some(bytes) = bytes.try_next().await? {
        if body.len() + bytes.len() > most {
            return Err(body::too_long());
        }
        body.extend_from_slice(&bytes);
    }
    Ok(body)
}
