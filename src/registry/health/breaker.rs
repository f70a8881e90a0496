//! When a provider is left alone, and who tries it again: a state machine that is told the time.

use std::time::Duration;

use tokio::time::Instant;

use super::Ending;
use crate::settings::BreakerSettings;

/// The longest rest that a provider can ask for.
const LONGEST_ASKED: Duration = Duration::from_mins(2);

/// When to come back while somebody else tries the provider.
const TRYING: Duration = Duration::from_secs(1);

/// Why a provider is not asked, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resting {
    /// When it is tried again.
    pub remaining: Duration,
    /// What it failed with.
    pub cause: Ending,
}

/// How the breaker of a provider stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stands {
    /// Everybody may ask.
    Closed,
    /// Nobody may ask until then.
    Open(Instant),
    /// One turn is trying it.
    Trying,
}

/// Counts failures in a row, and says who may ask.
#[derive(Debug)]
pub(super) struct Breaker {
    stands: Stands,
    /// Failures since the last answer that came to its end.
    failures: u32,
    /// How often it was opened by failures since then.
    openings: u32,
    cause: Ending,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self { stands: Stands::Closed, failures: 0, openings: 0, cause: Ending::Unavailable }
    }

    /// How it stands: open only while nobody may ask.
    pub(super) fn stands(&self) -> Stands {
        self.stands
    }

    /// What it was opened for last.
    pub(super) fn cause(&self) -> Ending {
        self.cause
    }

    /// Whether one attempt has to show that what it was opened for is over. A limit is over when its
    /// time is.
    pub(super) fn has_to_be_tried(&self) -> bool {
        self.cause != Ending::RateLimited
    }

    /// Why nobody may ask now, if so.
    pub(super) fn resting(&self, now: Instant) -> Option<Resting> {
        let remaining = match self.stands {
            Stands::Open(until) if now < until => until - now,
            Stands::Trying => TRYING,
            Stands::Open(_) | Stands::Closed => return None,
        };
        Some(Resting { remaining, cause: self.cause })
    }

    /// Lets somebody ask; `true` when this is the one attempt that decides about all others.
    pub(super) fn enter(&mut self, now: Instant) -> Result<bool, Resting> {
        if let Some(resting) = self.resting(now) {
            return Err(resting);
        }
        let tries = self.stands != Stands::Closed && self.has_to_be_tried();
        self.stands = if tries { Stands::Trying } else { Stands::Closed };
        Ok(tries)
    }

    /// The attempt that tried has said its first sentence: everybody may ask again. What was counted
    /// stands until an answer comes to its end, so that one that breaks off opens at once.
    pub(super) fn spoke(&mut self) {
        // An older attempt may have told meanwhile how long to stay away.
        if self.stands == Stands::Trying {
            self.stands = Stands::Closed;
        }
    }

    /// The attempt that tried was given up and tells nothing: the next one tries.
    pub(super) fn gave_up(&mut self, now: Instant) {
        if self.stands == Stands::Trying {
            self.stands = Stands::Open(now);
        }
    }

    /// An answer came to its end.
    pub(super) fn answered(&mut self, tried: bool) {
        if tried || self.stands == Stands::Closed {
            *self = Self::new();
        }
    }

    /// An attempt failed with `cause`, and the provider may have `asked` for a rest. Gives the rest
    /// that begins now.
    pub(super) fn failed(
        &mut self,
        tried: bool,
        cause: Ending,
        asked: Option<Duration>,
        settings: &BreakerSettings,
        now: Instant,
    ) -> Option<Duration> {
        // Those that had begun before it opened tell nothing new, unless they tell how long to stay away.
        let counts = tried || self.stands == Stands::Closed;
        self.failures = self.failures.saturating_add(u32::from(counts));
        let unauthorized = Duration::from_millis(settings.unauthorized_ms);
        let rest = if let Some(asked) = asked.filter(|asked| !asked.is_zero()) {
            asked.min(LONGEST_ASKED)
        } else if cause == Ending::Unauthorized && !unauthorized.is_zero() {
            unauthorized
        } else if counts && settings.failures > 0 && (tried || self.failures >= settings.failures) {
            let longest = Duration::from_millis(settings.max_open_ms);
            let rest = Duration::from_millis(settings.open_ms);
            let rest = rest.saturating_mul(1_u32 << self.openings.min(16)).min(longest);
            self.openings = self.openings.saturating_add(1);
            rest
        } else {
            if tried {
                self.stands = Stands::Closed;
            }
            return None;
        };
        let until = now + rest;
        match self.stands {
            Stands::Open(already) if already >= until => return None,
            _ => self.stands = Stands::Open(until),
        }
        self.cause = cause;
        Some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: BreakerSettings =
        BreakerSettings { failures: 3, open_ms: 100, max_open_ms: 350, unauthorized_ms: 5_000 };

    fn fails(breaker: &mut Breaker, now: Instant) -> Option<Duration> {
        let tried = breaker.enter(now).unwrap();
        breaker.failed(tried, Ending::Unavailable, None, &SETTINGS, now)
    }

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_in_between_does_not() {
        let (mut breaker, now) = (Breaker::new(), Instant::now());
        assert_eq!((fails(&mut breaker, now), fails(&mut breaker, now)), (None, None));
        breaker.answered(false);
        assert_eq!((fails(&mut breaker, now), fails(&mut breaker, now)), (None, None));
        assert_eq!(fails(&mut breaker, now), Some(ms(100)));
        let resting = breaker.enter(now + ms(40)).unwrap_err();
        assert_eq!(resting, Resting { remaining: ms(60), cause: Ending::Unavailable });
    }

    #[test]
    fn a_rest_that_was_asked_for_meanwhile_is_kept_by_the_attempt_that_tries() {
        for gives_up in [false, true] {
            let (mut breaker, now) = (Breaker::new(), Instant::now());
            for _ in 0..3 {
                fails(&mut breaker, now);
            }
            let now = now + ms(100);
            assert_eq!(breaker.enter(now), Ok(true));
            breaker.failed(false, Ending::RateLimited, Some(ms(9_000)), &SETTINGS, now);
            if gives_up {
                breaker.gave_up(now);
            } else {
                breaker.spoke();
            }
            assert_eq!(breaker.enter(now).unwrap_err().remaining, ms(9_000));
        }
    }

    #[test]
    fn one_attempt_tries_it_and_each_failure_doubles_the_rest() {
        let (mut breaker, mut now) = (Breaker::new(), Instant::now());
        for rest in [None, None, Some(100)] {
            assert_eq!(fails(&mut breaker, now), rest.map(ms));
        }
        for (before, after) in [(100, 200), (200, 350), (350, 350)] {
            now += ms(before);
            assert_eq!(breaker.enter(now), Ok(true));
            assert!(breaker.enter(now).is_err(), "one at a time");
            let rest = breaker.failed(true, Ending::Timeout, None, &SETTINGS, now);
            assert_eq!(rest, Some(ms(after)));
        }
        now += ms(350);
        assert_eq!(breaker.enter(now), Ok(true));
        breaker.gave_up(now);
        assert_eq!(breaker.enter(now), Ok(true), "the next one tries");
        breaker.spoke();
        assert_eq!(breaker.enter(now), Ok(false), "everybody may ask again");
        // It breaks off after its first sentence: that was no recovery.
        let rest = breaker.failed(false, Ending::Protocol, None, &SETTINGS, now);
        assert_eq!(rest, Some(ms(350)));
        now += ms(350);
        assert_eq!(breaker.enter(now), Ok(true));
        breaker.spoke();
        breaker.answered(false);
        assert_eq!(fails(&mut breaker, now), None, "counting begins anew");
    }

    #[test]
    fn those_that_had_begun_before_tell_nothing_new() {
        let (mut breaker, now) = (Breaker::new(), Instant::now());
        for _ in 0..50 {
            assert_eq!(breaker.enter(now), Ok(false));
        }
        let mut rests = (0..50)
            .filter_map(|_| breaker.failed(false, Ending::Unavailable, None, &SETTINGS, now));
        assert_eq!(rests.next(), Some(ms(100)));
        assert_eq!(rests.next(), None);
        breaker.answered(false);
        assert!(breaker.enter(now).is_err(), "an old answer proves nothing");
    }

    #[test]
    fn a_rest_that_was_asked_for_is_kept_to_and_bounded() {
        let (mut breaker, now) = (Breaker::new(), Instant::now());
        let limited = |breaker: &mut Breaker, seconds| {
            let asked = Some(Duration::from_secs(seconds));
            breaker.failed(false, Ending::RateLimited, asked, &SETTINGS, now)
        };
        assert_eq!(limited(&mut breaker, 3), Some(Duration::from_secs(3)));
        assert_eq!(limited(&mut breaker, 2), None, "the longer one stands");
        assert_eq!(limited(&mut breaker, 4000), Some(LONGEST_ASKED));
        assert!(breaker.enter(now + LONGEST_ASKED - ms(1)).is_err());
        assert_eq!(breaker.enter(now + LONGEST_ASKED), Ok(false), "a limit is over with its time");
        assert_eq!(limited(&mut breaker, 0), None);
    }

    #[test]
    fn a_refused_key_opens_it_at_once_and_for_long() {
        let (mut breaker, now) = (Breaker::new(), Instant::now());
        let rest = breaker.failed(false, Ending::Unauthorized, None, &SETTINGS, now);
        assert_eq!(rest, Some(ms(5_000)));
        let off = BreakerSettings { failures: 0, unauthorized_ms: 0, ..SETTINGS };
        let mut breaker = Breaker::new();
        for _ in 0..100 {
            assert_eq!(breaker.failed(false, Ending::Unauthorized, None, &off, now), None);
        }
        assert_eq!(breaker.enter(now), Ok(false), "it is switched off");
    }
}
