//! The body of a request: as long as it may be, in time, and as it stands.

use std::{
    future::{Ready, ready},
    sync::Arc,
    time::Duration,
};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{
        StatusCode,
        header::{self, HeaderMap},
    },
    web::{self, Bytes},
};
use tokio::time::timeout;

use super::{connection::Connection, error::HttpError};

/// How long a body may take to come in.
const DEADLINE: Duration = Duration::from_secs(10);

/// How long a client has to read why its body was not taken, while it may still be sending it.
const FAREWELL: Duration = Duration::from_secs(2);

/// A body that has not been read yet.
pub(super) struct Body {
    payload: web::Payload,
    /// Its length, where the request tells it.
    length: Option<u64>,
    is_encoded: bool,
    connection: Option<Arc<Connection>>,
}

impl FromRequest for Body {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let headers = request.headers();
        let (length, is_encoded) = (length(headers), is_encoded(headers));
        let connection = request.conn_data::<Arc<Connection>>().cloned();
        let payload = web::Payload::from_request(request, payload).into_inner();
        ready(payload.map(|payload| Self { payload, length, is_encoded, connection }))
    }
}

impl Body {
    /// Reads it whole. What says that it is too large, or encoded, is refused before it comes, and
    /// the connection of what is refused ends: actix-web would read on to the end of the chunks.
    pub(super) async fn read(self, limit: usize) -> Result<Bytes, HttpError> {
        let connection = self.connection.clone();
        let read = self.take(limit).await;
        if let (Err(_), Some(connection)) = (&read, connection) {
            connection.end_within(FAREWELL);
        }
        read
    }

    async fn take(self, limit: usize) -> Result<Bytes, HttpError> {
        if self.is_encoded {
            let message = "bodies are taken as they stand, without a content encoding";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(HttpError::new(status, "unsupported_encoding", message));
        }
        let too_large = || {
            let message = format!("the body is larger than {limit} bytes");
            HttpError::new(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message)
        };
        if self.length.is_some_and(|length| usize::try_from(length).map_or(true, |l| l > limit)) {
            return Err(too_large());
        }
        let late = |_| {
            let message = "the body did not come in time";
            HttpError::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message)
        };
        let broken = |_| HttpError::invalid("invalid_body", "the body broke off");
        let bytes = timeout(DEADLINE, self.payload.to_bytes_limited(limit)).await.map_err(late)?;
        bytes.map_err(|_| too_large())?.map_err(broken)
    }
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .any(|value| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}
