//! Keeping answers, and what is learnt of them later.

use super::*;
use crate::history::{Amendment, ExchangeState, Fence, HistoryError};
use crate::turn::{CheckAction, Correction, Span, Verdict, VerdictLayer, VerdictStatus};

fn verdict(sentence: Option<u32>, status: VerdictStatus) -> Verdict {
    let span = Span {
        start: 3,
        end: 8,
        reason: "unsupported_date".to_owned(),
        value: "1997年".to_owned(),
        nearest: Some("1987年".to_owned()),
    };
    Verdict {
        sentence,
        status,
        reasons: vec!["unsupported_date".to_owned()],
        spans: vec![span],
        sources: vec!["caller:1".to_owned()],
        score: Some(0.875),
        correction: Some(Correction {
            text: "1987年开馆。".to_owned(),
            proved: true,
            quote: Some("开馆于1987年".to_owned()),
        }),
        layer: Some(VerdictLayer::Judge),
        action: CheckAction::CorrectAfter,
        latency_us: 1_234_567,
    }
}

pub(crate) async fn an_answer_is_kept_as_it_was_given(store: &impl HistoryStore) {
    let session = SessionId::generate();
    let mut given = answer("Anima, at your service.");
    given.verdicts = vec![verdict(Some(0), VerdictStatus::Supported)];
    if let Some(outcome) = &mut given.outcome {
        outcome.heard = Some("Anima".to_owned());
    }
    tell(store, &session, &turn("one", "Who are you?"), &given).await;
    let kept = all(store, &session).await;
    assert_eq!((kept.len(), kept[0].state, &kept[0].answer), (1, ExchangeState::Finished, &given));
    assert_eq!(kept[0].heard(), "Anima");
    assert_eq!(kept[0].as_earlier().emotion, Some(Emotion::Joy));
}

pub(crate) async fn an_answer_with_an_error_leaves_the_exchange_failed(store: &impl HistoryStore) {
    let session = SessionId::generate();
    let broken_off = Answer { error: failed().error, ..answer("Once") };
    tell(store, &session, &turn("one", "Tell me a story"), &broken_off).await;
    let kept = all(store, &session).await;
    assert_eq!((kept[0].state, &kept[0].answer), (ExchangeState::Failed, &broken_off));
    assert_eq!(open(store, &session, &turn("two", "Hello?")).await.recent, []);
}

pub(crate) async fn an_answer_may_be_kept_twice(store: &impl HistoryStore) {
    let session = SessionId::generate();
    let opened = tell(store, &session, &turn("one", "Hello"), &answer("Hello.")).await;
    store.finish(&opened.fence, &id("one"), &answer("Hello.")).await.unwrap();
    assert_eq!(told(&all(store, &session).await), [("one", "Hello.")]);
}

pub(crate) async fn a_valid_fence_can_be_renewed(store: &impl HistoryStore) {
    let session = SessionId::generate();
    let opened = open(store, &session, &turn("one", "Hello")).await;
    let before = all(store, &session).await;
    store.renew(&opened.fence).await.unwrap();
    store.renew(&opened.fence).await.unwrap();
    assert_eq!(all(store, &session).await, before);
    store.finish(&opened.fence, &id("one"), &answer("Hello.")).await.unwrap();
    store.renew(&opened.fence).await.unwrap();
    assert_eq!(told(&all(store, &session).await), [("one", "Hello.")]);
}

pub(crate) async fn a_turn_that_is_not_there_cannot_be_finished(store: &impl HistoryStore) {
    let session = SessionId::generate();
    let opened = open(store, &session, &turn("one", "Hello")).await;
    let refused = store.finish(&opened.fence, &id("two"), &answer("Hello.")).await;
    assert!(matches!(refused, Err(HistoryError::TurnNotFound)));
    let refused = store.amend(&opened.fence, &id("two"), &Amendment::Heard(None)).await;
    assert!(matches!(refused, Err(HistoryError::TurnNotFound)));
    let nowhere = Fence { session: SessionId::generate(), ..opened.fence };
    let refused = store.finish(&nowhere, &id("one"), &answer("Hello.")).await;
    assert!(matches!(refused, Err(HistoryError::SessionNotFound)));
    assert_eq!(all(store, &session).await[0].state, ExchangeState::Running);
}

pub(crate) async fn what_was_heard_can_be_amended(store: &impl HistoryStore) {
    let session = SessionId::generate();
    let opened =
        tell(store, &session, &turn("one", "Tell me a story"), &answer("Once upon a time")).await;
    let heard = Amendment::Heard(Some("Once".to_owned()));
    store.amend(&opened.fence, &id("one"), &heard).await.unwrap();
    assert_eq!(all(store, &session).await[0].heard(), "Once");
    store.amend(&opened.fence, &id("one"), &Amendment::Heard(None)).await.unwrap();
    assert_eq!(all(store, &session).await[0].heard(), "Once upon a time");
}

pub(crate) async fn late_verdicts_replace_those_on_the_same_sentence(store: &impl HistoryStore) {
    let session = SessionId::generate();
    let early =
        [Some(0), Some(1), None].map(|sentence| verdict(sentence, VerdictStatus::Unchecked));
    let given = Answer { verdicts: early.to_vec(), ..answer("One. Two.") };
    let opened = tell(store, &session, &turn("one", "Count"), &given).await;
    let late = vec![
        verdict(None, VerdictStatus::Supported),
        verdict(Some(0), VerdictStatus::Contradicted),
    ];
    store.amend(&opened.fence, &id("one"), &Amendment::Verdicts(late)).await.unwrap();
    let kept = all(store, &session).await;
    let kept: Vec<_> =
        kept[0].answer.verdicts.iter().map(|verdict| (verdict.sentence, verdict.status)).collect();
    assert_eq!(
        kept,
        [
            (Some(0), VerdictStatus::Contradicted),
            (Some(1), VerdictStatus::Unchecked),
            (None, VerdictStatus::Supported),
        ]
    );
}

pub(crate) async fn a_running_turn_cannot_be_amended(store: &impl HistoryStore) {
    let session = SessionId::generate();
    let opened = open(store, &session, &turn("one", "Tell me a story")).await;
    let refused = store.amend(&opened.fence, &id("one"), &Amendment::Heard(None)).await;
    assert!(matches!(refused, Err(HistoryError::TurnNotFound)));
}
