//! How often a client may do something.

use std::time::{Duration, Instant};

/// How often something may happen: a bucket that fills at a steady rate.
pub(super) struct Allowance {
    capacity: f64,
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Allowance {
    /// So many times in a period, from the beginning all at once.
    pub(super) fn new(times: u32, period: Duration) -> Self {
        let capacity = f64::from(times);
        Self {
            capacity,
            per_second: capacity / period.as_secs_f64(),
            left: capacity,
            at: Instant::now(),
        }
    }

    /// Whether it may happen once more now.
    pub(super) fn take(&mut self) -> bool {
        let now = Instant::now();
        self.left =
            (self.left + (now - self.at).as_secs_f64() * self.per_second).min(self.capacity);
        self.at = now;
        let granted = self.left >= 1.0;
        if granted {
            self.left -= 1.0;
        }
        granted
    }
}
