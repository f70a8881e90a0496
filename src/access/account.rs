//! What one caller has used, and may.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use super::Allowance;
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
    limits: LimitSettings,
    used: Mutex<Used>,
}

#[derive(Debug)]
struct Used {
    /// Not there where there is no limit.
    requests: Option<Allowance>,
    turns: Option<Allowance>,
    running: u32,
    today: Today,
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
    /// Whether the store has told what was used before.
    known: bool,
}

impl Today {
    /// Begins anew with a new day.
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
        let minute = Duration::from_mins(1);
        let allowance = |times: u32, burst: u32| {
            (times > 0).then(|| match burst {
                0 => Allowance::new(times, minute),
                burst => Allowance::with_burst(times, minute, burst),
            })
        };
        let used = Used {
            requests: allowance(limits.requests_per_minute, 0),
            turns: allowance(limits.turns_per_minute, limits.burst),
            running: 0,
            today: Today::default(),
        };
        Self { name: name.to_owned(), limits, used: Mutex::new(used) }
    }

    /// The same under other limits; what was used today still counts.
    pub(super) fn with_limits(&self, limits: LimitSettings) -> Self {
        let mut account = Self::new(&self.name, limits);
        let used = account.used.get_mut().unwrap_or_else(PoisonError::into_inner);
        used.today = self.used().today;
        account
    }

    pub(super) fn limits(&self) -> LimitSettings {
        self.limits
    }

    /// Whether forgetting it would forget nothing.
    pub(super) fn is_idle(&self) -> bool {
        let mut used = self.used();
        let today = used.today.at(now());
        let counted = today.turns > 0 || today.tokens > 0;
        let quotas = self.limits.turns_per_day > 0 || self.limits.tokens_per_day > 0;
        let full =
            |allowance: &mut Option<Allowance>| allowance.as_mut().is_none_or(Allowance::is_full);
        used.running == 0
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
        let (limits, now) = (account.limits, now());
        let mut used = account.used();
        let Used { turns, today, .. } = &mut *used;
        let today = today.at(now);
        let tomorrow = Duration::from_secs((DAY - now.rem_euclid(DAY)).unsigned_abs());
        let reached = |used: u64, limit: u64| limit > 0 && used >= limit;
        if reached(today.turns, limits.turns_per_day) {
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
        today.turns += 1;
        today.open.0 += 1;
        metrics::counter!("anima_caller_turns_total", "caller" => account.name.clone())
            .increment(1);
        drop(used);
        Ok(Claim(Some(Arc::clone(account))))
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

    fn charge(&self, tokens: u64) {
        metrics::counter!("anima_caller_tokens_total", "caller" => self.name.clone())
            .increment(tokens);
        let mut used = self.used();
        let today = used.today.at(now());
        today.tokens = today.tokens.saturating_add(tokens);
        today.open.1 = today.open.1.saturating_add(tokens);
    }

    /// What the store is to be told, and asked, of this day; `None` where there is no quota, or where
    /// nobody else counts and the store knows everything.
    pub(super) fn open(account: &Arc<Self>, shared: bool) -> Option<Open> {
        let limits = account.limits;
        if limits.turns_per_day == 0 && limits.tokens_per_day == 0 {
            return None;
        }
        let mut used = account.used();
        let today = used.today.at(now());
        let (turns, tokens) = today.open;
        if today.known && !shared && (turns, tokens) == (0, 0) {
            return None;
        }
        Some(Open { account: Arc::clone(account), day: today.day, turns, tokens })
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        today.open.0 = today.open.0.saturating_sub(self.turns);
        today.open.1 = today.open.1.saturating_sub(self.tokens);
        today.turns = turns.saturating_add(today.open.0);
        today.tokens = tokens.saturating_add(today.open.1);
        today.known = true;
    }
}

/// A turn's claim on what its caller may use: it was counted, and does not run yet.
#[derive(Debug, Clone)]
pub struct Claim(Option<Arc<Account>>);

/// A turn that runs on its caller's account, until this is dropped.
#[derive(Debug)]
pub struct Running(Option<Arc<Account>>);

impl Claim {
    /// The claim of the house itself, which nobody counts.
    pub fn of_the_house() -> Self {
        Self(None)
    }

    /// Begins to run.
    ///
    /// # Errors
    /// When so many of the caller's turns run already; the error says when to come back.
    pub fn begin(&self) -> Result<Running, TurnError> {
        if let Some(account) = &self.0 {
            let most = account.limits.concurrent_turns;
            if most > 0 && account.used().running >= most {
                let message = "too many turns at a time";
                return Err(account.refuse("running", TurnErrorCode::RateLimited, message, SOON));
            }
        }
        Ok(self.take_over())
    }

    /// Begins to run in the place of a turn that is about to end: whoever cuts in is not refused.
    pub fn take_over(&self) -> Running {
        if let Some(account) = &self.0 {
            account.used().running += 1;
        }
        Running(self.0.clone())
    }
}

impl Running {
    /// A claim for what belongs to the same turn.
    pub fn claim(&self) -> Claim {
        Claim(self.0.clone())
    }

    /// Counts tokens that were spent on the turn.
    pub fn charge(&self, tokens: u64) {
        if let Some(account) = &self.0 {
            account.charge(tokens);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(account) = &self.0 {
            let mut used = account.used();
            used.running = used.running.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(limits: LimitSettings) -> Arc<Account> {
        Arc::new(Account::new("kiosk", limits))
    }

    #[test]
    fn a_place_is_free_again_when_the_turn_has_ended_and_whoever_cuts_in_needs_none() {
        let account = account(LimitSettings { concurrent_turns: 1, ..LimitSettings::default() });
        let begin = || Account::take_turn(&account).unwrap().begin();
        let first = begin().unwrap();
        let refused = begin().unwrap_err();
        assert_eq!(
            (refused.code, refused.retry_after_ms),
            (TurnErrorCode::RateLimited, Some(1000))
        );
        let second = Account::take_turn(&account).unwrap().take_over();
        drop(first);
        assert!(begin().is_err(), "the second runs");
        assert!(!account.is_idle());
        drop(second);
        assert!(account.is_idle());
        begin().unwrap();
    }

    #[test]
    fn a_burst_is_answered_and_then_the_rate_holds() {
        let limits = LimitSettings { turns_per_minute: 60, burst: 3, ..LimitSettings::default() };
        let account = account(limits);
        let answered = (0..10).filter(|_| Account::take_turn(&account).is_ok()).count();
        assert_eq!(answered, 3);
        let wait = Account::take_turn(&account).unwrap_err().retry_after_ms.unwrap();
        assert!((1..=1000).contains(&wait), "{wait}");
        assert!(!account.is_idle());
    }

    #[test]
    fn a_day_has_its_quotas_and_the_next_one_has_them_again() {
        let limits =
            LimitSettings { turns_per_day: 3, tokens_per_day: 100, ..LimitSettings::default() };
        let account = account(limits);
        Account::take_turn(&account).unwrap().begin().unwrap().charge(99);
        Account::take_turn(&account).unwrap().begin().unwrap().charge(1);
        let refused = Account::take_turn(&account).unwrap_err();
        assert_eq!(refused.code, TurnErrorCode::QuotaExceeded);
        assert!(refused.retry_after_ms.unwrap() <= 24 * 60 * 60 * 1000);
        account.used().today.day -= 1;
        for _ in 0..3 {
            Account::take_turn(&account).unwrap();
        }
        assert_eq!(Account::take_turn(&account).unwrap_err().code, TurnErrorCode::QuotaExceeded);
        // On the house there is nobody to charge.
        Claim::of_the_house().begin().unwrap().charge(1);
    }

    #[test]
    fn what_others_have_used_counts_and_what_came_meanwhile_does_too() {
        let limits = LimitSettings { turns_per_day: 10, ..LimitSettings::default() };
        let account = account(limits);
        let take = || Account::take_turn(&account);
        let open = Account::open(&account, false).unwrap();
        assert_eq!((open.turns, open.tokens), (0, 0), "what was used before is asked once");
        open.settle(3, 30);
        assert!(Account::open(&account, false).is_none());
        take().unwrap().begin().unwrap().charge(7);
        let open = Account::open(&account, true).unwrap();
        assert_eq!((open.turns, open.tokens), (1, 7));
        take().unwrap();
        // Another process has used four.
        open.settle(8, 99);
        assert_eq!(Account::open(&account, true).unwrap().turns, 1);
        take().unwrap();
        assert_eq!(take().unwrap_err().code, TurnErrorCode::QuotaExceeded);
        // A store that does not answer leaves it open, and a new day begins with nothing.
        assert_eq!(Account::open(&account, true).unwrap().turns, 2);
        account.used().today.day -= 1;
        let open = Account::open(&account, true).unwrap();
        assert_eq!((open.turns, open.tokens), (0, 0));
    }

    #[test]
    fn requests_are_counted_for_themselves() {
        let account = account(LimitSettings { requests_per_minute: 2, ..LimitSettings::default() });
        assert!(account.take_request().is_ok() && account.take_request().is_ok());
        let refused = account.take_request().unwrap_err();
        assert_eq!(refused.code, TurnErrorCode::RateLimited);
        assert!(refused.retry_after_ms.unwrap() > 25_000);
        Account::take_turn(&account).unwrap();
    }
}
