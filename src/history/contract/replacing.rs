//! Answering an exchange again.

use super::*;
use crate::history::ExchangeState;

/// A session whose only exchange is `one`, answered as `old`.
async fn answered_once(store: &impl HistoryStore) -> SessionId {
    let session = SessionId::generate();
    tell(store, &session, &turn("one", "Who are you?"), &answer("old")).await;
    session
}

pub(crate) async fn the_old_answer_stands_until_the_new_one_has_finished(
    store: &impl HistoryStore,
) {
    let session = answered_once(store).await;
    let before = all(store, &session).await;
    let opened = open(store, &session, &once_more("again")).await;
    assert_eq!((opened.position, opened.task), (0, question("Who are you?")));
    assert_eq!(all(store, &session).await, before);
    assert_eq!(replay(store, &session, &turn("one", "Who are you?")).await, before[0]);
    assert_eq!(store.begin(&session, &once_more("again")).await.unwrap(), Begun::Running);
}

pub(crate) async fn a_new_answer_takes_the_place_of_the_old_one(store: &impl HistoryStore) {
    let session = answered_once(store).await;
    tell(store, &session, &once_more("again"), &answer("new")).await;
    let kept = all(store, &session).await;
    assert_eq!(told(&kept), [("again", "new")]);
    assert_eq!((kept[0].position, &kept[0].task), (0, &question("Who are you?")));
    assert_eq!(replay(store, &session, &once_more("again")).await, kept[0]);
    assert_eq!(replay(store, &session, &turn("one", "Who are you?")).await, kept[0]);
    assert_eq!(store.session(&session).await.unwrap().unwrap().exchanges, 1);
    let next = open(store, &session, &turn("two", "Go on")).await;
    assert_eq!((next.position, told(&next.recent)), (1, vec![("again", "new")]));
}

pub(crate) async fn each_id_is_judged_by_its_own_content(store: &impl HistoryStore) {
    let session = answered_once(store).await;
    tell(store, &session, &once_more("again"), &answer("new")).await;
    for other in [
        turn("one", "Who am I?"),
        once_more("one"),
        turn("again", "Who are you?"),
        NewTurn { options: "{\"provider\":\"other\"}".to_owned(), ..once_more("again") },
    ] {
        assert_eq!(store.begin(&session, &other).await.unwrap(), Begun::Conflict);
    }
}

pub(crate) async fn a_failed_replacement_leaves_the_old_answer_and_runs_again(
    store: &impl HistoryStore,
) {
    let session = answered_once(store).await;
    tell(store, &session, &once_more("again"), &failed()).await;
    assert_eq!(told(&all(store, &session).await), [("one", "old")]);
    let opened = tell(store, &session, &once_more("again"), &answer("new")).await;
    assert_eq!((opened.position, opened.task), (0, question("Who are you?")));
    assert_eq!(told(&all(store, &session).await), [("again", "new")]);
}

pub(crate) async fn a_replacement_that_said_something_takes_the_place_when_interrupted(
    store: &impl HistoryStore,
) {
    let session = answered_once(store).await;
    open(store, &session, &once_more("again")).await;
    let next = NewTurn {
        settles: Some(settling("again", Some("ne"), Some(interrupted("new")))),
        ..turn("two", "Stop")
    };
    let opened = open(store, &session, &next).await;
    assert_eq!((opened.position, told(&opened.recent)), (1, vec![("again", "new")]));
    assert_eq!(opened.recent[0].heard(), "ne");
    assert_eq!(replay(store, &session, &once_more("again")).await, opened.recent[0]);
}

pub(crate) async fn a_replacement_that_said_nothing_leaves_the_old_answer(
    store: &impl HistoryStore,
) {
    let session = answered_once(store).await;
    let opened = open(store, &session, &once_more("again")).await;
    store.finish(&opened.fence, &id("again"), &interrupted("")).await.unwrap();
    assert_eq!(told(&all(store, &session).await), [("one", "old")]);
    open(store, &session, &once_more("again2")).await;
    let next = NewTurn {
        settles: Some(settling("again2", None, Some(interrupted("")))),
        ..once_more("again3")
    };
    open(store, &session, &next).await;
    let opened = open(store, &session, &turn("two", "Stop")).await;
    assert_eq!((opened.position, told(&opened.recent)), (1, vec![("one", "old")]));
}

pub(crate) async fn a_replacement_that_was_dropped_runs_again_in_its_old_position(
    store: &impl HistoryStore,
) {
    let session = answered_once(store).await;
    open(store, &session, &once_more("again")).await;
    tell(store, &session, &turn("two", "Go on"), &answer("then")).await;
    assert_eq!(told(&all(store, &session).await), [("one", "old"), ("two", "then")]);
    let opened = tell(store, &session, &once_more("again"), &answer("new")).await;
    assert_eq!((opened.position, opened.recent), (0, Vec::new()));
    assert_eq!(told(&all(store, &session).await), [("again", "new"), ("two", "then")]);
}

pub(crate) async fn a_replacement_is_shown_only_what_came_before(store: &impl HistoryStore) {
    let session = answered_once(store).await;
    tell(store, &session, &turn("two", "Go on"), &answer("then")).await;
    let opened = open(store, &session, &once_more("again")).await;
    assert_eq!((opened.position, opened.task), (1, question("Go on")));
    assert_eq!(told(&opened.recent), [("one", "old")]);
}

pub(crate) async fn a_running_exchange_is_settled_before_it_is_replaced(store: &impl HistoryStore) {
    let session = SessionId::generate();
    open(store, &session, &turn("one", "Tell me a story")).await;
    let again = NewTurn {
        settles: Some(settling("one", None, Some(interrupted("Once")))),
        ..once_more("again")
    };
    let opened = open(store, &session, &again).await;
    assert_eq!(told(&all(store, &session).await), [("one", "Once")]);
    store.finish(&opened.fence, &id("again"), &answer("Long ago")).await.unwrap();
    assert_eq!(told(&all(store, &session).await), [("again", "Long ago")]);

    open(store, &session, &turn("two", "Another")).await;
    open(store, &session, &once_more("again2")).await;
    assert_eq!(all(store, &session).await[1].state, ExchangeState::Incomplete);
}

pub(crate) async fn a_replacement_can_be_replaced(store: &impl HistoryStore) {
    let session = answered_once(store).await;
    tell(store, &session, &once_more("again"), &answer("new")).await;
    open(store, &session, &once_more("again2")).await;
    let third = NewTurn {
        settles: Some(settling("again2", None, Some(interrupted("newer")))),
        ..once_more("again3")
    };
    let opened = open(store, &session, &third).await;
    assert_eq!((opened.position, opened.task), (0, question("Who are you?")));
    assert_eq!(told(&all(store, &session).await), [("again2", "newer")]);
    store.finish(&opened.fence, &id("again3"), &answer("newest")).await.unwrap();
    let kept = all(store, &session).await;
    assert_eq!(told(&kept), [("again3", "newest")]);
    for asked in
        [turn("one", "Who are you?"), once_more("again"), once_more("again2"), once_more("again3")]
    {
        let known = NewTurn { settles: None, ..asked };
        assert_eq!(replay(store, &session, &known).await, kept[0]);
    }
}

pub(crate) async fn a_replacement_may_bring_words_of_its_own(store: &impl HistoryStore) {
    let session = answered_once(store).await;
    let edited = NewTurn { replaces: Replaces::Last, ..turn("edited", "What are you?") };
    assert_eq!(open(store, &session, &edited).await.task, question("What are you?"));
    assert_eq!(all(store, &session).await[0].task, question("Who are you?"));
    let again = NewTurn {
        settles: Some(settling("edited", None, Some(interrupted("A brain")))),
        ..once_more("again")
    };
    assert_eq!(
        tell(store, &session, &again, &answer("A mind")).await.task,
        question("What are you?")
    );
    assert_eq!(all(store, &session).await[0].task, question("What are you?"));
}

pub(crate) async fn there_is_nothing_to_replace_in_an_empty_session(store: &impl HistoryStore) {
    let session = SessionId::generate();
    assert_eq!(store.begin(&session, &once_more("again")).await.unwrap(), Begun::NothingToReplace);
    assert_eq!(store.session(&session).await.unwrap(), None);
    store.create(&session, &SessionSettings::default()).await.unwrap();
    assert_eq!(store.begin(&session, &once_more("again")).await.unwrap(), Begun::NothingToReplace);
}

pub(crate) async fn a_spoken_text_is_not_answered_again(store: &impl HistoryStore) {
    let session = answered_once(store).await;
    let spoken = NewTurn { task: Some(speech("Welcome!")), ..turn("two", "unused") };
    let running = open(store, &session, &spoken).await;
    assert_eq!(store.begin(&session, &once_more("again")).await.unwrap(), Begun::NothingToReplace);
    store.finish(&running.fence, &id("two"), &answer("Welcome!")).await.unwrap();
}
