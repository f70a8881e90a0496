//! The time at which things are said to have happened.

use std::sync::Arc;

use jiff::Timestamp;

/// How many microseconds the system's clock may be set back without the history's following it.
const SET_BACK: i64 = 1_000_000;

/// Tells the time of day.
pub(super) type TimeSource = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A clock that shows a later time whenever it is looked at, so that sessions have an order.
pub(super) struct Clock {
    source: TimeSource,
    last: i64,
}

impl Clock {
    /// A clock that follows `source`.
    pub(super) fn new(source: TimeSource) -> Self {
        Self { source, last: 0 }
    }

    /// The time, in whole microseconds.
    pub(super) fn tick(&mut self) -> Timestamp {
        let now = (self.source)();
        let set_back = self.last - now.as_microsecond();
        self.last =
            if (0..SET_BACK).contains(&set_back) { self.last + 1 } else { now.as_microsecond() };
        Timestamp::from_microsecond(self.last).unwrap_or(now)
    }
}
