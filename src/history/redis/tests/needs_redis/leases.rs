//! Two processes on one Redis, as stores with the same keys.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::sleep;

use super::super::server::RedisServer;
use super::options;
use crate::history::contract::{all, answer, id, interrupted, open, settling, tell, told, turn};
use crate::history::redis::{RedisOptions, RedisStore};
use crate::history::{Begun, ExchangeState, HistoryError, HistoryStore, NewTurn, Settlement};
use crate::turn::SessionId;

/// As short as a lease can be and still outlive the pauses of a busy machine.
const SHORT: Duration = Duration::from_millis(400);

fn two_with(change: impl FnOnce(&mut RedisOptions)) -> [RedisStore; 2] {
    let mut options = options(&RedisServer::shared().url());
    change(&mut options);
    [0, 1].map(|_| RedisStore::open(&options).unwrap())
}

fn two() -> [RedisStore; 2] {
    two_with(|_| {})
}

/// The same turn as a process takes it that is not answering it.
fn elsewhere(turn: &NewTurn) -> NewTurn {
    NewTurn { running_here: false, ..turn.clone() }
}

#[tokio::test]
async fn a_turn_that_another_process_answers_is_left_to_it() {
    let [a, b] = two();
    let session = SessionId::generate();
    let asked = turn("one", "Hello");
    let opened = open(&a, &session, &asked).await;
    let before = all(&a, &session).await;
    for here in [asked.clone(), elsewhere(&asked)] {
        let Begun::Elsewhere { wait } = b.begin(&session, &here).await.unwrap() else {
            panic!("it was taken")
        };
        assert!(wait > Duration::from_secs(5) && wait <= Duration::from_secs(10), "{wait:?}");
    }
    assert_eq!(b.begin(&session, &turn("one", "Other words")).await.unwrap(), Begun::Conflict);
    assert_eq!(all(&b, &session).await, before);
    a.finish(&opened.fence, &id("one"), &answer("Hello.")).await.unwrap();
    assert!(matches!(b.begin(&session, &asked).await.unwrap(), Begun::Replay(_)));
}

#[tokio::test]
async fn a_lease_that_ran_out_lets_another_process_open_the_turn_again() {
    let [a, b] = two_with(|options| options.lease = SHORT);
    let session = SessionId::generate();
    let asked = turn("one", "Hello");
    let lost = open(&a, &session, &asked).await;
    sleep(SHORT).await;
    let opened = open(&b, &session, &elsewhere(&asked)).await;
    assert_eq!(opened.position, lost.position);
    assert!(opened.fence.number > lost.fence.number);
    // The first comes back to life and learns it, whatever it tries.
    assert!(matches!(a.renew(&lost.fence).await, Err(HistoryError::Fenced)));
    let late = a.finish(&lost.fence, &id("one"), &answer("Late.")).await;
    assert!(matches!(late, Err(HistoryError::Fenced)));
    let Begun::Elsewhere { .. } = a.begin(&session, &asked).await.unwrap() else {
        panic!("a turn that another process took is not running here")
    };
    b.finish(&opened.fence, &id("one"), &answer("Hello.")).await.unwrap();
    assert_eq!(told(&all(&a, &session).await), [("one", "Hello.")]);
}

#[tokio::test]
async fn a_lease_that_is_renewed_does_not_run_out() {
    let [a, b] = two_with(|options| options.lease = Duration::from_secs(2));
    let session = SessionId::generate();
    let opened = open(&a, &session, &turn("one", "Hello")).await;
    for _ in 0..6 {
        sleep(Duration::from_millis(500)).await;
        a.renew(&opened.fence).await.unwrap();
    }
    let again = elsewhere(&turn("one", "Hello"));
    assert!(matches!(b.begin(&session, &again).await.unwrap(), Begun::Elsewhere { .. }));
}

#[tokio::test]
async fn a_new_turn_elsewhere_takes_the_session_over() {
    let [a, b] = two();
    let session = SessionId::generate();
    let first = open(&a, &session, &turn("one", "Tell me a story")).await;
    let second = open(&b, &session, &turn("two", "Stop")).await;
    assert_eq!((second.position, second.recent), (1, Vec::new()));
    assert!(matches!(a.renew(&first.fence).await, Err(HistoryError::Fenced)));
    let late = a.finish(&first.fence, &id("one"), &answer("Once upon a time")).await;
    assert!(matches!(late, Err(HistoryError::Fenced)));
    b.finish(&second.fence, &id("two"), &answer("Fine.")).await.unwrap();
    // What the first process knows of its turn is not believed any more.
    let stale = Settlement {
        fence: Some(first.fence.number),
        ..settling("one", Some("Once"), Some(interrupted("Once upon")))
    };
    let third = NewTurn { settles: Some(stale), ..turn("three", "Go on") };
    assert_eq!(told(&open(&a, &session, &third).await.recent), [("two", "Fine.")]);
    let kept = all(&a, &session).await;
    assert_eq!(told(&kept), [("one", ""), ("two", "Fine."), ("three", "")]);
    assert_eq!(kept[0].state, ExchangeState::Incomplete);
}

#[tokio::test]
async fn of_many_that_begin_one_turn_one_opens_it() {
    let [a, b] = two();
    let session = SessionId::generate();
    let asked = elsewhere(&turn("one", "Hello"));
    let stores = [Arc::new(a), Arc::new(b)];
    let begun = join_all((0..32).map(|number| {
        let (store, session, asked) =
            (Arc::clone(&stores[number % 2]), session.clone(), asked.clone());
        async move { store.begin(&session, &asked).await.unwrap() }
    }))
    .await;
    // The process that was first takes each of its own for one whose acknowledgement was lost.
    let opened = |half: usize| {
        begun.iter().skip(half).step_by(2).filter(|begun| matches!(begun, Begun::New(_))).count()
    };
    let mut by_process = [opened(0), opened(1)];
    by_process.sort_unstable();
    assert_eq!(by_process, [0, 16]);
    assert_eq!(all(stores[0].as_ref(), &session).await.len(), 1);
}

#[tokio::test]
async fn sixteen_sessions_at_once_keep_their_order() {
    let [a, b] = two();
    let stores = [Arc::new(a), Arc::new(b)];
    let sessions: Vec<_> = (0..16).map(|_| SessionId::generate()).collect();
    join_all(sessions.iter().map(async |session| {
        for number in 0..20 {
            let name = format!("turn{number:02}");
            let store = &stores[number % 2];
            tell(store.as_ref(), session, &turn(&name, "Go on"), &answer(&name)).await;
        }
    }))
    .await;
    for session in &sessions {
        let kept = all(stores[0].as_ref(), session).await;
        let expected: Vec<_> = (0..20).map(|number| format!("turn{number:02}")).collect();
        let pairs: Vec<_> = expected.iter().map(|name| (name.as_str(), name.as_str())).collect();
        assert_eq!(told(&kept), pairs);
        assert!(kept.iter().enumerate().all(|(at, kept)| kept.position == at as u64));
    }
}
