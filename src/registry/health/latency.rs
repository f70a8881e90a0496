//! How long something took lately, in a fixed number of places and without a lock.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use serde::Serialize;
use tokio::time::Instant;

/// How many measurements are kept, the latest ones.
const PLACES: usize = 256;

/// How long a measurement says something about the present.
const RECENT: Duration = Duration::from_mins(10);

/// The latest measurements.
#[derive(Debug)]
pub(super) struct Latency {
    began: Instant,
    next: AtomicUsize,
    /// When, in seconds since `began`, and one more than the milliseconds; 0 is an empty place.
    places: Box<[AtomicU64]>,
}

/// The milliseconds that so many of a hundred measurements stayed within.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// Half of them.
    pub p50_ms: u64,
    /// 95 of 100.
    pub p95_ms: u64,
    /// 99 of 100.
    pub p99_ms: u64,
    /// How many measurements these are.
    pub count: usize,
}

impl Latency {
    pub(super) fn new(now: Instant) -> Self {
        let places = (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        Self { began: now, next: AtomicUsize::new(0), places }
    }

    /// Keeps a measurement in the place of the oldest one.
    pub(super) fn note(&self, took: Duration, now: Instant) {
        let seconds = now.duration_since(self.began).as_secs();
        let milliseconds = u32::try_from(took.as_millis()).unwrap_or(u32::MAX).saturating_add(1);
        let place = self.next.fetch_add(1, Ordering::Relaxed) % PLACES;
        self.places[place].store(seconds << 32 | u64::from(milliseconds), Ordering::Relaxed);
    }

    /// What the recent measurements come to; `None` where there are none.
    pub(super) fn percentiles(&self, now: Instant) -> Option<Percentiles> {
        let oldest = now.duration_since(self.began).saturating_sub(RECENT).as_secs();
        let kept = self.places.iter().map(|place| place.load(Ordering::Relaxed));
        let kept = kept.filter(|kept| *kept != 0 && kept >> 32 >= oldest);
        let mut kept: Vec<_> = kept.map(|kept| (kept & u64::from(u32::MAX)) - 1).collect();
        kept.sort_unstable();
        let last = kept.len().checked_sub(1)?;
        // The smallest one that at least so many of a hundred do not exceed.
        let at = |percent: usize| kept[(kept.len() * percent).div_ceil(100).clamp(1, last + 1) - 1];
        Some(Percentiles { p50_ms: at(50), p95_ms: at(95), p99_ms: at(99), count: kept.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_latest_measurements() {
        let now = Instant::now();
        let latency = Latency::new(now);
        assert_eq!(latency.percentiles(now), None);
        latency.note(Duration::ZERO, now);
        let only = Percentiles { p50_ms: 0, p95_ms: 0, p99_ms: 0, count: 1 };
        assert_eq!(latency.percentiles(now), Some(only));
        for milliseconds in 1..=1000 {
            latency.note(Duration::from_millis(milliseconds), now);
        }
        // 745 to 1000 are left.
        let left = Percentiles { p50_ms: 872, p95_ms: 988, p99_ms: 998, count: 256 };
        assert_eq!(latency.percentiles(now), Some(left));
    }

    #[test]
    fn what_is_long_ago_is_not_counted() {
        let now = Instant::now();
        let latency = Latency::new(now);
        latency.note(Duration::from_secs(9), now);
        let later = now + RECENT + Duration::from_secs(1);
        latency.note(Duration::from_millis(7), later);
        assert_eq!(latency.percentiles(later).unwrap().count, 1);
        assert_eq!(latency.percentiles(later).unwrap().p99_ms, 7);
    }
}
