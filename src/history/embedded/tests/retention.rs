//! What is given up in time.

use super::Time;
use super::disk::Disk;
use crate::history::contract::{all, answer, once_more, open, replay, tell, told, turn};
use crate::history::embedded::EmbeddedOptions;
use crate::history::{Begun, HistoryStore};
use crate::turn::{SessionId, Tenant};

const DAY: i64 = 24 * 60 * 60;

#[tokio::test]
async fn the_oldest_exchanges_make_way() {
    let store = Disk::default()
        .open_with(EmbeddedOptions { max_exchanges: 2, ..EmbeddedOptions::default() })
        .unwrap();
    let session = SessionId::generate();
    tell(&store, &session, &turn("one", "1"), &answer("1")).await;
    tell(&store, &session, &once_more("again"), &answer("1!")).await;
    tell(&store, &session, &turn("two", "2"), &answer("2")).await;
    let third = tell(&store, &session, &turn("three", "3"), &answer("3")).await;
    assert_eq!(third.position, 2);
    assert_eq!(told(&all(&store, &session).await), [("two", "2"), ("three", "3")]);
    assert_eq!(store.session(&session).await.unwrap().unwrap().exchanges, 2);
    replay(&store, &session, &turn("two", "2")).await;
    // Ids go with their exchange.
    for forgotten in [turn("one", "Other words"), turn("again", "Other words")] {
        assert!(matches!(store.begin(&session, &forgotten).await.unwrap(), Begun::New(_)));
    }
}

#[tokio::test]
async fn sessions_that_were_not_used_are_forgotten_at_the_start() {
    let (disk, time) = (Disk::default(), Time::default());
    let store = disk.open_at(EmbeddedOptions::default(), time.source()).unwrap();
    let sessions: Vec<SessionId> = (0..100).map(|_| SessionId::generate()).collect();
    for session in &sessions {
        open(&store, session, &turn("one", "Hello")).await;
    }
    time.pass(6 * DAY);
    open(&store, &sessions[0], &turn("two", "Hello")).await;
    time.pass(2 * DAY);
    drop(store);
    let store = disk.open_at(EmbeddedOptions::default(), time.source()).unwrap();
    let listed = store.list(&Tenant::default(), 0, 1000).await.unwrap();
    assert_eq!(listed.iter().map(|record| &record.id).collect::<Vec<_>>(), [&sessions[0]]);
    assert_eq!(all(&store, &sessions[0]).await.len(), 2);
}

#[tokio::test]
async fn sessions_that_were_not_used_are_forgotten_as_others_go_on() {
    let (disk, time) = (Disk::default(), Time::default());
    let store = disk.open_at(EmbeddedOptions::default(), time.source()).unwrap();
    let (old, new) = (SessionId::generate(), SessionId::generate());
    open(&store, &old, &turn("one", "Hello")).await;
    time.pass(7 * DAY - 1);
    open(&store, &new, &turn("one", "Hello")).await;
    assert!(store.session(&old).await.unwrap().is_some());
    time.pass(60 * 60);
    open(&store, &new, &turn("two", "Hello")).await;
    assert_eq!(store.session(&old).await.unwrap(), None);
    assert!(matches!(store.begin(&old, &turn("one", "Other words")).await.unwrap(), Begun::New(_)));
}

#[tokio::test]
async fn a_clock_that_stands_still_gives_an_order_all_the_same() {
    let time = Time::default();
    let store = Disk::default().open_at(EmbeddedOptions::default(), time.source()).unwrap();
    let sessions: Vec<SessionId> = (0..5).map(|_| SessionId::generate()).collect();
    for session in &sessions {
        open(&store, session, &turn("one", "Hello")).await;
    }
    let listed = store.list(&Tenant::default(), 0, 10).await.unwrap();
    assert!(listed.iter().map(|record| &record.id).eq(sessions.iter().rev()));
}
