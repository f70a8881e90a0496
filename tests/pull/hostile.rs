//! A hub that lies, and what it gets: nothing.

use serde_json::json;

use crate::{
    hub::{Hub, Reply},
    program::{Ground, model, noise},
};

const LARGE: &str = "model.safetensors";

#[tokio::test]
async fn a_path_that_leaves_the_folder_is_refused() {
    for path in [
        "../config.json",
        "/tmp/x",
        "a/../../b",
        "..",
        "a\\..\\b",
        "a\0b",
        "",
        "a//b",
        ".anima-pull.json",
    ] {
        let (plain, wrapped) = (
            json!([{ "type": "file", "path": path, "size": 1, "oid": "" }]).to_string(),
            json!({ "Code": 200, "Data": { "Files": [{ "Type": "blob", "Path": path, "Size": 1 }] } })
                .to_string(),
        );
        let hub = Hub::twisted(&[], move |asked, _| {
            Some(Reply::new(
                200,
                if asked.target.starts_with("/api/v1") { &*wrapped } else { &*plain },
            ))
        })
        .await;
        for hub_name in ["huggingface", "modelscope"] {
            let ground = Ground::new();
            let arguments = ["org/name", "--from", hub_name, "--include", "*"];
            ground.run(&hub, &arguments).await.failed_with(&["could leave the folder"]);
            assert_eq!(ground.names(""), ["config"]);
        }
    }
}

#[tokio::test]
async fn a_wrong_checksum_leaves_nothing() {
    for (name, right) in [(LARGE, noise(200_000)), ("config.json", b"{}".to_vec())] {
        let mut wrong = right.clone();
        wrong[1] ^= 1;
        let hub = Hub::twisted(&model(), move |asked, _| {
            (asked.is_for(name) && asked.before == 0).then(|| Reply::new(200, wrong.clone()))
        })
        .await;
        let ground = Ground::new();
        ground.pull(&hub).await.failed_with(&[name, "wrong checksum", "removed"]);
        let left: Vec<_> = ground.names("models/name");
        assert!(left.iter().all(|left| !left.starts_with(name)), "{left:?}");
        ground.pull(&hub).await.succeeded();
        assert!(ground.has(name, &right));
    }
}

#[tokio::test]
async fn more_or_fewer_bytes_than_declared_are_refused() {
    for reply in [
        Reply::new(200, noise(200_001)),
        Reply::new(200, noise(300_000)).chunked(),
        Reply::new(200, noise(199_999)),
    ] {
        let hub =
            Hub::twisted(&model(), move |asked, _| asked.is_for(LARGE).then(|| reply.clone()))
                .await;
        let ground = Ground::new();
        ground.pull(&hub).await.failed_with(&[LARGE, "was declared with 200000"]);
        assert!(ground.parts(LARGE).is_empty());
        assert!(!ground.path("models/name").join(LARGE).exists());
    }
}

#[tokio::test]
async fn a_file_that_ends_early_without_saying_so_is_not_taken_for_whole() {
    let hub = Hub::twisted(&model(), |asked, _| {
        asked.is_for(LARGE).then(|| Reply::new(200, noise(150_000)).chunked())
    })
    .await;
    let ground = Ground::new();
    ground.pull(&hub).await.failed_with(&[LARGE, "ended after 150000 of 200000 bytes"]);
    assert!(!ground.path("models/name").join(LARGE).exists());
}

#[tokio::test]
async fn the_token_stays_with_the_hub() {
    let storage =
        Hub::twisted(&model(), |asked, files| Some(files.file(LARGE, asked.from()))).await;
    let target = format!("{}/signed?key=1", storage.url);
    let hub = Hub::twisted(&model(), move |asked, _| {
        asked.is_for(LARGE).then(|| Reply::new(302, "").with("Location", target.as_str()))
    })
    .await;
    for (name, variable) in
        [("org/name", "HF_TOKEN"), ("modelscope:org/name", "MODELSCOPE_API_TOKEN")]
    {
        let ground = Ground::new();
        let run = ground.run_with(&hub, &[name], &[(variable, "secret-1")]).await;
        run.succeeded();
        assert!(!format!("{run:?}").contains("secret-1"));
    }
    let asked = hub.asked();
    assert!(!asked.is_empty());
    for asked in asked {
        assert_eq!(asked.headers.get("authorization").unwrap(), "Bearer secret-1");
        let cookie = asked.headers.get("cookie").map(String::as_str);
        let modelscope = asked.target.starts_with("/api/v1/");
        assert_eq!(cookie, modelscope.then_some("m_session_id=secret-1"));
    }
    assert_eq!(storage.asked().len(), 2);
    for asked in storage.asked() {
        assert!(!format!("{asked:?}").contains("secret-1"), "{asked:?}");
        assert!(!asked.headers.contains_key("referer"));
    }
}

#[tokio::test]
async fn the_next_page_is_asked_for_at_the_hub_itself() {
    let (hub, ground) = (Hub::start(&model()).await, Ground::new());
    // The hub's links point to another host, which does not exist.
    ground.run_with(&hub, &["org/name"], &[("HF_TOKEN", "secret-1")]).await.succeeded();
    let pages = hub.asked().iter().filter(|asked| asked.target.contains("cursor=")).count();
    assert_eq!(pages, 4);
}

#[tokio::test]
async fn a_list_without_end_is_given_up() {
    let hub = Hub::twisted(&[], |_, _| {
        Some(Reply::new(200, "[]").with("Link", "</x?cursor=again>; rel=\"next\""))
    })
    .await;
    Ground::new().pull(&hub).await.failed_with(&["more files than its hub lists"]);
    assert_eq!(hub.asked().len(), 100);
}

#[tokio::test]
async fn a_storage_that_sends_round_and_round_is_given_up() {
    let hub = Hub::twisted(&model(), |asked, _| {
        asked.is_for(LARGE).then(|| Reply::new(302, "").with("Location", asked.target.as_str()))
    })
    .await;
    let run = Ground::new().run(&hub, &["org/name"]).await;
    run.failed_with(&["too many redirects"]);
}
