//! What one caller has used, and may.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use super::{Allowance, Claim};
use crate::{
    settings::LimitSettings,
    turn::{TurnError, TurnErrorCode},
};

/// When to come back where too many turns run at a time: nobody knows when one ends.
const SOON: Duration = Duration::from_secs(1);

/// Seconds of a day; a day begins at midnight, UTC.
const DAY: i64 = 24 * 60 * 60;

/// What a caller has used, and may.
#[derive(Debug)]
pub(super) struct Account {
    /// What it is called in metrics.
    name: String,
    /// What tells it apart from the accounts of other processes, and of this one's earlier lives.
    id: u64,
    used: Mutex<Used>,
}

#[derive(Debug)]
struct Used {
    /// What the caller may at present.
    limits: LimitSettings,
    /// Not there where there is no limit.
    requests: Option<Allowance>,
    turns: Option<Allowance>,
    running: u32,
    /// Turns that were counted for callers and have not begun.
    claimed: u32,
    today: Today,
    /// The number of what the store was told last, in microseconds since 1970.
    told: u64,
}

/// What was used of a day's quotas.
#[derive(Debug, Clone, Copy, Default)]
struct Today {
    /// Days since the beginning of 1970.
    day: i64,
    turns: u64,
    tokens: u64,
    /// What of it the store does not know.
    open: (u64, u64),
    /// What of that the store was told, under which number, and has not said that it counts.
    unsettled: Option<(u64, (u64, u64))>,
    /// Whether the store has told what was used before.
    known: bool,
}

impl Today {
    /// Begins anew with a new day. What the store was not told of the day before is dropped: nobody asks
    /// for that day any more.
    fn at(&mut self, seconds: i64) -> &mut Self {
        let day = seconds.div_euclid(DAY);
        if day != self.day {
            *self = Self { day, ..Self::default() };
        }
        self
    }
}

impl Account {
    pub(super) fn new(name: &str, limits: LimitSettings) -> Self {
        let used = Used {
            limits,
            requests: requests(limits),
            turns: turns(limits),
            running: 0,
            claimed: 0,
            today: Today::default(),
            told: 0,
        };
        let id = RandomState::new().hash_one(name);
        Self { name: name.to_owned(), id, used: Mutex::new(used) }
    }

    /// Other limits from now on, also for those who hold it already; what was used still counts, but a
    /// rate that changed begins with its whole burst.
    pub(super) fn limit(&self, limits: LimitSettings) {
        let mut used = self.used();
        let before = std::mem::replace(&mut used.limits, limits);
        if before.requests_per_minute != limits.requests_per_minute {
            used.requests = requests(limits);
        }
        if (before.turns_per_minute, before.burst) != (limits.turns_per_minute, limits.burst) {
            used.turns = turns(limits);
        }
    }

    /// Whether forgetting it would forget nothing.
    pub(super) fn is_idle(&self) -> bool {
        let mut used = self.used();
        let today = used.today.at(now());
        let counted = today.turns > 0 || today.tokens > 0;
        let quotas = used.limits.turns_per_day > 0 || used.limits.tokens_per_day > 0;
        let full =
            |allowance: &mut Option<Allowance>| allowance.as_mut().is_none_or(Allowance::is_full);
        used.running == 0
            && used.claimed == 0
            && full(&mut used.requests)
            && full(&mut used.turns)
            && !(quotas && counted)
    }

    pub(super) fn take_request(&self) -> Result<(), TurnError> {
        let Some(requests) = &mut self.used().requests else { return Ok(()) };
        if requests.take() {
            return Ok(());
        }
        let wait = requests.wait().unwrap_or_default();
        Err(self.refuse("requests", TurnErrorCode::RateLimited, "too many requests", wait))
    }

    pub(super) fn take_turn(account: &Arc<Self>) -> Result<Claim, TurnError> {
        let now = now();
        let mut used = account.used();
        let Used { limits, turns, claimed, today, .. } = &mut *used;
        let today = today.at(now);
        let tomorrow = Duration::from_secs((DAY - now.rem_euclid(DAY)).unsigned_abs());
        let reached = |used: u64, limit: u64| limit > 0 && used >= limit;
        if reached(today.turns.saturating_add(u64::from(*claimed)), limits.turns_per_day) {
            let message = "the turns of this day are used up; it ends at midnight, UTC";
            return Err(account.refuse("day", TurnErrorCode::QuotaExceeded, message, tomorrow));
        }
        if reached(today.tokens, limits.tokens_per_day) {
            let message = "the tokens of this day are used up; it ends at midnight, UTC";
            return Err(account.refuse("tokens", TurnErrorCode::QuotaExceeded, message, tomorrow));
        }
        if let Some(turns) = turns
            && !turns.take()
        {
            let wait = turns.wait().unwrap_or_default();
            return Err(account.refuse(
                "turns",
                TurnErrorCode::RateLimited,
                "too many turns in a minute",
                wait,
            ));
        }
        *claimed += 1;
        drop(used);
        Ok(Claim::new(Arc::clone(account)))
    }

    /// One more turn runs.
    ///
    /// # Errors
    /// When so many of the caller's turns run already; the error says when to come back.
    pub(super) fn begin(&self) -> Result<(), TurnError> {
        let mut used = self.used();
        let most = used.limits.concurrent_turns;
        if most > 0 && used.running >= most {
            let message = "too many turns at a time";
            return Err(self.refuse("running", TurnErrorCode::RateLimited, message, SOON));
        }
        used.running += 1;
        Ok(())
    }

    /// One more turn runs, however many do.
    pub(super) fn take_over(&self) {
        self.used().running += 1;
    }

    /// A turn runs no longer.
    pub(super) fn end(&self) {
        let mut used = self.used();
        used.running = used.running.saturating_sub(1);
    }

    /// A turn that was claimed has begun.
    pub(super) fn spend(&self) {
        metrics::counter!("anima_caller_turns_total", "caller" => self.name.clone()).increment(1);
        let mut used = self.used();
        used.claimed = used.claimed.saturating_sub(1);
        let today = used.today.at(now());
        today.turns += 1;
        today.open.0 += 1;
    }

    /// A turn that was claimed never began.
    pub(super) fn give_back(&self) {
        let mut used = self.used();
        used.claimed = used.claimed.saturating_sub(1);
        if let Some(turns) = &mut used.turns {
            turns.give_back();
        }
    }

    fn refuse(
        &self,
        limit: &'static str,
        code: TurnErrorCode,
        message: &str,
        wait: Duration,
    ) -> TurnError {
        let name = self.name.clone();
        metrics::counter!("anima_caller_refused_total", "caller" => name, "limit" => limit)
            .increment(1);
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
        TurnError { retry_after_ms: Some(wait), ..TurnError::new(code, message) }
    }

    pub(super) fn charge(&self, tokens: u64) {
        metrics::counter!("anima_caller_tokens_total", "caller" => self.name.clone())
            .increment(tokens);
        let mut used = self.used();
        let today = used.today.at(now());
        today.tokens = today.tokens.saturating_add(tokens);
        today.open.1 = today.open.1.saturating_add(tokens);
    }

    /// What the store is to be told, and asked, of this day; `None` where there is no quota, or where
    /// nobody else counts and the store knows everything. What it was told and has not answered it is told
    /// again as it was: it may have counted it.
    pub(super) fn open(account: &Arc<Self>, shared: bool) -> Option<Open> {
        let mut used = account.used();
        let Used { limits, today, told, .. } = &mut *used;
        if limits.turns_per_day == 0 && limits.tokens_per_day == 0 {
            return None;
        }
        let time = Timestamp::now();
        let today = today.at(time.as_second());
        if today.known && !shared && today.open == (0, 0) {
            return None;
        }
        let (number, (turns, tokens)) = *today.unsettled.get_or_insert_with(|| {
            // Rising, even where the clock is set back.
            *told = u64::try_from(time.as_microsecond()).unwrap_or(0).max(*told + 1);
            (*told, today.open)
        });
        let account = Arc::clone(account);
        let (by, day) = (account.id, today.day);
        Some(Open { account, day, by, number, turns, tokens })
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn requests(limits: LimitSettings) -> Option<Allowance> {
    let times = limits.requests_per_minute;
    (times > 0).then(|| Allowance::new(times, Duration::from_mins(1)))
}

fn turns(limits: LimitSettings) -> Option<Allowance> {
    let (times, minute) = (limits.turns_per_minute, Duration::from_mins(1));
    (times > 0).then(|| match limits.burst {
        0 => Allowance::new(times, minute),
        burst => Allowance::with_burst(times, minute, burst),
    })
}

/// Seconds since the beginning of 1970.
fn now() -> i64 {
    Timestamp::now().as_second()
}

/// What was used of a day's quotas and is not in the store yet.
#[derive(Debug)]
pub struct Open {
    account: Arc<Account>,
    /// The day, counted from the beginning of 1970.
    pub day: i64,
    /// Who adds to it.
    pub by: u64,
    /// The number of this addition, greater than those before it.
    pub number: u64,
    /// Turns to add.
    pub turns: u64,
    /// Tokens to add.
    pub tokens: u64,
}

impl Open {
    /// The name of the key.
    pub fn name(&self) -> &str {
        &self.account.name
    }

    /// The store has taken it; these are the sums of all processes.
    pub fn settle(self, turns: u64, tokens: u64) {
        let mut used = self.account.used();
        let today = &mut used.today;
        if today.day != self.day {
            return;
        }
        // What came meanwhile is in neither.
        today.unsettled = None;
        today.open.0 = today.open.0.saturating_sub(self.turns);
        today.open.1 = today.open.1.saturating_sub(self.tokens);
        today.turns = turns.saturating_add(today.open.0);
        today.tokens = tokens.saturating_add(today.open.1);
        today.known = true;
    }
}

#[cfg(test)]
mod tests;
