//! Counting, giving back, and days.

use super::*;

fn account(limits: LimitSettings) -> Arc<Account> {
    Arc::new(Account::new("kiosk", limits))
}

/// Takes a turn that begins and ends.
fn answer(account: &Arc<Account>, tokens: u64) -> Result<(), TurnError> {
    let running = Account::take_turn(account)?.begin()?;
    running.spend();
    running.charge(tokens);
    Ok(())
}

#[test]
fn a_turn_that_never_began_is_given_back_once_nobody_holds_it() {
    let limits = LimitSettings {
        turns_per_day: 2,
        turns_per_minute: 60,
        burst: 2,
        ..LimitSettings::default()
    };
    let account = account(limits);
    for _ in 0..10 {
        drop(Account::take_turn(&account).unwrap());
        drop(Account::take_turn(&account).unwrap().begin().unwrap());
    }
    let (one, other) =
        (Account::take_turn(&account).unwrap(), Account::take_turn(&account).unwrap());
    assert!(Account::take_turn(&account).is_err(), "what is claimed counts");
    let running = one.begin().unwrap();
    running.spend();
    running.spend();
    drop((one, other, running));
    assert_eq!(Account::open(&account, true).unwrap().turns, 1);
    answer(&account, 0).unwrap();
    assert_eq!(Account::take_turn(&account).unwrap_err().code, TurnErrorCode::QuotaExceeded);
}

#[test]
fn other_limits_hold_for_whoever_runs_already() {
    let account = account(LimitSettings::default());
    let running = Account::take_turn(&account).unwrap().begin().unwrap();
    account.limit(LimitSettings { concurrent_turns: 1, ..LimitSettings::default() });
    assert!(Account::take_turn(&account).unwrap().begin().is_err());
    drop(running);
    Account::take_turn(&account).unwrap().begin().unwrap();
}

#[test]
fn a_place_is_free_again_when_the_turn_has_ended_and_whoever_cuts_in_needs_none() {
    let account = account(LimitSettings { concurrent_turns: 1, ..LimitSettings::default() });
    let begin = || Account::take_turn(&account).unwrap().begin();
    let first = begin().unwrap();
    let refused = begin().unwrap_err();
    assert_eq!((refused.code, refused.retry_after_ms), (TurnErrorCode::RateLimited, Some(1000)));
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
    let answered = (0..10).filter(|_| answer(&account, 0).is_ok()).count();
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
    answer(&account, 99).unwrap();
    answer(&account, 1).unwrap();
    let refused = Account::take_turn(&account).unwrap_err();
    assert_eq!(refused.code, TurnErrorCode::QuotaExceeded);
    assert!(refused.retry_after_ms.unwrap() <= 24 * 60 * 60 * 1000);
    account.used().today.day -= 1;
    for _ in 0..3 {
        answer(&account, 0).unwrap();
    }
    assert_eq!(Account::take_turn(&account).unwrap_err().code, TurnErrorCode::QuotaExceeded);
    // On the house there is nobody to charge.
    Claim::of_the_house().begin().unwrap().charge(1);
}

#[test]
fn what_others_have_used_counts_and_what_came_meanwhile_does_too() {
    let limits = LimitSettings { turns_per_day: 10, ..LimitSettings::default() };
    let account = account(limits);
    let take = |tokens| answer(&account, tokens);
    let open = Account::open(&account, false).unwrap();
    assert_eq!((open.turns, open.tokens), (0, 0), "what was used before is asked once");
    open.settle(3, 30);
    assert!(Account::open(&account, false).is_none());
    take(7).unwrap();
    let open = Account::open(&account, true).unwrap();
    assert_eq!((open.turns, open.tokens), (1, 7));
    take(0).unwrap();
    // Another process has used four.
    open.settle(8, 99);
    assert_eq!(Account::open(&account, true).unwrap().turns, 1);
    take(0).unwrap();
    assert_eq!(take(0).unwrap_err().code, TurnErrorCode::QuotaExceeded);
    // A store that does not answer leaves it open, and a new day begins with nothing.
    assert_eq!(Account::open(&account, true).unwrap().turns, 1);
    account.used().today.day -= 1;
    let open = Account::open(&account, true).unwrap();
    assert_eq!((open.turns, open.tokens), (0, 0));
}

#[test]
fn what_the_store_has_not_answered_it_is_told_again_as_it_was() {
    let account = account(LimitSettings { turns_per_day: 10, ..LimitSettings::default() });
    answer(&account, 7).unwrap();
    let first = Account::open(&account, true).unwrap();
    // Meanwhile there is more, and the clock is set back.
    answer(&account, 5).unwrap();
    let again = Account::open(&account, true).unwrap();
    let told = |open: &Open| (open.by, open.number, open.turns, open.tokens);
    assert_eq!((told(&again), again.turns, again.tokens), (told(&first), 1, 7));
    again.settle(1, 7);
    account.used().told += 1_000_000_000;
    let next = Account::open(&account, true).unwrap();
    assert!(next.number > first.number + 1_000_000_000);
    assert_eq!((next.by, next.turns, next.tokens), (first.by, 1, 5));
    next.settle(2, 12);
    let used = account.used().today;
    assert_eq!((used.turns, used.tokens, used.open), (2, 12, (0, 0)));
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
