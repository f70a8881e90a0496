//! Errors on HTTP, in the one shape that clients of `OpenAI`'s API know, and the only place that
//! knows a status code.
//!
//! `{"error":{"message","type","param","code"}}`, with `Retry-After` where another attempt makes
//! sense.

use std::fmt;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    error::QueryPayloadError,
    http::{StatusCode, header},
};
use serde_json::{Value, json};

use crate::{
    avatars::livetalking::AttachError,
    history::HistoryError,
    session::CommandError,
    turn::{InvalidId, InvalidText, TurnError, TurnErrorCode, pipeline::come_back_ms},
};

/// An error on HTTP.
#[derive(Debug)]
pub(super) struct HttpError {
    status: StatusCode,
    code: &'static str,
    message: String,
    param: Option<String>,
    retry_after_ms: Option<u64>,
}

impl HttpError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), param: None, retry_after_ms: None }
    }

    /// The request is wrong.
    pub(super) fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// The request is wrong in one parameter.
    pub(super) fn parameter(param: &str, message: impl Into<String>) -> Self {
        Self { param: Some(param.to_owned()), ..Self::invalid("invalid_value", message) }
    }

    /// A parameter has to be there.
    pub(super) fn missing(param: &str) -> Self {
        Self::parameter(param, format!("{param} is required"))
            .with_code("missing_required_parameter")
    }

    /// A parameter is no value of its type.
    pub(super) fn wrong_type(param: &str, expected: &str) -> Self {
        Self::parameter(param, format!("{param} has to be {expected}")).with_code("invalid_type")
    }

    /// A parameter asks for something that is not done here.
    pub(super) fn unsupported(param: &str, message: impl Into<String>) -> Self {
        Self::parameter(param, message).with_code("unsupported")
    }

    /// The same error under another short name.
    pub(super) fn with_code(self, code: &'static str) -> Self {
        Self { code, ..self }
    }

    /// The same error, told of this parameter.
    pub(super) fn with_param(self, param: &str) -> Self {
        Self { param: Some(param.to_owned()), ..self }
    }

    /// The same error, told of its parameter as one of `path`.
    pub(super) fn with_prefix(self, path: &str) -> Self {
        Self { param: self.param.map(|param| format!("{path}.{param}")), ..self }
    }

    /// The same error, for which another attempt makes sense after a while.
    pub(super) fn with_retry_after_ms(self, wait: u64) -> Self {
        Self { retry_after_ms: Some(wait), ..self }
    }

    /// A sentence for people.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The short name of the error, which the WebSocket shares.
    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    /// When another attempt makes sense.
    pub(super) fn retry_after_ms(&self) -> Option<u64> {
        self.retry_after_ms
    }

    /// The status and the headers, for surfaces with a body of their own.
    pub(super) fn builder(&self) -> actix_web::HttpResponseBuilder {
        let mut response = HttpResponse::build(self.status);
        if let Some(wait) = self.retry_after_ms {
            response.insert_header((header::RETRY_AFTER, wait.div_ceil(1000).clamp(1, 120)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if self.code == "quota_exceeded" {
            // Clients of OpenAI's API try again by themselves, which helps nobody before midnight.
            response.insert_header(("x-should-retry", "false"));
        }
        if self.leaves_body_unread() {
            response.force_close();
        }
        response
    }

    /// The error as JSON, in the one shape.
    pub(super) fn body(&self) -> Value {
        json!({ "error": {
            "message": self.message, "type": self.kind(), "param": self.param, "code": self.code,
        }})
    }

    /// Whether the rest of the request's body is of no use, and its connection with it.
    fn leaves_body_unread(&self) -> bool {
        matches!(
            self.status,
            StatusCode::REQUEST_TIMEOUT
                | StatusCode::PAYLOAD_TOO_LARGE
                | StatusCode::UNSUPPORTED_MEDIA_TYPE
        )
    }

    fn kind(&self) -> &'static str {
        match self.status {
            StatusCode::NOT_FOUND => "not_found_error",
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::FORBIDDEN => "permission_error",
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            StatusCode::SERVICE_UNAVAILABLE => "overloaded_error",
            status if status.is_client_error() => "invalid_request_error",
            _ => "server_error",
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl ResponseError for HttpError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = self.builder();
        if self.status == StatusCode::UPGRADE_REQUIRED {
            response.insert_header((header::SEC_WEBSOCKET_VERSION, "13"));
        }
        response.json(self.body())
    }
}

impl From<TurnError> for HttpError {
    fn from(error: TurnError) -> Self {
        let (status, code) = match error.code {
            TurnErrorCode::InvalidRequest => (StatusCode::BAD_REQUEST, "invalid_request"),
            TurnErrorCode::NotFound => (StatusCode::NOT_FOUND, "model_not_found"),
            TurnErrorCode::Unsupported => (StatusCode::BAD_REQUEST, "unsupported"),
            TurnErrorCode::ContextOverflow => (StatusCode::BAD_REQUEST, "context_length_exceeded"),
            TurnErrorCode::Refused => (StatusCode::BAD_REQUEST, "content_filter"),
            TurnErrorCode::Overloaded => (StatusCode::TOO_MANY_REQUESTS, "overloaded"),
            TurnErrorCode::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            TurnErrorCode::QuotaExceeded => (StatusCode::TOO_MANY_REQUESTS, "quota_exceeded"),
            TurnErrorCode::ProviderUnauthorized => (StatusCode::BAD_GATEWAY, "provider_auth"),
            TurnErrorCode::ProviderTimeout => (StatusCode::GATEWAY_TIMEOUT, "provider_timeout"),
            TurnErrorCode::ProviderUnavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "provider_unavailable")
            }
            TurnErrorCode::StoreUnavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable")
            }
            TurnErrorCode::ShuttingDown => (StatusCode::SERVICE_UNAVAILABLE, "shutting_down"),
            TurnErrorCode::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
        };
        let retry_after_ms =
            error.retry_after_ms.or((status == StatusCode::SERVICE_UNAVAILABLE).then_some(1000));
        Self { retry_after_ms, ..Self::new(status, code, error.message) }
    }
}

impl From<CommandError> for HttpError {
    fn from(error: CommandError) -> Self {
        let message = error.to_string();
        match error {
            CommandError::TurnIdConflict => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "turn_id_conflict", message)
            }
            CommandError::TurnNotFound | CommandError::NothingToRegenerate => {
                Self::new(StatusCode::NOT_FOUND, "turn_not_found", message)
            }
            CommandError::RunningElsewhere { wait } => {
                let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                Self::new(StatusCode::CONFLICT, "turn_running_elsewhere", message)
                    .with_retry_after_ms(wait)
            }
            CommandError::Turn(error) => error.into(),
            CommandError::History(error) => error.into(),
            CommandError::ShuttingDown => {
                TurnError::new(TurnErrorCode::ShuttingDown, message).into()
            }
        }
    }
}

impl From<HistoryError> for HttpError {
    fn from(error: HistoryError) -> Self {
        let message = error.to_string();
        match error {
            HistoryError::SessionNotFound => {
                Self::new(StatusCode::NOT_FOUND, "session_not_found", message)
            }
            HistoryError::TurnNotFound => {
                Self::new(StatusCode::NOT_FOUND, "turn_not_found", message)
            }
            HistoryError::Fenced => Self::new(StatusCode::CONFLICT, "superseded", message),
            HistoryError::Overloaded
            | HistoryError::Unavailable(_)
            | HistoryError::Unacknowledged(_) => {
                let reason = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(reason, "The store failed: {message}");
                TurnError::new(TurnErrorCode::StoreUnavailable, message).into()
            }
        }
    }
}

impl From<AttachError> for HttpError {
    fn from(error: AttachError) -> Self {
        match error {
            AttachError::NoAvatar => {
                Self::parameter("sessionid", error.to_string()).with_code("avatar_not_found")
            }
            AttachError::Taken => {
                Self::new(StatusCode::CONFLICT, "avatar_taken", error.to_string())
            }
            AttachError::Full => overloaded(&error.to_string()),
        }
    }
}

impl From<InvalidId> for HttpError {
    fn from(error: InvalidId) -> Self {
        Self::invalid("invalid_id", error.to_string())
    }
}

impl From<InvalidText> for HttpError {
    fn from(error: InvalidText) -> Self {
        let code = match error {
            InvalidText::Empty => "empty_input",
            InvalidText::TooLong { .. } => "input_too_long",
        };
        Self { param: Some("text".to_owned()), ..Self::invalid(code, error.to_string()) }
    }
}

/// The service has no room for this request now.
pub(super) fn overloaded(message: &str) -> HttpError {
    HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message)
        .with_retry_after_ms(come_back_ms())
}

/// The session has no avatar at `LiveTalking`.
pub(super) fn no_avatar() -> HttpError {
    let message = "this session has no avatar at LiveTalking";
    HttpError::new(StatusCode::NOT_FOUND, "avatar_not_found", message)
}

/// There is no `LiveTalking`.
pub(super) fn no_livetalking() -> HttpError {
    let message = "there is no LiveTalking here; see avatars.livetalking";
    HttpError::new(StatusCode::NOT_FOUND, "livetalking_not_configured", message)
}

/// The client speaks another version of the WebSocket protocol.
pub(super) fn other_websocket_version() -> HttpError {
    let message = "this path speaks version 13 of the WebSocket protocol";
    HttpError::new(StatusCode::UPGRADE_REQUIRED, "invalid_handshake", message)
}

/// The service made a mistake.
pub(super) fn internal(message: &str) -> HttpError {
    HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message)
}

/// Nothing is at this path.
pub(super) async fn not_found() -> Result<HttpResponse, HttpError> {
    Err(HttpError::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path"))
}

/// The query of the address cannot be read.
#[expect(clippy::needless_pass_by_value, reason = "the form that actix-web asks for")]
pub(super) fn invalid_query(error: QueryPayloadError, _: &HttpRequest) -> actix_web::Error {
    HttpError::invalid("invalid_query", error.to_string()).into()
}

/// The path takes other methods.
pub(super) async fn method_not_allowed(request: HttpRequest) -> HttpResponse {
    let message = format!("this path does not take {}", request.method());
    let allowed: &[&str] = match request.path() {
        "/" | "/v1/sessions" => &["GET", "POST"],
        "/llm_response" | "/llm_response/" | "/llm_change_model" | "/llm_change_model/" => {
            &["POST"]
        }
        "/generate" => &["OPTIONS", "POST"],
        "/v1/chat/completions"
        | "/v1/completions"
        | "/v1/embeddings"
        | "/api/send"
        | "/to-stop-talking" => &["POST"],
        path if path.ends_with("/turns") || path.ends_with("/interrupt") => &["POST"],
        path if path.ends_with("/history") => &["GET", "DELETE"],
        path if path.ends_with("/export") => &["GET"],
        path if path.ends_with("/livetalking") => &["GET", "PUT", "DELETE"],
        path if path.starts_with("/v1/sessions/") => &["GET", "PATCH", "DELETE"],
        "/healthz" | "/readyz" => &["GET", "HEAD"],
        _ => &["GET"],
    };
    let mut response =
        HttpError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
            .error_response();
    if let Ok(value) = header::HeaderValue::from_str(&allowed.join(", ")) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}
