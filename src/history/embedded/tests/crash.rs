//! Crashes, losses of power and disks that fail for a while.

use std::time::{Duration, Instant};

use futures::future::join_all;

use super::disk::Disk;
use super::explain;
use super::ledger::{Dice, Ledger};
use crate::history::contract::{
    all, answer, id, once_more, open, replay, settling, tell, told, turn,
};
use crate::history::{Begun, ExchangeState, HistoryError, HistoryStore, NewTurn};
use crate::turn::{SessionId, Tenant};

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let disk = Disk::default();
    let store = disk.open().unwrap();
    let session = SessionId::generate();
    tell(&store, &session, &turn("one", "Who are you?"), &answer("Anima.")).await;
    tell(&store, &session, &once_more("again"), &answer("I am Anima.")).await;
    let before =
        (all(&store, &session).await, store.list(&Tenant::default(), 0, 10).await.unwrap());
    drop(store);
    let store = disk.open().unwrap();
    assert_eq!(
        (all(&store, &session).await, store.list(&Tenant::default(), 0, 10).await.unwrap()),
        before
    );
    assert_eq!(replay(&store, &session, &turn("one", "Who are you?")).await, before.0[0]);
    assert_eq!(open(&store, &session, &turn("two", "And I?")).await.position, 1);
}

#[tokio::test]
async fn what_a_crash_left_running_is_incomplete_and_runs_again() {
    let disk = Disk::default();
    let store = disk.open().unwrap();
    let (running, replacing, done) =
        (SessionId::generate(), SessionId::generate(), SessionId::generate());
    tell(&store, &done, &turn("one", "Hello"), &answer("Hello.")).await;
    let former = open(&store, &running, &turn("one", "Tell me a story")).await;
    tell(&store, &replacing, &turn("one", "Hello"), &answer("old")).await;
    open(&store, &replacing, &once_more("again")).await;
    let before = store.list(&Tenant::default(), 0, 10).await.unwrap();
    disk.fail_after(0);
    drop(store);
    disk.restart(|| false);
    let store = disk.open().unwrap();
    assert_eq!(store.list(&Tenant::default(), 0, 10).await.unwrap(), before);
    assert_eq!(all(&store, &running).await[0].state, ExchangeState::Incomplete);
    assert_eq!(told(&all(&store, &replacing).await), [("one", "old")]);
    assert_eq!(told(&all(&store, &done).await), [("one", "Hello.")]);
    let late = store.finish(&former.fence, &id("one"), &answer("Once")).await;
    assert!(matches!(late, Err(HistoryError::TurnNotFound)));
    assert_eq!(open(&store, &running, &turn("one", "Tell me a story")).await.position, 0);
    tell(&store, &replacing, &once_more("again"), &answer("new")).await;
    assert_eq!(told(&all(&store, &replacing).await), [("again", "new")]);
}

#[tokio::test]
async fn a_full_disk_is_told_and_once_it_has_room_writing_goes_on() {
    let disk = Disk::default();
    let store = disk.open().unwrap();
    let session = SessionId::generate();
    let running = open(&store, &session, &turn("one", "Hello")).await;
    disk.fill(true);
    let refused = store.begin(&session, &turn("two", "Tell me a story")).await.unwrap_err();
    assert!(matches!(refused, HistoryError::Unacknowledged(_)), "{}", explain(&refused));
    assert!(store.health().await.is_err());
    disk.fill(false);
    let deadline = Instant::now() + Duration::from_secs(10);
    while store.health().await.is_err() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The running turn was not touched, and the one that was refused is new.
    store.finish(&running.fence, &id("one"), &answer("Hello.")).await.unwrap();
    assert_eq!(open(&store, &session, &turn("two", "Tell me a story")).await.position, 1);
    assert_eq!(told(&all(&store, &session).await), [("one", "Hello."), ("two", "")]);
}

#[tokio::test]
async fn a_turn_that_was_written_but_never_acknowledged_can_be_opened() {
    let mut written = 0;
    for writes in 0..12 {
        let disk = Disk::default();
        let store = disk.open().unwrap();
        let session = SessionId::generate();
        let asked = turn("one", "Hello");
        disk.fail_after(writes);
        let refused = match store.begin(&session, &asked).await {
            Ok(Begun::New(opened)) => {
                disk.restart(|| true);
                store.finish(&opened.fence, &asked.id, &answer("Hello.")).await.unwrap();
                continue;
            }
            other => other.unwrap_err(),
        };
        disk.restart(|| true);
        let deadline = Instant::now() + Duration::from_secs(10);
        while store.health().await.is_err() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // Whoever is told that nothing was changed can rely on it.
        let is_there = store.session(&session).await.unwrap().is_some();
        let may_be_there = matches!(refused, HistoryError::Unacknowledged(_));
        assert!(may_be_there || !is_there, "after {writes} writes: {}", explain(&refused));
        written += usize::from(is_there);
        assert_eq!(open(&store, &session, &asked).await.position, 0, "after {writes} writes");
    }
    assert!(written > 0);
}

/// How often the power fails in one run.
const CRASHES: usize = 20;

/// Begins, finishes, amends, settles and clears in four sessions at a time, with the power failing
/// again and again.
async fn run_through_crashes(seed: u64, loses_everything: bool) {
    let mut dice = Dice(seed);
    let disk = Disk::default();
    let mut store = disk.open().unwrap();
    let mut ledgers: Vec<Ledger> = (0..4).map(|_| Ledger::new()).collect();
    disk.fail_after(100);
    let mut crashes = 0;
    while crashes < CRASHES {
        let steps = ledgers.iter_mut().map(|ledger| ledger.step(&store, dice.below(10)));
        let mut fails = join_all(steps.collect::<Vec<_>>()).await.contains(&false);
        // The power may fail between two operations as well as within one.
        if dice.below(12) == 0 {
            disk.fail_after(0);
            fails = true;
        }
        if fails {
            crashes += 1;
            drop(store);
            disk.restart(|| !loses_everything && dice.below(2) == 0);
            store = disk.open().unwrap_or_else(|error| panic!("seed {seed}: {}", explain(&error)));
            for ledger in &mut ledgers {
                ledger.check(&store).await;
            }
            disk.fail_after(usize::try_from(dice.below(150)).unwrap());
        }
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_unsynced_writes_are() {
    for seed in 1..=6 {
        run_through_crashes(seed, true).await;
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_some_unsynced_writes_are() {
    for seed in 7..=12 {
        run_through_crashes(seed, false).await;
    }
}

#[tokio::test]
async fn a_settlement_is_as_durable_as_the_turn_that_brought_it() {
    let disk = Disk::default();
    let store = disk.open().unwrap();
    let session = SessionId::generate();
    open(&store, &session, &turn("one", "Tell me a story")).await;
    let next = NewTurn {
        settles: Some(settling("one", Some("Once"), Some(answer("Once upon")))),
        ..turn("two", "Stop")
    };
    open(&store, &session, &next).await;
    disk.fail_after(0);
    drop(store);
    disk.restart(|| false);
    let store = disk.open().unwrap();
    let kept = all(&store, &session).await;
    assert_eq!((kept[0].state, kept[0].heard()), (ExchangeState::Finished, "Once"));
    assert_eq!(kept[1].state, ExchangeState::Incomplete);
}
