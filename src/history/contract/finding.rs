//! Finding one exchange: by its turn, and the one to go on from.

use super::*;
use crate::history::{Amendment, ExchangeState};

/// The turn that was begun last, where it has ended.
async fn last(store: &impl HistoryStore, session: &SessionId) -> Option<String> {
    store.last(session).await.unwrap().map(|(exchange, _)| exchange.turn.to_string())
}

pub(crate) async fn an_exchange_is_found_by_its_turn(store: &impl HistoryStore) {
    let session = SessionId::generate();
    assert_eq!(store.exchange(&session, &id("one")).await.unwrap(), None);
    tell(store, &session, &turn("one", "Hello"), &answer("Hello there.")).await;
    tell(store, &session, &turn("two", "And?"), &failed()).await;
    open(store, &session, &turn("three", "Go on")).await;
    for exchange in all(store, &session).await {
        let found = store.exchange(&session, &exchange.turn).await.unwrap();
        assert_eq!(found, Some(exchange));
    }
    assert_eq!(store.exchange(&session, &id("four")).await.unwrap(), None);
    assert_eq!(store.exchange(&SessionId::generate(), &id("one")).await.unwrap(), None);
}

pub(crate) async fn an_answer_that_was_replaced_is_not_found(store: &impl HistoryStore) {
    let session = SessionId::generate();
    tell(store, &session, &turn("one", "Hello"), &answer("old")).await;
    open(store, &session, &once_more("again")).await;
    assert!(store.exchange(&session, &id("one")).await.unwrap().is_some());
    assert_eq!(store.exchange(&session, &id("again")).await.unwrap(), None);
    tell(store, &session, &once_more("better"), &answer("new")).await;
    assert_eq!(store.exchange(&session, &id("one")).await.unwrap(), None);
    assert_eq!(
        store.exchange(&session, &id("better")).await.unwrap().as_ref(),
        all(store, &session).await.first()
    );
}

pub(crate) async fn the_turn_begun_last_can_be_amended_by_whoever_asks_for_it(
    store: &impl HistoryStore,
) {
    let session = SessionId::generate();
    tell(store, &session, &turn("one", "Hello"), &answer("Hello there.")).await;
    tell(store, &session, &turn("two", "Tell me a story"), &answer("Once upon a time")).await;
    let (exchange, fence) = store.last(&session).await.unwrap().unwrap();
    assert_eq!(exchange, all(store, &session).await[1]);
    let heard = Amendment::Heard(Some("Once".to_owned()));
    store.amend(&fence, &exchange.turn, &heard).await.unwrap();
    let (exchange, again) = store.last(&session).await.unwrap().unwrap();
    assert_eq!((exchange.heard(), again), ("Once", fence.clone()));
    open(store, &session, &turn("three", "Go on")).await;
    assert!(store.amend(&fence, &id("two"), &heard).await.is_err());
}

pub(crate) async fn a_turn_that_is_being_answered_is_not_the_last_one(store: &impl HistoryStore) {
    let session = SessionId::generate();
    tell(store, &session, &turn("one", "Hello"), &answer("Hello there.")).await;
    let opened = open(store, &session, &turn("two", "Tell me a story")).await;
    assert_eq!(last(store, &session).await, None);
    store.finish(&opened.fence, &id("two"), &failed()).await.unwrap();
    let (exchange, fence) = store.last(&session).await.unwrap().unwrap();
    assert_eq!((exchange.state, fence), (ExchangeState::Failed, opened.fence));
}

pub(crate) async fn a_turn_that_ran_again_is_the_last_one(store: &impl HistoryStore) {
    let session = SessionId::generate();
    tell(store, &session, &turn("one", "Hello"), &failed()).await;
    tell(store, &session, &turn("two", "Hello?"), &answer("Yes?")).await;
    tell(store, &session, &turn("one", "Hello"), &answer("Hello there.")).await;
    assert_eq!(last(store, &session).await.as_deref(), Some("one"));
}

pub(crate) async fn a_replacement_is_the_last_one_once_it_stands(store: &impl HistoryStore) {
    let session = SessionId::generate();
    tell(store, &session, &turn("one", "Hello"), &answer("old")).await;
    tell(store, &session, &once_more("again"), &failed()).await;
    assert_eq!(last(store, &session).await, None);
    tell(store, &session, &once_more("again"), &answer("new")).await;
    assert_eq!(last(store, &session).await.as_deref(), Some("again"));
}

pub(crate) async fn nothing_is_last_where_nothing_was_said(store: &impl HistoryStore) {
    let session = SessionId::generate();
    assert_eq!(last(store, &session).await, None);
    store.create(&session, &SessionSettings::default()).await.unwrap();
    assert_eq!(last(store, &session).await, None);
    tell(store, &session, &turn("one", "Hello"), &answer("Hello there.")).await;
    store.clear(&session).await.unwrap();
    assert_eq!(last(store, &session).await, None);
}
