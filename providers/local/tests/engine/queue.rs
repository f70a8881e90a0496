//! Waiting: in turn by lane, with a place that is told, in a queue that has an end.

use std::sync::{Arc, Mutex};

use anima_provider::{Provider, ProviderError};
use futures::future::join_all;

use crate::{
    fixture::{Shape, qwen3},
    support::{in_lane, listen, load, load_with, until_admitted},
};

#[tokio::test]
async fn a_lane_that_floods_does_not_starve_another() {
    let tiny = load(qwen3(Shape::default())).await;
    let mut requests = Vec::new();
    for (lane, count) in [("a", 6), ("b", 1)] {
        for number in 0..count {
            let mut events = tiny.provider.generate(in_lane("你好", lane, 60)).await.unwrap();
            if requests.is_empty() {
                until_admitted(&mut events).await;
            }
            requests.push((format!("{lane}{number}"), events));
        }
    }
    assert_eq!(tiny.provider.queue_length(), 6);
    let order = Arc::new(Mutex::new(Vec::new()));
    join_all(requests.into_iter().map(|(name, events)| {
        let order = Arc::clone(&order);
        async move {
            let heard = listen(events).await;
            order.lock().unwrap().push((name, heard.places));
        }
    }))
    .await;
    let order = order.lock().unwrap();
    let names: Vec<_> = order.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a0", "b0", "a1", "a2", "a3", "a4", "a5"]);
    let (_, places) = order.last().unwrap();
    assert!(places.len() > 2 && places[0] == 6, "{places:?}");
    assert!(places.windows(2).all(|pair| pair[0] > pair[1]), "{places:?}");
}

#[tokio::test]
async fn a_full_queue_refuses_and_a_dropped_request_makes_room() {
    let tiny = load_with(qwen3(Shape::default()), |settings| settings.queue = 2).await;
    let mut running = tiny.provider.generate(in_lane("你好", "a", 900)).await.unwrap();
    until_admitted(&mut running).await;
    let second = tiny.provider.generate(in_lane("你好", "b", 4)).await.unwrap();
    let third = tiny.provider.generate(in_lane("你好", "c", 4)).await.unwrap();
    let refused = tiny.provider.generate(in_lane("你好", "d", 4)).await.err().unwrap();
    assert!(matches!(refused, ProviderError::RateLimited { retry_after: Some(_) }));
    drop(second);
    assert_eq!(tiny.provider.queue_length(), 1);
    let fourth = tiny.provider.generate(in_lane("你好", "d", 4)).await.unwrap();
    drop(running);
    let (third, fourth) = (listen(third).await, listen(fourth).await);
    assert_eq!(third.text, fourth.text);
}
