//! How often something may happen.

use std::time::{Duration, Instant};

/// A bucket that fills at a steady rate, full at the beginning.
#[derive(Debug, Clone)]
pub struct Allowance {
    capacity: f64,
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Allowance {
    /// So many times in a period, all at once if need be.
    pub fn new(times: u32, period: Duration) -> Self {
        Self::with_burst(times, period, times)
    }

    /// So many times in a period, at most `burst` of them at once.
    pub fn with_burst(times: u32, period: Duration, burst: u32) -> Self {
        let capacity = f64::from(burst.max(1));
        let per_second = f64::from(times) / period.as_secs_f64();
        Self { capacity, per_second, left: capacity, at: Instant::now() }
    }

    /// How long to wait until it may happen once more; `None` when it may now.
    pub fn wait(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let filled = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        self.left = (self.left + filled).min(self.capacity);
        self.at = now;
        let missing = 1.0 - self.left;
        let seconds = if missing > 0.0 { missing / self.per_second } else { return None };
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }

    /// Whether it may happen once more now; then it has.
    pub fn take(&mut self) -> bool {
        let granted = self.wait().is_none();
        if granted {
            self.left -= 1.0;
        }
        granted
    }

    /// What was taken did not happen.
    pub fn give_back(&mut self) {
        self.left = (self.left + 1.0).min(self.capacity);
    }

    /// How many times it may happen now, one after the other.
    pub fn left(&mut self) -> u32 {
        self.wait();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 0 and a capacity that was a u32"
        )]
        let left = self.left as u32;
        left
    }

    /// Whether nothing has happened lately.
    pub fn is_full(&mut self) -> bool {
        self.wait().is_none() && self.left >= self.capacity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_comes_back_at_the_rate_that_was_given() {
        let mut allowance = Allowance::with_burst(60, Duration::from_mins(1), 3);
        assert!(allowance.is_full());
        assert_eq!((0..10).filter(|_| allowance.take()).count(), 3);
        let wait = allowance.wait().unwrap();
        assert!(wait > Duration::from_millis(900) && wait <= Duration::from_secs(1), "{wait:?}");
        // A second earlier, which is a second later.
        allowance.at -= Duration::from_secs(2);
        assert_eq!((0..10).filter(|_| allowance.take()).count(), 2);
        allowance.at -= Duration::from_hours(1);
        assert!(allowance.is_full());
        assert_eq!((0..10).filter(|_| allowance.take()).count(), 3);
    }
}
