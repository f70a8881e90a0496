//! Opening turns.

use super::*;
use crate::history::{ExchangeState, HistoryError};

pub(crate) async fn a_new_turn_takes_the_next_position(store: &impl HistoryStore) {
    let session = SessionId::generate();
    let first = tell(store, &session, &turn("one", "Who are you?"), &answer("Anima.")).await;
    let second = open(store, &session, &turn("two", "And who am I?")).await;
    assert_eq!((first.position, second.position), (0, 1));
    assert_eq!(first.task, question("Who are you?"));
    assert!(first.fence.number < second.fence.number);
    assert_eq!(second.fence.session, session);
    let kept = all(store, &session).await;
    assert_eq!(kept[0].state, ExchangeState::Finished);
    assert_eq!((kept[1].state, kept[1].position), (ExchangeState::Running, 1));
    assert_eq!(kept[1].task, question("And who am I?"));
    assert_eq!(kept[1].options, "{}");
}

pub(crate) async fn a_session_is_created_by_its_first_turn(store: &impl HistoryStore) {
    let session = SessionId::generate();
    assert_eq!(store.session(&session).await.unwrap(), None);
    let settings = SessionSettings { persona: Some("xiaoling".to_owned()), provider: None };
    let first = NewTurn { settings: settings.clone(), ..turn("one", &"好".repeat(50)) };
    let opened = tell(store, &session, &first, &answer("Hm.")).await;
    let other = NewTurn { settings: SessionSettings::default(), ..turn("two", "What?") };
    assert_eq!(opened.settings, settings);
    assert_eq!(open(store, &session, &other).await.settings, settings);
    let record = store.session(&session).await.unwrap().unwrap();
    assert_eq!((record.id, record.exchanges, record.settings), (session, 2, settings));
    assert_eq!(record.title, "好".repeat(40));
    assert!(record.created_at < record.updated_at);
}

pub(crate) async fn a_title_that_was_given_is_kept(store: &impl HistoryStore) {
    let session = SessionId::generate();
    store.create(&session, &SessionSettings::default()).await.unwrap();
    assert_eq!(store.rename(&session, "At the museum").await.unwrap().title, "At the museum");
    open(store, &session, &turn("one", "Hello")).await;
    assert_eq!(store.session(&session).await.unwrap().unwrap().title, "At the museum");
}

pub(crate) async fn the_same_turn_again_is_running_until_it_has_finished(
    store: &impl HistoryStore,
) {
    let session = SessionId::generate();
    let asked = turn("one", "Who are you?");
    let opened = open(store, &session, &asked).await;
    assert_eq!(store.begin(&session, &asked).await.unwrap(), Begun::Running);
    store.finish(&opened.fence, &asked.id, &answer("Anima.")).await.unwrap();
    assert_ne!(store.begin(&session, &asked).await.unwrap(), Begun::Running);
}

pub(crate) async fn a_turn_that_nobody_runs_opens_again(store: &impl HistoryStore) {
    let session = SessionId::generate();
    let asked = turn("one", "Who are you?");
    let lost = open(store, &session, &asked).await;
    let retried = NewTurn { running_here: false, ..asked.clone() };
    let opened = open(store, &session, &retried).await;
    assert_eq!(opened.position, lost.position);
    let late = store.finish(&lost.fence, &asked.id, &answer("Late.")).await;
    assert!(matches!(late, Err(HistoryError::Fenced)));
    store.finish(&opened.fence, &asked.id, &answer("Anima.")).await.unwrap();
    assert_eq!(all(store, &session).await.len(), 1);
}

pub(crate) async fn the_same_turn_again_is_replayed_once_it_has_finished(
    store: &impl HistoryStore,
) {
    let session = SessionId::generate();
    for (name, given) in
        [("one", answer("Anima.")), ("two", interrupted("I am")), ("three", interrupted(""))]
    {
        let asked = turn(name, "Who are you?");
        tell(store, &session, &asked, &given).await;
        let replayed = replay(store, &session, &asked).await;
        assert_eq!((replayed.turn, replayed.answer), (asked.id, given));
    }
}

pub(crate) async fn other_content_under_a_known_id_is_a_conflict(store: &impl HistoryStore) {
    let session = SessionId::generate();
    let asked = turn("one", "Who are you?");
    let opened = open(store, &session, &asked).await;
    let others = [
        turn("one", "Who am I?"),
        NewTurn { task: Some(speech("Who are you?")), ..asked.clone() },
        NewTurn { options: "{\"style\":\"raw\"}".to_owned(), ..asked.clone() },
        NewTurn { replaces: Replaces::Last, ..asked.clone() },
        once_more("one"),
    ];
    for other in &others {
        assert_eq!(store.begin(&session, other).await.unwrap(), Begun::Conflict);
    }
    store.finish(&opened.fence, &asked.id, &answer("Anima.")).await.unwrap();
    for other in &others {
        assert_eq!(store.begin(&session, other).await.unwrap(), Begun::Conflict);
    }
}

pub(crate) async fn a_known_id_changes_nothing(store: &impl HistoryStore) {
    let session = SessionId::generate();
    tell(store, &session, &turn("one", "Who are you?"), &answer("Anima.")).await;
    let running = open(store, &session, &turn("two", "And who am I?")).await;
    let before = (all(store, &session).await, store.session(&session).await.unwrap());
    for again in
        [turn("one", "Who are you?"), turn("two", "And who am I?"), turn("two", "Something else")]
    {
        let again = NewTurn {
            settles: Some(settling("two", Some("You"), Some(interrupted("You are")))),
            ..again
        };
        store.begin(&session, &again).await.unwrap();
        let again = NewTurn { settles: Some(settling("one", Some("An"), None)), ..again };
        store.begin(&session, &again).await.unwrap();
    }
    assert_eq!((all(store, &session).await, store.session(&session).await.unwrap()), before);
    store.finish(&running.fence, &id("two"), &answer("A friend.")).await.unwrap();
}

pub(crate) async fn a_failed_turn_opens_again_in_its_old_position(store: &impl HistoryStore) {
    let session = SessionId::generate();
    let asked = turn("one", "Who are you?");
    let first = tell(store, &session, &asked, &failed()).await;
    tell(store, &session, &turn("two", "Hello?"), &answer("Hello.")).await;
    let again = open(store, &session, &asked).await;
    assert_eq!(again.position, 0);
    assert_eq!(again.recent, []);
    assert!(first.fence.number < again.fence.number);
    let refused = store.finish(&first.fence, &asked.id, &answer("Late.")).await;
    assert!(matches!(refused, Err(HistoryError::Fenced)));
    let kept = all(store, &session).await;
    assert_eq!(
        (kept[0].state, kept[0].answer.clone()),
        (ExchangeState::Running, Answer::default())
    );
    store.finish(&again.fence, &asked.id, &answer("Anima.")).await.unwrap();
    assert_eq!(told(&all(store, &session).await), [("one", "Anima."), ("two", "Hello.")]);
    assert_eq!(store.session(&session).await.unwrap().unwrap().exchanges, 2);
}

pub(crate) async fn an_incomplete_turn_opens_again_in_its_old_position(store: &impl HistoryStore) {
    let session = SessionId::generate();
    let asked = turn("one", "Who are you?");
    open(store, &session, &asked).await;
    tell(store, &session, &turn("two", "Hello?"), &answer("Hello.")).await;
    assert_eq!(all(store, &session).await[0].state, ExchangeState::Incomplete);
    let again = tell(store, &session, &asked, &answer("Anima.")).await;
    assert_eq!(again.position, 0);
    assert_eq!(told(&all(store, &session).await), [("one", "Anima."), ("two", "Hello.")]);
}

pub(crate) async fn the_newest_finished_exchanges_come_along_oldest_first(
    store: &impl HistoryStore,
) {
    let session = SessionId::generate();
    for (name, given) in
        [("one", answer("1")), ("two", answer("2")), ("three", failed()), ("four", answer("4"))]
    {
        tell(store, &session, &turn(name, "Count!"), &given).await;
    }
    open(store, &session, &turn("five", "Count!")).await;
    let last = NewTurn { recent: 2, ..turn("six", "Count!") };
    let opened = open(store, &session, &last).await;
    assert_eq!(told(&opened.recent), [("two", "2"), ("four", "4")]);
    assert_eq!(opened.recent[0].task, question("Count!"));
    let none = NewTurn { recent: 0, ..turn("seven", "Count!") };
    assert_eq!(open(store, &session, &none).await.recent, []);
    let kept = store.recent(&session, 3).await.unwrap();
    assert_eq!(told(&kept), [("five", ""), ("six", ""), ("seven", "")]);
}

pub(crate) async fn a_turn_without_words_has_nothing_to_do(store: &impl HistoryStore) {
    let session = SessionId::generate();
    let wordless = NewTurn { task: None, ..turn("one", "unused") };
    assert_eq!(store.begin(&session, &wordless).await.unwrap(), Begun::NothingToReplace);
    assert_eq!(store.session(&session).await.unwrap(), None);
}
