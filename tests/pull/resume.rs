//! What was begun is gone on with.

use std::time::Duration;

use futures::future::join_all;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{
    hub::{Asked, Files, Hub, Reply},
    program::{Ground, Run, model, noise},
};

const LARGE: &str = "model.safetensors";
const SIZE: usize = 200_000;

/// A hub that breaks off after `count` bytes of the large file, the first time.
async fn cutting(count: usize) -> Hub {
    Hub::twisted(&model(), move |asked, files| first_cut(asked, files, count)).await
}

fn first_cut(asked: &Asked, files: &Files, count: usize) -> Option<Reply> {
    (asked.is_for(LARGE) && asked.before == 0).then(|| files.file(LARGE, asked.from()).cut(count))
}

#[tokio::test]
async fn a_run_after_a_cut_goes_on_where_it_was() {
    for count in [1, 12_345, 65_536, 150_001, SIZE - 1] {
        let (hub, ground) = (cutting(count).await, Ground::new());
        ground.pull(&hub).await.failed_with(&[LARGE, "the same command goes on from there"]);
        assert!(!ground.path("models/name").join(LARGE).exists());
        let second = ground.pull(&hub).await;
        assert!(second.succeeded().err.contains("of it are here"), "{}", second.err);
        assert_eq!(hub.asked_for(LARGE)[1].from(), Some(count));
        assert!(ground.has(LARGE, &noise(SIZE)));
        assert!(ground.parts(LARGE).is_empty());
    }
}

#[tokio::test]
async fn a_cut_is_mended_within_a_run() {
    let hub = Hub::twisted(&model(), |asked, files| {
        let count = 50_000 * (asked.before + 1);
        (asked.is_for(LARGE) && asked.before < 2)
            .then(|| files.file(LARGE, asked.from()).cut(count))
    })
    .await;
    let ground = Ground::new();
    let run = ground.run(&hub, &["org/name", "--retries", "2"]).await;
    assert!(run.succeeded().err.contains("attempt 1 of 2 in 1 s"), "{}", run.err);
    let starts: Vec<_> = hub.asked_for(LARGE).iter().map(Asked::from).collect();
    assert_eq!(starts, [None, Some(50_000), Some(150_000)]);
    assert!(ground.has(LARGE, &noise(SIZE)));
}

#[tokio::test]
async fn a_server_that_ignores_ranges_sends_the_whole_file() {
    let hub = Hub::twisted(&model(), |asked, files| {
        let whole = || files.file(LARGE, None);
        asked.is_for(LARGE).then(|| if asked.before == 0 { whole().cut(90_000) } else { whole() })
    })
    .await;
    let ground = Ground::new();
    ground.pull(&hub).await.failed_with(&[LARGE]);
    ground.pull(&hub).await.succeeded();
    assert_eq!(hub.asked_for(LARGE)[1].from(), Some(90_000));
    assert!(ground.has(LARGE, &noise(SIZE)));
}

#[tokio::test]
async fn a_server_that_goes_on_elsewhere_is_asked_for_the_whole_file() {
    let wrong = [
        Reply::new(206, noise(SIZE)).with("Content-Range", "bytes 0-199999/200000"),
        Reply::new(206, noise(SIZE)),
        Reply::new(416, "").with("Content-Range", "bytes */200000"),
    ];
    join_all(wrong.map(async |wrong| {
        let hub = Hub::twisted(&model(), move |asked, files| {
            first_cut(asked, files, 70_000)
                .or_else(|| (asked.is_for(LARGE) && asked.before == 1).then(|| wrong.clone()))
        })
        .await;
        let ground = Ground::new();
        ground.run(&hub, &["org/name", "--retries", "2"]).await.succeeded();
        let starts: Vec<_> = hub.asked_for(LARGE).iter().map(Asked::from).collect();
        assert_eq!(starts, [None, Some(70_000), None]);
        assert!(ground.has(LARGE, &noise(SIZE)));
    }))
    .await;
}

#[tokio::test]
async fn what_came_of_another_content_is_not_gone_on_with() {
    let ground = Ground::new();
    ground.pull(&cutting(70_000).await).await.failed_with(&[LARGE]);
    assert_eq!(ground.parts(LARGE).len(), 1);
    let mut changed = model();
    changed[3].1 = noise(SIZE + 1).split_off(1);
    let hub = Hub::start(&changed).await;
    ground.pull(&hub).await.succeeded();
    assert_eq!(hub.asked_for(LARGE)[0].from(), None);
    assert!(ground.has(LARGE, &changed[3].1));
    assert!(ground.parts(LARGE).is_empty());
}

#[tokio::test]
async fn a_part_file_that_was_spoilt_is_found_out_and_removed() {
    let (hub, ground) = (cutting(70_000).await, Ground::new());
    ground.pull(&hub).await.failed_with(&[LARGE]);
    std::fs::write(&ground.parts(LARGE)[0], vec![0; 70_000]).unwrap();
    ground.pull(&hub).await.failed_with(&[LARGE, "wrong checksum", "fetches it anew"]);
    assert!(ground.parts(LARGE).is_empty());
    ground.pull(&hub).await.succeeded();
    assert!(ground.has(LARGE, &noise(SIZE)));
}

#[tokio::test]
async fn ctrl_c_keeps_what_came() {
    let hub = Hub::twisted(&model(), |asked, files| {
        let mut reply = first_cut(asked, files, 80_000)?;
        reply.stall = true;
        Some(reply)
    })
    .await;
    let ground = Ground::new();
    let mut child = ground.start(&hub, &["org/name"], &[]);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let kept = || ground.parts(LARGE).first().map_or(0, |part| part.metadata().unwrap().len());
    while kept() < 80_000 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let id = child.id().unwrap().to_string();
    let sent = tokio::process::Command::new("kill").args(["-INT", &id]).status().await.unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().await.unwrap();
    let mut told = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        told = line;
    }
    assert!(!output.status.success());
    assert!(told.contains("stopped") && told.contains("the same command goes on"), "{told}");
    ground.pull(&hub).await.succeeded();
    assert_eq!(hub.asked_for(LARGE)[1].from(), Some(80_000));
}

#[tokio::test]
async fn two_runs_do_not_write_into_one_file() {
    let hub = Hub::twisted(&model(), |asked, files| {
        let mut reply = first_cut(asked, files, 80_000)?;
        reply.stall = true;
        Some(reply)
    })
    .await;
    let ground = Ground::new();
    let first = ground.start(&hub, &["org/name", "--timeout", "3"], &[]);
    while ground.parts(LARGE).is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ground.pull(&hub).await.failed_with(&["another `anima pull`"]);
    Run::of(first.wait_with_output().await.unwrap()).succeeded();
    assert!(ground.has(LARGE, &noise(SIZE)));
}
