//! Many callers at once.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::disk::Disk;
use crate::history::contract::{all, answer, open, tell, turn};
use crate::history::embedded::EmbeddedOptions;
use crate::history::embedded::file::open_on;
use crate::history::embedded::schema::SESSIONS;
use crate::history::{Begun, HistoryError, HistoryStore};
use crate::turn::{SessionId, Tenant};

#[tokio::test(flavor = "multi_thread")]
async fn of_64_that_begin_the_same_turn_one_opens_it() {
    let store = Arc::new(Disk::default().open().unwrap());
    let session = SessionId::generate();
    let mut tasks = JoinSet::new();
    for _ in 0..64 {
        let (store, session) = (Arc::clone(&store), session.clone());
        tasks.spawn(async move { store.begin(&session, &turn("one", "Hello")).await.unwrap() });
    }
    let begun = tasks.join_all().await;
    assert_eq!(begun.iter().filter(|begun| matches!(begun, Begun::New(_))).count(), 1);
    assert_eq!(begun.iter().filter(|begun| matches!(begun, Begun::Running)).count(), 63);
    assert_eq!(all(&*store, &session).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_wait_share_a_commit() {
    let disk = Disk::default();
    let store = Arc::new(disk.open().unwrap());
    let before = disk.syncs();
    let mut tasks = JoinSet::new();
    {
        let held = disk.hold();
        for _ in 0..64 {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                open(&*store, &SessionId::generate(), &turn("one", "Hello")).await
            });
        }
        std::thread::park_timeout(Duration::from_millis(200));
        drop(held);
    }
    let opened = tasks.join_all().await;
    assert!(opened.iter().all(|opened| opened.position == 0));
    let syncs = disk.syncs() - before;
    assert!(syncs < 16, "64 operations took {syncs} syncs");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_fails_fails_alone() {
    let disk = Disk::default();
    let (damaged, healthy) = (SessionId::generate(), SessionId::generate());
    let store = disk.open().unwrap();
    tell(&store, &healthy, &turn("one", "Hello"), &answer("Hello.")).await;
    tell(&store, &damaged, &turn("one", "Hello"), &answer("Hello.")).await;
    drop(store);
    let database = open_on(disk.mount()).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(SESSIONS).unwrap().insert(damaged.key(), &b"{"[..]).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let store = Arc::new(disk.open().unwrap());
    let mut tasks = JoinSet::new();
    {
        let held = disk.hold();
        for number in 0..16 {
            let store = Arc::clone(&store);
            let session = if number == 7 { damaged.clone() } else { SessionId::generate() };
            tasks.spawn(async move { store.begin(&session, &turn("two", "Hello")).await });
        }
        std::thread::park_timeout(Duration::from_millis(200));
        drop(held);
    }
    let begun = tasks.join_all().await;
    assert_eq!(begun.iter().filter(|begun| matches!(begun, Ok(Begun::New(_)))).count(), 15);
    assert_eq!(
        begun.iter().filter(|begun| matches!(begun, Err(HistoryError::Unavailable(_)))).count(),
        1
    );
    let listed = store.list(&Tenant::default(), 0, 100).await.unwrap();
    assert!(
        listed.iter().any(|record| record.id == healthy)
            && listed.iter().all(|record| record.id != damaged)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_at_once_and_readers_do_not_wait() {
    let disk = Disk::default();
    let store = Arc::new(
        disk.open_with(EmbeddedOptions { queue: 2, ..EmbeddedOptions::default() }).unwrap(),
    );
    let session = SessionId::generate();
    open(&*store, &session, &turn("one", "Hello")).await;
    let mut tasks = JoinSet::new();
    {
        let held = disk.hold();
        for _ in 0..16 {
            let store = Arc::clone(&store);
            tasks.spawn(
                async move { store.begin(&SessionId::generate(), &turn("one", "Hello")).await },
            );
        }
        let waiting = Duration::from_secs(5);
        let refused = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                let refused = timeout(waiting, tasks.join_next()).await.unwrap().unwrap().unwrap();
                assert_eq!(timeout(waiting, all(&*store, &session)).await.unwrap().len(), 1);
                refused
            })
        });
        assert!(matches!(refused, Err(HistoryError::Overloaded)));
        drop(held);
    }
    let begun = tasks.join_all().await;
    let refused =
        begun.iter().filter(|begun| matches!(begun, Err(HistoryError::Overloaded))).count();
    assert!((8..15).contains(&refused), "{refused} more were refused");
    assert_eq!(begun.iter().filter(|begun| begun.is_ok()).count(), 15 - refused);
}

#[tokio::test]
async fn what_a_caller_did_not_wait_for_is_written_before_the_store_is_gone() {
    let disk = Disk::default();
    let store = disk.open().unwrap();
    let session = SessionId::generate();
    let asked = turn("one", "Hello");
    {
        let _held = disk.hold();
        assert!(store.begin(&session, &asked).now_or_never().is_none());
    }
    drop(store);
    assert_eq!(all(&disk.open().unwrap(), &session).await.len(), 1);
}
