//! What every store keeps, as checks that the tests of each implementation run.
//!
//! [`check_contract`] makes a test of each check. A check brings its own session, so that a store
//! may be shared between checks.

pub(crate) mod beginning;
pub(crate) mod finding;
pub(crate) mod finishing;
pub(crate) mod replacing;
pub(crate) mod sessions;
pub(crate) mod settling;

use anima_provider::Image;

use super::{
    Answer, Begun, Exchange, HistoryStore, NewTurn, Opened, Replaces, SessionSettings, Settlement,
};
use crate::turn::{
    Emotion, EndReason, Outcome, Sentence, SessionId, Task, Tenant, Timing, TurnError,
    TurnErrorCode, TurnId, UserText,
};

/// Makes a test of each check, with stores from the function named.
macro_rules! check_contract {
    ($store:path) => {
        $crate::history::contract::check_contract! { $store;
            beginning:
                a_new_turn_takes_the_next_position
                a_session_is_created_by_its_first_turn
                a_title_that_was_given_is_kept
                the_same_turn_again_is_running_until_it_has_finished
                the_same_turn_again_is_replayed_once_it_has_finished
                other_content_under_a_known_id_is_a_conflict
                a_known_id_changes_nothing
                a_turn_that_nobody_runs_opens_again
                a_failed_turn_opens_again_in_its_old_position
                an_incomplete_turn_opens_again_in_its_old_position
                the_newest_finished_exchanges_come_along_oldest_first
                a_turn_without_words_has_nothing_to_do;
            settling:
                a_running_exchange_ends_with_what_was_released
                a_running_exchange_without_a_settlement_is_left_incomplete
                a_settlement_of_another_turn_leaves_the_running_one_incomplete
                what_was_heard_of_a_finished_exchange_is_noted
                a_settlement_under_a_void_fence_is_passed_over
                a_settlement_stands_although_its_turn_was_never_acknowledged
                a_later_turn_makes_the_earlier_fence_void
                opening_a_turn_again_settles_the_running_one;
            finishing:
                an_answer_is_kept_as_it_was_given
                an_answer_with_an_error_leaves_the_exchange_failed
                an_answer_may_be_kept_twice
                a_valid_fence_can_be_renewed
                a_turn_that_is_not_there_cannot_be_finished
                what_was_heard_can_be_amended
                late_verdicts_replace_those_on_the_same_sentence
                a_running_turn_cannot_be_amended;
            replacing:
                the_old_answer_stands_until_the_new_one_has_finished
                a_new_answer_takes_the_place_of_the_old_one
                each_id_is_judged_by_its_own_content
                a_failed_replacement_leaves_the_old_answer_and_runs_again
                a_replacement_that_said_something_takes_the_place_when_interrupted
                a_replacement_that_said_nothing_leaves_the_old_answer
                a_replacement_that_was_dropped_runs_again_in_its_old_position
                a_replacement_is_shown_only_what_came_before
                a_running_exchange_is_settled_before_it_is_replaced
                a_replacement_can_be_replaced
                a_replacement_may_bring_words_of_its_own
                there_is_nothing_to_replace_in_an_empty_session
                a_spoken_text_is_not_answered_again;
            finding:
                an_exchange_is_found_by_its_turn
                an_answer_that_was_replaced_is_not_found
                the_turn_begun_last_can_be_amended_by_whoever_asks_for_it
                a_turn_that_is_being_answered_is_not_the_last_one
                a_turn_that_ran_again_is_the_last_one
                a_replacement_is_the_last_one_once_it_stands
                nothing_is_last_where_nothing_was_said;
            sessions:
                a_session_that_is_there_is_created_as_it_is
                the_session_last_used_is_listed_first
                sessions_of_another_tenant_do_not_exist
                a_session_is_renamed_and_configured
                a_cleared_session_is_empty_and_still_there
                a_deleted_session_is_gone
                a_fence_does_not_outlive_its_session
                a_session_that_is_not_there_is_told
                a_store_that_works_is_healthy
                what_is_used_in_a_day_adds_up
                what_is_added_twice_counts_once
        }
    };
    ($store:path; $($part:ident: $($check:ident)*);*) => {
        $($(
            #[tokio::test]
            async fn $check() {
                $crate::history::contract::$part::$check(&$store().await).await;
            }
        )*)*
    };
}
pub(crate) use check_contract;

/// An id.
pub(crate) fn id(text: &str) -> TurnId {
    TurnId::parse(text).unwrap()
}

/// A question, with a picture.
pub(crate) fn question(words: &str) -> Task {
    let images = vec![Image("data:image/png;base64,AAAA".to_owned())];
    Task::Answer { said: UserText::parse(words).unwrap(), images }
}

/// A text to speak.
pub(crate) fn speech(words: &str) -> Task {
    Task::Speak { text: UserText::parse(words).unwrap() }
}

/// A turn that asks `words`.
pub(crate) fn turn(name: &str, words: &str) -> NewTurn {
    NewTurn {
        id: id(name),
        task: Some(question(words)),
        options: "{}".to_owned(),
        replaces: Replaces::Nothing,
        settles: None,
        recent: 10,
        settings: SessionSettings::default(),
        running_here: true,
    }
}

/// A turn that answers the last exchange again.
pub(crate) fn once_more(name: &str) -> NewTurn {
    NewTurn { task: None, replaces: Replaces::Last, ..turn(name, "unused") }
}

/// What is heard of a turn that is running or has finished.
pub(crate) fn settling(name: &str, heard: Option<&str>, running: Option<Answer>) -> Settlement {
    Settlement { turn: id(name), heard: heard.map(str::to_owned), running, fence: None }
}

/// An answer of one sentence that ended for `reason`.
pub(crate) fn ended(text: &str, reason: EndReason) -> Answer {
    let sentence = Sentence {
        index: 0,
        text: text.to_owned(),
        speech: text.to_owned(),
        emotion: Emotion::Joy,
        actions: Vec::new(),
        sources: vec!["persona".to_owned()],
    };
    Answer {
        sentences: if text.is_empty() { Vec::new() } else { vec![sentence] },
        provider: "demo".to_owned(),
        model: "scripted".to_owned(),
        outcome: Some(Outcome {
            reason,
            text: text.to_owned(),
            heard: None,
            usage: None,
            timing: Timing { total_ms: 12, ..Timing::default() },
        }),
        ..Answer::default()
    }
}

/// A complete answer.
pub(crate) fn answer(text: &str) -> Answer {
    ended(text, EndReason::Complete)
}

/// An answer that was cut off.
pub(crate) fn interrupted(text: &str) -> Answer {
    ended(text, EndReason::Interrupted)
}

/// No answer.
pub(crate) fn failed() -> Answer {
    let error = TurnError::new(TurnErrorCode::ProviderTimeout, "the provider gave nothing in time");
    Answer { error: Some(error), ..Answer::default() }
}

/// Opens a turn that has to be new.
pub(crate) async fn open(store: &impl HistoryStore, session: &SessionId, turn: &NewTurn) -> Opened {
    match store.begin(session, turn).await.unwrap() {
        Begun::New(opened) => *opened,
        other => panic!("{:?} was to be opened: {other:?}", turn.id),
    }
}

/// Opens a turn and answers it.
pub(crate) async fn tell(
    store: &impl HistoryStore,
    session: &SessionId,
    turn: &NewTurn,
    answer: &Answer,
) -> Opened {
    let opened = open(store, session, turn).await;
    store.finish(&opened.fence, &turn.id, answer).await.unwrap();
    opened
}

/// The stored answer of a turn that has to have one.
pub(crate) async fn replay(
    store: &impl HistoryStore,
    session: &SessionId,
    turn: &NewTurn,
) -> Exchange {
    match store.begin(session, turn).await.unwrap() {
        Begun::Replay(exchange) => *exchange,
        other => panic!("{:?} was to be replayed: {other:?}", turn.id),
    }
}

/// Everything kept of a session.
pub(crate) async fn all(store: &impl HistoryStore, session: &SessionId) -> Vec<Exchange> {
    store.recent(session, usize::MAX).await.unwrap()
}

/// The ids and texts of exchanges.
pub(crate) fn told(exchanges: &[Exchange]) -> Vec<(&str, &str)> {
    exchanges.iter().map(|exchange| (exchange.turn.as_str(), said(exchange))).collect()
}

/// The text that was released.
fn said(exchange: &Exchange) -> &str {
    exchange.answer.outcome.as_ref().map_or("", |outcome| outcome.text.as_str())
}
