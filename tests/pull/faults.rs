//! What goes wrong on the way and may go right the next time.

use std::time::{Duration, Instant};

use futures::future::join_all;

use crate::{
    hub::{Hub, Reply},
    program::{Ground, model, noise},
};

const LARGE: &str = "model.safetensors";

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again() {
    join_all([408, 429, 500, 502, 503, 504].map(async |status| {
        let hub = Hub::twisted(&model(), move |asked, _| {
            let asked_for = asked.is_for(LARGE) || asked.is_for("main?recursive=true");
            (asked_for && asked.before == 0).then(|| Reply::new(status, "busy"))
        })
        .await;
        let ground = Ground::new();
        let run = ground.run(&hub, &["org/name", "--retries", "1"]).await;
        assert!(run.succeeded().err.contains(&format!("answers {status} for")), "{}", run.err);
        assert!(ground.has(LARGE, &noise(200_000)));
    }))
    .await;
}

#[tokio::test]
async fn the_pause_that_a_server_wants_is_kept() {
    let wants = [("Retry-After", "3"), ("RateLimit", "\"api\";r=0;t=2")];
    join_all(wants.map(async |(name, value)| {
        let hub = Hub::twisted(&model(), move |asked, _| {
            (asked.is_for(LARGE) && asked.before == 0)
                .then(|| Reply::new(429, "").with(name, value))
        })
        .await;
        let (ground, start) = (Ground::new(), Instant::now());
        let run = ground.run(&hub, &["org/name", "--retries", "1"]).await;
        assert!(run.succeeded().err.contains("attempt 1 of 1 in 3 s"), "{}", run.err);
        assert!(start.elapsed() >= Duration::from_secs(3));
    }))
    .await;
}

#[tokio::test]
async fn a_pause_that_nobody_waits_for_is_an_error() {
    let hub =
        Hub::twisted(&model(), |_, _| Some(Reply::new(429, "").with("Retry-After", "4000"))).await;
    let run = Ground::new().run(&hub, &["org/name"]).await;
    run.failed_with(&["wants a pause of 4000 s"]);
    assert_eq!(hub.asked().len(), 1);
}

#[tokio::test]
async fn attempts_come_to_an_end() {
    let hub =
        Hub::twisted(&model(), |asked, _| asked.is_for(LARGE).then(|| Reply::new(503, ""))).await;
    let run = Ground::new().run(&hub, &["org/name", "--retries", "1"]).await;
    run.failed_with(&["answers 503", LARGE]);
    assert_eq!(hub.asked_for(LARGE).len(), 2);
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left_and_asked_again() {
    let hub = Hub::twisted(&model(), |asked, files| {
        let mut reply = (asked.is_for(LARGE) && asked.before == 0)
            .then(|| files.file(LARGE, None).cut(1_000))?;
        reply.stall = true;
        Some(reply)
    })
    .await;
    let ground = Ground::new();
    ground.run(&hub, &["org/name", "--retries", "1", "--timeout", "1"]).await.succeeded();
    assert_eq!(hub.asked_for(LARGE)[1].from(), Some(1_000));
    assert!(ground.has(LARGE, &noise(200_000)));
}

#[tokio::test]
async fn an_address_of_a_storage_that_ran_out_is_asked_for_anew() {
    let storage = Hub::twisted(&model(), |asked, files| {
        Some(if asked.before == 0 { Reply::new(403, "expired") } else { files.file(LARGE, None) })
    })
    .await;
    let target = format!("{}/signed", storage.url);
    let hub = Hub::twisted(&model(), move |asked, _| {
        asked.is_for(LARGE).then(|| Reply::new(302, "").with("Location", target.as_str()))
    })
    .await;
    let ground = Ground::new();
    ground.run(&hub, &["org/name", "--retries", "1"]).await.succeeded();
    assert_eq!(hub.asked_for(LARGE).len(), 2);
    assert!(ground.has(LARGE, &noise(200_000)));
}
