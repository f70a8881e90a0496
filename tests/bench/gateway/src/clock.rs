//! One clock for everybody: both ends of a stream live in this process, so their times can be subtracted.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

/// The kernel's monotonic clock, from which stamps count.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// An instant, in nanoseconds since the first one; 0 stands for "never".
pub(crate) type Stamp = u64;

/// Now.
pub(crate) fn now() -> Stamp {
    nanoseconds(START.elapsed()).max(1)
}

/// A duration as a difference of stamps.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// From one stamp to a later one, in microseconds; negative where it is the earlier one.
pub(crate) fn microseconds(from: Stamp, to: Stamp) -> f64 {
    let length = Duration::from_nanos(from.abs_diff(to)).as_secs_f64() * 1e6;
    if to < from { -length } else { length }
}
