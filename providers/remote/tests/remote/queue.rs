//! So many answers at a time, in turn, and no more waiting than agreed.

use std::time::Duration;

use anima_provider::{Provider, ProviderError, ProviderEvent, contract};
use anima_upstream::{Fault, Plan};
use futures::{StreamExt, future::join_all};
use serde_json::json;
use tokio::time::timeout;

use crate::support::{KINDS, eventually, next, question, texts};

#[tokio::test]
async fn who_finds_no_place_waits_is_told_and_comes_in_turn() {
    for kind in KINDS {
        let limits = json!({ "max_concurrent": 2, "queue": 2 });
        let (upstream, provider) = kind.start_with(Plan::failing(Fault::Stall(1)), &limits).await;
        let ask = async |lane| provider.generate(question(lane)).await;
        let (mut first, mut second) = (ask("a").await.unwrap(), ask("a").await.unwrap());
        for events in [&mut first, &mut second] {
            texts(events, 1).await;
        }
        let (mut third, mut fourth) = (ask("a").await.unwrap(), ask("b").await.unwrap());
        let queued = |ahead| ProviderEvent::Queued { ahead };
        assert_eq!(next(&mut third).await.unwrap().unwrap(), queued(1), "{kind:?}");
        assert_eq!(next(&mut fourth).await.unwrap().unwrap(), queued(2), "{kind:?}");
        let refused = ask("c").await.err();
        assert!(
            matches!(refused, Some(ProviderError::RateLimited { retry_after: Some(_) })),
            "{kind:?} {refused:?}"
        );
        assert_eq!(upstream.stats().requests, 2);
        drop(first);
        assert!(matches!(next(&mut third).await.unwrap().unwrap(), ProviderEvent::Admitted { .. }));
        assert_eq!(next(&mut fourth).await.unwrap().unwrap(), queued(1), "{kind:?}");
        // A place is taken until its answer is dropped or at its end, whatever else happens.
        let waits = timeout(Duration::from_millis(50), fourth.next());
        assert!(waits.await.is_err());
        drop((second, third));
        texts(&mut fourth, 1).await;
        eventually("one connection is left", || upstream.stats().open == 1).await;
    }
}

#[tokio::test]
async fn an_answer_that_ends_gives_its_place_on() {
    for kind in KINDS {
        let limits = json!({ "max_concurrent": 3 });
        let plan = Plan { first_ms: 5, every_ms: 1, ..Plan::default() };
        let (upstream, provider) = kind.start_with(plan, &limits).await;
        let answers = (0..30).map(|number| {
            let provider = &provider;
            async move {
                let lane = format!("lane {}", number % 7);
                contract::answer(provider, question(&lane)).await
            }
        });
        let answers = join_all(answers).await;
        assert!(answers.iter().all(Result::is_ok), "{kind:?} {answers:?}");
        let stats = upstream.stats();
        assert_eq!(stats.requests, 30);
        assert!(stats.open <= 3, "{kind:?} {stats:?}");
    }
}
