//! Who stops to listen closes the connection.

use std::time::Duration;

use anima_provider::Provider;
use anima_upstream::{Fault, Plan};

use crate::support::{KINDS, eventually, next, question, texts};

/// The wish is 50 ms; the rest is for busy machines.
const PROMPTLY: Duration = Duration::from_secs(2);

#[tokio::test]
async fn dropping_an_answer_closes_its_connection() {
    for kind in KINDS {
        // In the middle of an answer, and before the head of one.
        for (fault, before) in [(Fault::Stall(2), 2), (Fault::Silence, 0)] {
            let (upstream, provider) = kind.start(Plan::failing(fault.clone())).await;
            let mut events = provider.generate(question("one")).await.unwrap();
            next(&mut events).await.unwrap().unwrap();
            if before > 0 {
                texts(&mut events, before).await;
            } else {
                // Whoever is not polled does not ask.
                let asked = eventually("it is asked", || upstream.stats().requests == 1);
                tokio::select! {
                    _ = asked => {}
                    more = next(&mut events) => panic!("{more:?}"),
                }
            }
            assert_eq!(upstream.stats().open, 1);
            drop(events);
            let took = eventually("the connection is closed", || upstream.stats().open == 0).await;
            assert!(took < PROMPTLY, "{kind:?} {fault:?} took {took:?}");
        }
    }
}

#[tokio::test]
async fn nothing_is_asked_for_before_somebody_listens() {
    for kind in KINDS {
        let (upstream, provider) = kind.start(Plan::default()).await;
        let mut events = provider.generate(question("one")).await.unwrap();
        next(&mut events).await.unwrap().unwrap();
        drop(events);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(upstream.stats().requests, 0, "{kind:?}");
    }
}
