//! The tokens of Zhipu's platform: signed by the key, good for minutes, made when needed.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::{SetupError, secret::hidden};

/// How long a token is good, and how long it is used: the difference is for slow connections and
/// clocks that go wrong.
const GOOD: Duration = Duration::from_secs(210);
const USED: Duration = Duration::from_mins(3);

/// Makes tokens out of a key `id.secret`.
pub(super) struct TokenMaker {
    id: String,
    key: hmac::Key,
    last: Mutex<(HeaderValue, Instant)>,
}

impl TokenMaker {
    pub(super) fn new(key: &SecretString) -> Result<Self, SetupError> {
        let wrong = || SetupError::new("api_key_env", "auth = \"token\" needs a key ID.SECRET");
        let (id, secret) = key.expose_secret().split_once('.').ok_or_else(wrong)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let first = header(id, &key, SystemTime::now())?;
        Ok(Self { id: id.to_owned(), key, last: Mutex::new((first, Instant::now())) })
    }

    /// The header that shows a token which is still good.
    pub(super) fn header(&self) -> HeaderValue {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.1.elapsed() >= USED
            && let Ok(header) = header(&self.id, &self.key, SystemTime::now())
        {
            *last = (header, Instant::now());
        }
        last.0.clone()
    }
}

fn header(id: &str, key: &hmac::Key, now: SystemTime) -> Result<HeaderValue, SetupError> {
    hidden("api_key_env", &format!("Bearer {}", token(id, key, now)))
}

/// A token by RFC 7519, but in milliseconds.
fn token(id: &str, key: &hmac::Key, now: SystemTime) -> String {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let header = json!({ "alg": "HS256", "sign_type": "SIGN" });
    let payload =
        json!({ "api_key": id, "exp": milliseconds(now + GOOD), "timestamp": milliseconds(now) });
    let part = |json: &serde_json::Value| BASE64.encode(json.to_string());
    let signed = format!("{}.{}", part(&header), part(&payload));
    let signature = hmac::sign(key, signed.as_bytes());
    format!("{signed}.{}", BASE64.encode(signature))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_signed_as_the_platform_wants_it() {
        // Python's hmac over the same JSON, which zai-sdk makes but for a `typ` that nobody asks for.
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let signed = "eyJhbGciOiJIUzI1NiIsInNpZ25fdHlwZSI6IlNJR04ifQ.eyJhcGlfa2V5IjoiaWQiLCJleHAiOjE3MDAwMDAyMTAwMDAsInRpbWVzdGFtcCI6MTcwMDAwMDAwMDAwMH0";
        let signature = "Xjns2eQt8BsB1yBBbjM8cgnyDmOYDwlMrIZg1Xr1sOU";
        assert_eq!(token("id", &key, now), format!("{signed}.{signature}"));
    }

    #[test]
    fn a_token_is_used_again_and_a_key_without_a_secret_is_refused() {
        let maker = TokenMaker::new(&"id.secret".to_owned().into()).unwrap();
        assert_eq!(maker.header(), maker.header());
        assert!(maker.header().is_sensitive());
        let wrong = TokenMaker::new(&"no-dot-in-here".to_owned().into()).err().unwrap();
        assert!(!wrong.to_string().contains("no-dot"), "{wrong}");
    }
}
