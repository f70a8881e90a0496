use std::time::Duration;

use super::*;
use crate::{
    client::{Client, Fault, Speech, Until},
    clock::microseconds,
    script::Pace,
};

const PACE: Pace = Pace { first: Duration::from_millis(30), every: Duration::from_millis(10) };

#[tokio::test]
async fn an_answer_that_comes_at_once_is_read_exactly_and_its_tokens_are_stamped_in_order() {
    let mock = Mock::start().await.unwrap();
    let mut client = Client::new(Speech::Completions, mock.address);
    // The second goes over the connection of the first.
    for _ in 0..2 {
        let opened = mock.ledger.open(20, 8, Pace::INSTANT);
        let record = &opened.record;
        let seen = client.stream(record, Until::End).await.unwrap();
        assert_eq!(seen.arrivals.len(), 20);
        assert!(seen.asked < record.received() && record.received() < record.sent(0));
        assert!((1..20).all(|token| record.sent(token - 1) <= record.sent(token)));
        assert!((0..20).all(|token| seen.way_back(record, token) > 0.0));
        assert!(seen.added(record, 0) > 0.0);
        assert_eq!((record.requests(), record.closed()), (1, 0));
    }
    assert_eq!(mock.ledger.sent(), 40);
}

#[tokio::test]
async fn tokens_are_not_sent_before_they_are_due() {
    let mock = Mock::start().await.unwrap();
    let opened = mock.ledger.open(5, 8, PACE);
    let record = &opened.record;
    let mut client = Client::new(Speech::Completions, mock.address);
    client.stream(record, Until::End).await.unwrap();
    let mut due = PACE.first;
    for token in 0..5 {
        let due_after = due.as_secs_f64() * 1e6;
        assert!(microseconds(record.received(), record.sent(token)) >= due_after);
        due += PACE.every;
    }
}

#[tokio::test]
async fn a_client_that_breaks_off_is_noticed_while_tokens_are_on_their_way() {
    let mock = Mock::start().await.unwrap();
    let opened = mock.ledger.open(1000, 8, PACE);
    let record = &opened.record;
    let mut client = Client::new(Speech::Completions, mock.address);
    let seen = client.stream(record, Until::Token(2)).await.unwrap();
    while record.closed() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(record.closed() >= seen.broke_off.unwrap());
    assert_eq!(record.sent(999), 0);
}

#[tokio::test]
async fn a_stream_that_is_not_open_is_refused() {
    let mock = Mock::start().await.unwrap();
    let record = Arc::clone(&mock.ledger.open(1, 1, Pace::INSTANT).record);
    let mut client = Client::new(Speech::Completions, mock.address);
    let fault = client.stream(&record, Until::End).await.unwrap_err();
    assert!(matches!(fault, Fault::Broken(what) if what.contains("status 404")));
}
