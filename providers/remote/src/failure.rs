//! The table of what a failure means: statuses, the providers' own codes, and words where there are
//! no codes.

use std::time::{Duration, SystemTime};

use anima_provider::ProviderError;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;
use thiserror::Error;
use tracing::debug;

use crate::secret::Blotter;

/// The longest time to stay away that is believed.
const LONGEST_WAIT: Duration = Duration::from_mins(2);

/// Most characters that are kept of what a server says.
const LONGEST_MESSAGE: usize = 300;

/// What a failure means, by what can be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The key or the account is refused: an operator must act.
    Key,
    /// Too much at present: wait.
    Busy,
    /// A quota is used up: wait as long as we ever do.
    Quota,
    /// The prompt is too long.
    Overflow,
    /// The content is refused.
    Content,
    /// This server does not take this request; another one may.
    Request,
    /// The server is down.
    Down,
    /// The server says something that it should not, such as that it knows no such model.
    Odd,
}

/// The providers' own codes, in the order in which they were found in their documentation.
const CODES: &[(&str, Meaning)] = &[
    // OpenAI, and Azure where it differs.
    ("invalid_api_key", Meaning::Key),
    ("account_deactivated", Meaning::Key),
    ("insufficient_quota", Meaning::Key),
    ("billing_hard_limit_reached", Meaning::Key),
    ("rate_limit_exceeded", Meaning::Busy),
    ("context_length_exceeded", Meaning::Overflow),
    ("string_above_max_length", Meaning::Overflow),
    // llama.cpp.
    ("exceed_context_size_error", Meaning::Overflow),
    ("content_filter", Meaning::Content),
    ("content_policy_violation", Meaning::Content),
    // OpenAI's responses.
    ("invalid_prompt", Meaning::Content),
    ("bio_policy", Meaning::Content),
    ("misalignment_policy_violation", Meaning::Content),
    ("image_content_policy_violation", Meaning::Content),
    ("invalid_image", Meaning::Request),
    ("invalid_image_format", Meaning::Request),
    ("invalid_base64_image", Meaning::Request),
    ("image_parse_error", Meaning::Request),
    ("image_too_large", Meaning::Request),
    ("image_too_small", Meaning::Request),
    ("image_file_too_large", Meaning::Request),
    ("empty_image_file", Meaning::Request),
    ("unsupported_image_media_type", Meaning::Request),
    ("model_not_found", Meaning::Odd),
    ("DeploymentNotFound", Meaning::Odd),
    // Gemini: what is said in the details comes before the status.
    ("API_KEY_INVALID", Meaning::Key),
    ("UNAUTHENTICATED", Meaning::Key),
    ("PERMISSION_DENIED", Meaning::Key),
    ("FAILED_PRECONDITION", Meaning::Key),
    ("RESOURCE_EXHAUSTED", Meaning::Busy),
    ("NOT_FOUND", Meaning::Odd),
    ("UNAVAILABLE", Meaning::Down),
    ("DEADLINE_EXCEEDED", Meaning::Down),
    ("INTERNAL", Meaning::Down),
    // Zhipu's platform: the status says little, 429 even for arrears.
    ("1000", Meaning::Key),
    ("1001", Meaning::Key),
    ("1002", Meaning::Key),
    ("1003", Meaning::Key),
    ("1004", Meaning::Key),
    ("1005", Meaning::Key),
    ("1112", Meaning::Key),
    ("1113", Meaning::Key),
    ("1121", Meaning::Key),
    ("1200", Meaning::Down),
    ("1210", Meaning::Request),
    ("1211", Meaning::Odd),
    ("1213", Meaning::Request),
    ("1214", Meaning::Request),
    ("1234", Meaning::Down),
    ("1261", Meaning::Overflow),
    ("1301", Meaning::Content),
    ("1302", Meaning::Busy),
    ("1303", Meaning::Busy),
    ("1304", Meaning::Quota),
    ("1305", Meaning::Busy),
    ("1308", Meaning::Quota),
    ("1310", Meaning::Quota),
    ("1312", Meaning::Busy),
];

/// Words by which servers without codes say that a prompt is too long.
const OVERFLOW: [&str; 7] = [
    "context length",
    "context window",
    "context size",
    "maximum context",
    "input token count",
    "prompt is too long",
    "too many tokens",
];

/// What a status says where no code says more.
fn of_status(status: u16) -> Meaning {
    match status {
        401..=403 => Meaning::Key,
        400 | 422 => Meaning::Request,
        413 => Meaning::Overflow,
        429 | 529 => Meaning::Busy,
        408 | 409 | 425 | 500.. => Meaning::Down,
        _ => Meaning::Odd,
    }
}

/// What a server said, as the source of an error. Holds no secret that we know.
#[derive(Debug, Error)]
#[error("it answered {told}: {message}")]
struct Said {
    /// The status and the codes.
    told: String,
    message: String,
}

/// A failure that a server told.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The status, where the failure did not come within a stream.
    status: Option<u16>,
    /// The provider's codes, the one that says most first.
    codes: Vec<String>,
    message: String,
    wait: Option<Duration>,
}

impl Failure {
    /// The failure that a response tells.
    pub(crate) fn of_response(
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
        blotter: &Blotter,
    ) -> Self {
        let wait = asked_to_wait(headers);
        if let Ok(body) = serde_json::from_slice::<Value>(body) {
            return Self::read(Some(status), wait, &body, blotter);
        }
        let text = String::from_utf8_lossy(body);
        // A web page is nothing to read in a log.
        let text = if text.trim_start().starts_with('<') { "a web page" } else { text.trim() };
        let message = blotter.blot(text, LONGEST_MESSAGE);
        Self { status: Some(status), codes: Vec::new(), message, wait }
    }

    /// The failure that a JSON text within an answer tells, where it tells one.
    pub(crate) fn of_frame(frame: &Value, blotter: &Blotter) -> Option<Self> {
        let object = frame.get(0).unwrap_or(frame);
        let tells = object.get("error").is_some_and(|error| !error.is_null())
            || object["object"] == "error"
            || object.get("detail").is_some();
        tells.then(|| Self::read(None, None, frame, blotter))
    }

    /// Reads every shape of an error: OpenAI's, the same in a list, flat, and FastAPI's.
    fn read(status: Option<u16>, wait: Option<Duration>, body: &Value, blotter: &Blotter) -> Self {
        let object = body.get(0).unwrap_or(body);
        let error = object.get("error").filter(|error| !error.is_null()).unwrap_or(object);
        let details = error["details"].as_array().map_or(&[][..], Vec::as_slice);
        let reasons = details.iter().map(|detail| &detail["reason"]);
        let own = ["code", "status", "type"].into_iter().map(|key| &error[key]);
        let inner = &error["innererror"]["code"];
        let codes = reasons.chain(own).chain([inner]).filter_map(word);
        let codes = codes.map(|code| blotter.blot(&code, LONGEST_MESSAGE)).collect();
        let message = ["message", "detail", "msg"].into_iter().map(|key| &error[key]);
        let message = message
            .chain([error])
            .find(|message| !message.is_null())
            .map(|message| message.as_str().map_or_else(|| message.to_string(), str::to_owned));
        let told = details.iter().find_map(|detail| seconds(detail["retryDelay"].as_str()?));
        Self {
            status: status.or_else(|| error["code"].as_u64()?.try_into().ok()),
            codes,
            message: blotter.blot(&message.unwrap_or_default(), LONGEST_MESSAGE),
            wait: wait.or(told.map(|wait| wait.min(LONGEST_WAIT))),
        }
    }

    fn meaning(&self) -> Meaning {
        let known = self.codes.iter().find_map(|code| {
            CODES.iter().find(|(known, _)| known == code).map(|(_, meaning)| *meaning)
        });
        let by_status = self.status.map_or(Meaning::Down, of_status);
        let meaning = known.unwrap_or(by_status);
        let message = self.message.to_lowercase();
        if matches!(meaning, Meaning::Request) && OVERFLOW.iter().any(|word| message.contains(word))
        {
            return Meaning::Overflow;
        }
        if meaning == Meaning::Down && self.wait.is_some() {
            return Meaning::Busy;
        }
        meaning
    }

    /// The error for the caller. What the server said goes to the log at debug and into the source.
    pub(crate) fn into_error(self) -> ProviderError {
        let meaning = self.meaning();
        debug!(status = self.status, codes = ?self.codes, meaning = ?meaning, "A provider said: {}", self.message);
        match meaning {
            Meaning::Key => ProviderError::Unauthorized,
            Meaning::Busy => ProviderError::RateLimited { retry_after: self.wait },
            Meaning::Quota => {
                ProviderError::RateLimited { retry_after: Some(self.wait.unwrap_or(LONGEST_WAIT)) }
            }
            Meaning::Overflow => overflow(&self.message),
            Meaning::Content => {
                ProviderError::Refused("its content filter took offence".to_owned())
            }
            Meaning::Request => {
                ProviderError::Unsupported { feature: "this request as it was sent".to_owned() }
            }
            Meaning::Down => ProviderError::Unavailable(self.said()),
            Meaning::Odd => ProviderError::Protocol(self.said()),
        }
    }

    fn said(self) -> anima_provider::BoxError {
        let status =
            self.status.map_or_else(|| "in its stream".to_owned(), |code| code.to_string());
        let told = [vec![status], self.codes].concat().join(" ");
        Box::new(Said { told, message: self.message })
    }
}

/// A code, whether it is a number or a word; short, because it stands in the log.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.len() <= 64 => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The two numbers of a message such as "maximum context length is 4096 tokens, you requested 5000".
fn overflow(message: &str) -> ProviderError {
    let numbers = message.split(|character: char| !character.is_ascii_digit());
    let mut numbers = numbers.filter_map(|digits| digits.parse::<usize>().ok());
    let mut next = || numbers.find(|number| *number >= 16);
    match (next(), next()) {
        (Some(one), Some(other)) => ProviderError::ContextOverflow {
            prompt_tokens: one.max(other),
            context_length: one.min(other),
        },
        _ => ProviderError::Unsupported { feature: "a prompt of this length".to_owned() },
    }
}

/// How long the headers ask to stay away: in milliseconds, in seconds, or until a date.
fn asked_to_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let milliseconds = text("retry-after-ms").and_then(seconds).map(|wait| wait / 1000);
    let wait = milliseconds.or_else(|| {
        let text = text(RETRY_AFTER.as_str())?;
        seconds(text).or_else(|| {
            let date = httpdate::parse_http_date(text).ok()?;
            Some(date.duration_since(SystemTime::now()).unwrap_or_default())
        })
    })?;
    Some(wait.min(LONGEST_WAIT))
}

/// Reads `3`, `3.5` and `3.5s`.
fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.strip_suffix('s').unwrap_or(text).parse().ok()?).ok()
}

#[cfg(test)]
mod tests;
