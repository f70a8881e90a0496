//! What becomes of the last exchange when the next turn begins.

use super::*;
use crate::history::{Amendment, ExchangeState, HistoryError};

pub(crate) async fn a_running_exchange_ends_with_what_was_released(store: &impl HistoryStore) {
    let session = SessionId::generate();
    open(store, &session, &turn("one", "Tell me a story")).await;
    let released = interrupted("Once upon a time");
    let next = NewTurn {
        settles: Some(settling("one", Some("Once upon"), Some(released.clone()))),
        ..turn("two", "Stop")
    };
    let opened = open(store, &session, &next).await;
    let kept = all(store, &session).await;
    assert_eq!((kept[0].state, &kept[0].answer), (ExchangeState::Finished, &released));
    assert_eq!(kept[0].heard(), "Once upon");
    assert_eq!(opened.recent, kept[..1]);
}

pub(crate) async fn a_running_exchange_without_a_settlement_is_left_incomplete(
    store: &impl HistoryStore,
) {
    let session = SessionId::generate();
    open(store, &session, &turn("one", "Tell me a story")).await;
    let opened = open(store, &session, &turn("two", "Stop")).await;
    assert_eq!(opened.recent, []);
    assert_eq!(all(store, &session).await[0].state, ExchangeState::Incomplete);
}

pub(crate) async fn a_settlement_of_another_turn_leaves_the_running_one_incomplete(
    store: &impl HistoryStore,
) {
    let session = SessionId::generate();
    tell(store, &session, &turn("one", "Hello"), &answer("Hello there.")).await;
    open(store, &session, &turn("two", "Tell me a story")).await;
    let next = NewTurn {
        settles: Some(settling("one", Some("Hello"), Some(interrupted("X")))),
        ..turn("three", "Stop")
    };
    let opened = open(store, &session, &next).await;
    let kept = all(store, &session).await;
    assert_eq!((kept[0].heard(), kept[1].state), ("Hello", ExchangeState::Incomplete));
    assert_eq!(told(&opened.recent), [("one", "Hello there.")]);
    let unknown =
        NewTurn { settles: Some(settling("none", Some("Hello"), None)), ..turn("four", "Go on") };
    open(store, &session, &unknown).await;
}

pub(crate) async fn what_was_heard_of_a_finished_exchange_is_noted(store: &impl HistoryStore) {
    let session = SessionId::generate();
    tell(store, &session, &turn("one", "Tell me a story"), &answer("Once upon a time")).await;
    let next =
        NewTurn { settles: Some(settling("one", Some("Once"), None)), ..turn("two", "Go on") };
    let opened = tell(store, &session, &next, &answer("there was")).await;
    assert_eq!(opened.recent[0].heard(), "Once");
    assert_eq!(told(&opened.recent), [("one", "Once upon a time")]);
    let next = NewTurn { settles: Some(settling("two", None, None)), ..turn("three", "Go on") };
    assert_eq!(open(store, &session, &next).await.recent[1].heard(), "there was");
}

pub(crate) async fn a_settlement_under_a_void_fence_is_passed_over(store: &impl HistoryStore) {
    let session = SessionId::generate();
    let first = tell(store, &session, &turn("one", "Hello"), &answer("Hello there.")).await;
    let second = open(store, &session, &turn("two", "Tell me a story")).await;
    let under = |fence: u64, name, heard| NewTurn {
        settles: Some(Settlement {
            fence: Some(fence),
            ..settling(name, Some(heard), Some(interrupted("Once upon")))
        }),
        ..turn(heard, "Go on")
    };
    open(store, &session, &under(first.fence.number, "two", "Once")).await;
    assert_eq!(all(store, &session).await[1].state, ExchangeState::Incomplete);
    open(store, &session, &under(second.fence.number, "one", "Hello")).await;
    assert_eq!(all(store, &session).await[0].heard(), "Hello there.");
    let last = open(store, &session, &turn("three", "Another")).await;
    open(store, &session, &under(last.fence.number, "three", "Onc")).await;
    let kept = all(store, &session).await;
    assert_eq!(kept.iter().find(|kept| kept.turn == id("three")).unwrap().heard(), "Onc");
}

pub(crate) async fn a_settlement_stands_although_its_turn_was_never_acknowledged(
    store: &impl HistoryStore,
) {
    let session = SessionId::generate();
    let first = open(store, &session, &turn("one", "Tell me a story")).await;
    let under = |heard, released| Settlement {
        fence: Some(first.fence.number),
        ..settling("one", Some(heard), Some(interrupted(released)))
    };
    let next = NewTurn { settles: Some(under("On", "Once")), ..turn("two", "Stop") };
    // Its answer is lost on the way.
    open(store, &session, &next).await;
    let late = store.finish(&first.fence, &id("one"), &interrupted("Once upon")).await;
    assert!(matches!(late, Err(HistoryError::Fenced)));
    let again = NewTurn {
        settles: Some(under("Once upon", "Once upon a time")),
        running_here: false,
        ..next
    };
    let opened = open(store, &session, &again).await;
    let kept = all(store, &session).await;
    assert_eq!((opened.position, told(&kept)), (1, vec![("one", "Once"), ("two", "")]));
    assert_eq!((kept[0].heard(), kept[1].state), ("On", ExchangeState::Running));
    assert_eq!(opened.recent, kept[..1]);
    store.finish(&opened.fence, &id("two"), &answer("Fine.")).await.unwrap();
}

pub(crate) async fn a_later_turn_makes_the_earlier_fence_void(store: &impl HistoryStore) {
    let session = SessionId::generate();
    let first = tell(store, &session, &turn("one", "Hello"), &answer("Hello there.")).await;
    let second = open(store, &session, &turn("two", "Tell me a story")).await;
    open(store, &session, &turn("three", "Stop")).await;
    let before = all(store, &session).await;
    let late = store.finish(&second.fence, &id("two"), &answer("Once upon a time")).await;
    assert!(matches!(late, Err(HistoryError::Fenced)));
    let heard = Amendment::Heard(Some("Hello".to_owned()));
    let late = store.amend(&first.fence, &id("one"), &heard).await;
    assert!(matches!(late, Err(HistoryError::Fenced)));
    assert_eq!(all(store, &session).await, before);
}

pub(crate) async fn opening_a_turn_again_settles_the_running_one(store: &impl HistoryStore) {
    let session = SessionId::generate();
    tell(store, &session, &turn("one", "Hello"), &failed()).await;
    let running = open(store, &session, &turn("two", "Tell me a story")).await;
    let again = NewTurn {
        settles: Some(settling("two", None, Some(interrupted("Once")))),
        ..turn("one", "Hello")
    };
    tell(store, &session, &again, &answer("Hello there.")).await;
    assert_eq!(told(&all(store, &session).await), [("one", "Hello there."), ("two", "Once")]);
    let late = store.finish(&running.fence, &id("two"), &answer("Once upon a time")).await;
    assert!(matches!(late, Err(HistoryError::Fenced)));
}
