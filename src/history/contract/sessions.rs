//! Sessions as a whole.

use super::*;
use crate::history::{Addition, HistoryError, MOST_COUNTERS, Used};

pub(crate) async fn a_session_that_is_there_is_created_as_it_is(store: &impl HistoryStore) {
    let session = SessionId::generate();
    let settings =
        SessionSettings { persona: Some("xiaoling".to_owned()), provider: Some("demo".to_owned()) };
    let created = store.create(&session, &settings).await.unwrap();
    assert_eq!((&created.title[..], created.exchanges, &created.settings), ("", 0, &settings));
    assert_eq!(all(store, &session).await, []);
    let again = store.create(&session, &SessionSettings::default()).await.unwrap();
    assert_eq!(again, created);
    assert_eq!(store.session(&session).await.unwrap(), Some(created));
    let opened = open(store, &session, &turn("one", "Hello")).await;
    assert_eq!(opened.settings, settings);
    assert_eq!(store.session(&session).await.unwrap().unwrap().title, "Hello");
}

pub(crate) async fn the_session_last_used_is_listed_first(store: &impl HistoryStore) {
    let sessions: Vec<SessionId> = (0..3).map(|_| SessionId::generate()).collect();
    for session in &sessions {
        open(store, session, &turn("one", "Hello")).await;
    }
    open(store, &sessions[0], &turn("two", "Hello again")).await;
    let listed = store.list(&Tenant::default(), 0, 3).await.unwrap();
    let expected = [&sessions[0], &sessions[2], &sessions[1]];
    assert_eq!(listed.iter().map(|record| &record.id).collect::<Vec<_>>(), expected);
    let listed = store.list(&Tenant::default(), 1, 1).await.unwrap();
    assert_eq!(listed.iter().map(|record| &record.id).collect::<Vec<_>>(), expected[1..2]);
    assert_eq!(listed[0], store.session(&sessions[2]).await.unwrap().unwrap());
}

pub(crate) async fn sessions_of_another_tenant_do_not_exist(store: &impl HistoryStore) {
    // Names of their own, as a store may be shared between checks.
    let tenant = || Tenant::parse(&SessionId::generate().id()[..20]).unwrap();
    let (museum, bank) = (tenant(), tenant());
    let id = SessionId::generate();
    let [mine, theirs] = [&museum, &bank].map(|tenant| id.clone().of(tenant));
    let opened = tell(store, &mine, &turn("one", "Hello"), &answer("Hello.")).await;
    assert_eq!(opened.position, 0);
    for other in [&theirs, &id] {
        assert_eq!(store.session(other).await.unwrap(), None);
        assert!(matches!(store.recent(other, 9).await, Err(HistoryError::SessionNotFound)));
        assert_eq!(store.exchange(other, &super::id("one")).await.unwrap(), None);
    }
    // The same id, and even the same turn of it, is another's conversation.
    tell(store, &theirs, &turn("one", "Good evening"), &answer("Good evening.")).await;
    assert_eq!(told(&all(store, &mine).await), [("one", "Hello.")]);
    assert_eq!(told(&all(store, &theirs).await), [("one", "Good evening.")]);
    let second = tenant_session(store, &museum).await;
    let listed = store.list(&museum, 0, 9).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|record| &record.id).collect();
    assert_eq!(listed, [&second, &mine]);
    assert_eq!(store.list(&museum, 1, 9).await.unwrap()[0].id, mine);
    let record = store.session(&mine).await.unwrap().unwrap();
    assert_eq!((record.id.key(), record.exchanges), (mine.key(), 1));
    store.delete(&mine).await.unwrap();
    assert_eq!(store.list(&museum, 0, 9).await.unwrap().len(), 1);
    assert_eq!(store.list(&bank, 0, 9).await.unwrap()[0].id, theirs);
    let all = store.list(&Tenant::default(), 0, 1000).await.unwrap();
    assert!(all.iter().all(|record| record.id.tenant() == Tenant::default()));
}

async fn tenant_session(store: &impl HistoryStore, tenant: &Tenant) -> SessionId {
    let session = tenant.new_session();
    store.create(&session, &SessionSettings::default()).await.unwrap();
    session
}

pub(crate) async fn a_session_is_renamed_and_configured(store: &impl HistoryStore) {
    let session = SessionId::generate();
    let opened = open(store, &session, &turn("one", "Hello")).await;
    let settings = SessionSettings { persona: None, provider: Some("other".to_owned()) };
    store.rename(&session, "At the museum").await.unwrap();
    let configured = store.configure(&session, &settings).await.unwrap();
    assert_eq!((&configured.title[..], &configured.settings), ("At the museum", &settings));
    store.finish(&opened.fence, &id("one"), &answer("Hello.")).await.unwrap();
    assert_eq!(open(store, &session, &turn("two", "Hm")).await.settings, settings);
}

pub(crate) async fn a_cleared_session_is_empty_and_still_there(store: &impl HistoryStore) {
    let session = SessionId::generate();
    tell(store, &session, &turn("one", "Hello"), &answer("Hello.")).await;
    let running = open(store, &session, &turn("two", "Tell me a story")).await;
    store.clear(&session).await.unwrap();
    assert_eq!(all(store, &session).await, []);
    let record = store.session(&session).await.unwrap().unwrap();
    assert_eq!((record.exchanges, &record.title[..]), (0, "Hello"));
    let late = store.finish(&running.fence, &id("two"), &answer("Once")).await;
    assert!(matches!(late, Err(HistoryError::Fenced | HistoryError::TurnNotFound)));
    assert_eq!(store.begin(&session, &once_more("again")).await.unwrap(), Begun::NothingToReplace);
    let anew = tell(store, &session, &turn("one", "Other words"), &answer("Fine.")).await;
    assert_eq!(anew.recent, []);
    assert_eq!(told(&all(store, &session).await), [("one", "Fine.")]);
}

pub(crate) async fn a_deleted_session_is_gone(store: &impl HistoryStore) {
    let (session, other) = (SessionId::generate(), SessionId::generate());
    tell(store, &other, &turn("one", "Hello"), &answer("Hello.")).await;
    tell(store, &session, &turn("one", "Hello"), &answer("Hello.")).await;
    store.delete(&session).await.unwrap();
    assert_eq!(store.session(&session).await.unwrap(), None);
    assert!(matches!(store.recent(&session, 1).await, Err(HistoryError::SessionNotFound)));
    assert!(
        store
            .list(&Tenant::default(), 0, 100)
            .await
            .unwrap()
            .iter()
            .all(|record| record.id != session)
    );
    assert_eq!(told(&all(store, &other).await), [("one", "Hello.")]);
}

pub(crate) async fn a_fence_does_not_outlive_its_session(store: &impl HistoryStore) {
    let session = SessionId::generate();
    let former = open(store, &session, &turn("one", "Hello")).await;
    store.delete(&session).await.unwrap();
    let late = store.finish(&former.fence, &id("one"), &answer("Once")).await;
    assert!(matches!(late, Err(HistoryError::SessionNotFound)));
    open(store, &session, &turn("one", "Hello")).await;
    let late = store.finish(&former.fence, &id("one"), &answer("Once")).await;
    assert!(matches!(late, Err(HistoryError::Fenced)));
}

pub(crate) async fn a_session_that_is_not_there_is_told(store: &impl HistoryStore) {
    let nowhere = SessionId::generate();
    let settings = SessionSettings::default();
    assert_eq!(store.session(&nowhere).await.unwrap(), None);
    for refused in [
        store.recent(&nowhere, 1).await.map(drop),
        store.rename(&nowhere, "Nothing").await.map(drop),
        store.configure(&nowhere, &settings).await.map(drop),
        store.clear(&nowhere).await,
        store.delete(&nowhere).await,
    ] {
        assert!(matches!(refused, Err(HistoryError::SessionNotFound)));
    }
}

pub(crate) async fn a_store_that_works_is_healthy(store: &impl HistoryStore) {
    store.health().await.unwrap();
    store.health().await.unwrap();
}

pub(crate) async fn what_is_used_in_a_day_adds_up(store: &impl HistoryStore) {
    // A name of its own, and days that nobody else counts.
    let (name, day) = (SessionId::generate(), 1_000_000);
    let count = |day, number, turns, tokens| {
        let used = Used { turns, tokens };
        store.count(day, name.id(), Addition { by: 1, number, used })
    };
    assert_eq!(count(day, 0, 0, 0).await.unwrap(), Used::default());
    assert_eq!(count(day, 1, 2, 70).await.unwrap(), Used { turns: 2, tokens: 70 });
    assert_eq!(count(day, 2, 1, 0).await.unwrap(), Used { turns: 3, tokens: 70 });
    assert_eq!(count(day, 2, 0, 0).await.unwrap(), Used { turns: 3, tokens: 70 });
    let other = Addition { by: 1, number: 1, used: Used { turns: 1, tokens: 1 } };
    let other = store.count(day, "other", other).await.unwrap();
    assert!(other.turns >= 1, "{other:?}");
    assert_eq!(count(day + 1, 1, 1, 1).await.unwrap(), Used { turns: 1, tokens: 1 });
}

pub(crate) async fn what_is_added_twice_counts_once(store: &impl HistoryStore) {
    let (name, day) = (SessionId::generate(), 2_000_000);
    let count = async |by: u64, number: u64| {
        let used = Used { turns: 1, tokens: 10 };
        let sum = store.count(day, name.id(), Addition { by, number, used }).await.unwrap();
        assert_eq!(sum.tokens, 10 * sum.turns);
        sum.turns
    };
    // Numbers are as large as they will be, and those who add are, too.
    let (now, one, other) = (1_900_000_000_000_000, u64::MAX, u64::MAX - 1);
    assert_eq!(count(one, now).await, 1);
    assert_eq!(count(one, now).await, 1, "the same again");
    assert_eq!(count(other, now).await, 2, "the same number of another");
    assert_eq!(count(one, now + 1).await, 3);
    assert_eq!(count(one, now).await, 3, "one that comes late");
    assert_eq!(count(other, now).await, 3);
    // Many who add are known, and not without end.
    for by in 0..MOST_COUNTERS as u64 {
        assert_eq!(count(by, now + 2 + by).await, 4 + by);
    }
    let sum = 3 + MOST_COUNTERS as u64;
    for by in 0..MOST_COUNTERS as u64 {
        assert_eq!(count(by, now + 2 + by).await, sum);
    }
    assert_eq!(count(other, now).await, sum + 1, "it was forgotten");
}
