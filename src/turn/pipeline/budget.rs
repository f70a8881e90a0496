//! How many attempts may be made beyond those that every turn needs: repetitions and hedges.
//!
//! When every provider is down, each turn that repeats its attempts adds to what keeps them down. So
//! extra attempts are a share of the turns of the last seconds, and no more.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::settings::RetrySettings;

/// Seconds that are looked back on.
const SECONDS: usize = 10;

/// What happened in one second.
#[derive(Debug, Clone, Copy, Default)]
struct Second {
    /// Which one since the beginning.
    number: u64,
    turns: u32,
    extra: u32,
}

/// The budget of extra attempts.
#[derive(Debug)]
pub(super) struct Budget {
    began: Instant,
    seconds: Mutex<[Second; SECONDS]>,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), seconds: Mutex::default() }
    }

    /// A turn asks for an answer, which adds its share.
    pub(super) fn add_turn(&self, now: Instant) {
        self.with(now, |seconds, place| seconds[place].turns += 1);
    }

    /// Takes an extra attempt, where there is one left.
    pub(super) fn take(&self, settings: &RetrySettings, now: Instant) -> bool {
        let taken = self.with(now, |seconds, place| {
            let turns: u32 = seconds.iter().map(|second| second.turns).sum();
            let extra: u32 = seconds.iter().map(|second| second.extra).sum();
            let most = f64::from(turns) * settings.share + f64::from(settings.spare);
            let left = f64::from(extra) + 1.0 <= most;
            seconds[place].extra += u32::from(left);
            left
        });
        if !taken {
            metrics::counter!("anima_retry_budget_exhausted_total").increment(1);
        }
        taken
    }

    /// Does something with the seconds that are looked back on, of which one is the present.
    fn with<T>(&self, now: Instant, act: impl FnOnce(&mut [Second; SECONDS], usize) -> T) -> T {
        let number = now.saturating_duration_since(self.began).as_secs();
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        for second in &mut *seconds {
            if second.number + SECONDS as u64 <= number {
                *second = Second::default();
            }
        }
        let place = usize::try_from(number % SECONDS as u64).unwrap_or_default();
        seconds[place].number = number;
        act(&mut seconds, place)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SETTINGS: RetrySettings = RetrySettings { per_turn: 2, share: 0.2, spare: 3 };

    /// How many extra attempts there are when as many as possible are taken.
    fn drain(budget: &Budget, now: Instant) -> usize {
        (0..1000).take_while(|_| budget.take(&SETTINGS, now)).count()
    }

    #[test]
    fn a_quiet_service_has_a_few_and_a_busy_one_a_fifth_of_its_turns_more() {
        let budget = Budget::new();
        let now = Instant::now();
        assert_eq!(drain(&budget, now), 3);
        for _ in 0..100 {
            budget.add_turn(now);
        }
        assert_eq!(drain(&budget, now), 20);
    }

    #[test]
    fn what_is_ten_seconds_ago_is_forgotten() {
        let budget = Budget::new();
        let now = Instant::now();
        for _ in 0..100 {
            budget.add_turn(now);
        }
        assert_eq!(drain(&budget, now), 23);
        assert_eq!(drain(&budget, now + Duration::from_secs(5)), 0);
        assert_eq!(drain(&budget, now + Duration::from_secs(11)), 3);
    }

    #[test]
    fn an_outage_under_load_costs_a_fifth_more() {
        let budget = Budget::new();
        let begun = Instant::now();
        let mut extra = 0;
        for turn in 0..3000 {
            let now = begun + Duration::from_millis(20) * turn;
            budget.add_turn(now);
            extra += (0..2).filter(|_| budget.take(&SETTINGS, now)).count();
        }
        assert!((600..=600 + 3 * 7).contains(&extra), "{extra}");
    }
}
