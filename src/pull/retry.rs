//! When a hub is asked again.

use std::time::Duration;

use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::PullError;

/// The longest pause that a person is made to wait for.
pub(super) const LONGEST: Duration = Duration::from_mins(5);
/// The longest pause that nobody asked for.
const LONGEST_OF_OURS: Duration = Duration::from_secs(30);

/// How an attempt failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// Another attempt may succeed, after the pause that the hub wants.
    Passing { error: PullError, pause: Option<Duration> },
    /// The server was not even reached. Another attempt may succeed.
    NoConnection(PullError),
    /// Another attempt may succeed, and this one was not in vain.
    Advanced(PullError),
    /// Another attempt would fail in the same way.
    Lasting(PullError),
}

impl Fault {
    /// Another attempt may succeed.
    pub(super) fn passing(error: PullError) -> Self {
        Self::Passing { error, pause: None }
    }

    /// The same, for good where nobody was reached. For the first request of all: a wrong name or
    /// a missing proxy does not get better by itself, and a person in front of it wants to know.
    pub(super) fn lasting_without_connection(self) -> Self {
        match self {
            Self::NoConnection(error) => Self::Lasting(error),
            other => other,
        }
    }
}

impl From<PullError> for Fault {
    fn from(error: PullError) -> Self {
        Self::Lasting(error)
    }
}

/// The pause before attempt number `failures` + 1: what the hub wants, else twice as long each time.
pub(super) fn pause(failures: u32, wanted: Option<Duration>) -> Duration {
    let own = Duration::from_secs(1 << failures.saturating_sub(1).min(10)).min(LONGEST_OF_OURS);
    wanted.map_or(own, |wanted| wanted.max(Duration::from_secs(1)))
}

/// The pause that an answer asks for: `Retry-After` in either form, or Hugging Face's
/// `RateLimit: "api";r=0;t=SECONDS`.
pub(super) fn wanted(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    if let Some(text) = text(RETRY_AFTER.as_str()) {
        if let Ok(seconds) = text.trim().parse() {
            return Some(Duration::from_secs(seconds));
        }
        let at = DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
        let seconds = at.as_second() - Timestamp::now().as_second();
        return Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
    }
    let fields = text("ratelimit")?;
    let field = |name: &str| {
        let mut all = fields.split([';', ',']);
        all.find_map(|field| field.trim().strip_prefix(name)?.parse::<u64>().ok())
    };
    // One more: the figure is rounded down.
    (field("r=")? == 0).then_some(Duration::from_secs(field("t=")?.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause_of(name: &'static str, value: &str) -> Option<u64> {
        let headers = HeaderMap::from_iter([(
            reqwest::header::HeaderName::from_static(name),
            value.parse().unwrap(),
        )]);
        wanted(&headers).map(|pause| pause.as_secs())
    }

    #[test]
    fn the_pause_that_a_hub_wants_is_read() {
        assert_eq!(pause_of("retry-after", "7"), Some(7));
        assert_eq!(pause_of("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), Some(0));
        let far = pause_of("retry-after", "Fri, 01 Jan 2100 00:00:00 GMT");
        assert!(far > Some(1_000_000), "{far:?}");
        assert_eq!(pause_of("retry-after", "soon"), None);
        assert_eq!(pause_of("ratelimit", r#""api";r=0;t=55"#), Some(56));
        assert_eq!(pause_of("ratelimit", r#""api";r=12;t=55"#), None);
        assert_eq!(pause_of("server", "7"), None);
    }

    #[test]
    fn pauses_grow_to_a_bound() {
        let pauses: Vec<u64> = (1..8).map(|failures| pause(failures, None).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pause(1, Some(Duration::ZERO)).as_secs(), 1);
        assert_eq!(pause(1, Some(Duration::from_secs(90))).as_secs(), 90);
    }
}
