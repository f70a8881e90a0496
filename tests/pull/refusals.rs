//! What a person did wrong, and how they are told.

use crate::{
    hub::{Hub, Reply},
    program::{Ground, model},
};

/// Ends every request with this answer.
async fn answering(reply: Reply) -> Hub {
    Hub::twisted(&[], move |_, _| Some(reply.clone())).await
}

#[tokio::test]
async fn a_gated_model_says_where_to_accept_its_licence() {
    for (status, name, page, variable) in [
        (401, "org/name", "/org/name", "HF_TOKEN"),
        (403, "org/name", "/org/name", "HF_TOKEN"),
        (401, "modelscope:org/name", "/models/org/name", "MODELSCOPE_API_TOKEN"),
    ] {
        let hub = answering(Reply::new(status, "Access is restricted")).await;
        let run = Ground::new().run(&hub, &[name]).await;
        let page = format!("accept its licence at {}{page} ", hub.url);
        run.failed_with(&["check the spelling", &page, &format!("set {variable}")]);
        assert_eq!(hub.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_model_that_is_not_there_is_named_with_its_revision() {
    let (hub, ground) = (Hub::start(&model()).await, Ground::new());
    ground
        .run(&hub, &["org/nmae"])
        .await
        .failed_with(&["has no org/nmae in revision main", "/org/nmae"]);
    ground.run(&hub, &["org/name@v2"]).await.failed_with(&["in revision v2"]);
    assert_eq!(ground.names(""), ["config"]);
}

#[tokio::test]
async fn a_file_that_is_not_there_ends_the_run() {
    let hub =
        Hub::twisted(&model(), |asked, _| asked.is_for("config.json").then(|| Reply::new(404, "")))
            .await;
    Ground::new().run(&hub, &["org/name"]).await.failed_with(&["has no config.json"]);
}

#[tokio::test]
async fn a_page_instead_of_a_list_is_told_from_a_hub() {
    for (body, shown) in [
        ("<!DOCTYPE html>\n<html><body>Sign in", "it begins with <!DOCTYPE html> <html>"),
        ("", "nothing"),
        ("{\"error\": 1}", "invalid type"),
        ("[{\"type\": \"file\"}]", "missing field `path`"),
    ] {
        let hub = answering(Reply::new(200, body)).await;
        let run = Ground::new().run(&hub, &["org/name"]).await;
        run.failed_with(&["no list of files", shown, "login page"]);
    }
}

#[tokio::test]
async fn what_modelscope_says_is_passed_on() {
    let body = r#"{"Code":10010205001,"Message":"the model\u001b[31m is\nnot here","Data":null}"#;
    let hub = answering(Reply::new(200, body)).await;
    let run = Ground::new().run(&hub, &["modelscope:org/name"]).await;
    run.failed_with(&["answers: the model [31m is not here"]);
}

#[tokio::test]
async fn a_hub_that_cannot_be_reached_names_the_ways_around_it() {
    let hub = Hub::start(&model()).await;
    let ground = Ground::new();
    for (variable, name) in
        [("HF_ENDPOINT", "org/name"), ("MODELSCOPE_ENDPOINT", "modelscope:org/name")]
    {
        // Nobody listens there: the port is reserved.
        let run = ground.run_with(&hub, &[name], &[(variable, "http://127.0.0.1:1")]).await;
        run.failed_with(&["cannot reach http://127.0.0.1:1", variable, "HTTPS_PROXY"]);
        assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anything_is_asked() {
    let (hub, ground) = (Hub::start(&model()).await, Ground::new());
    for (arguments, variables, words) in [
        (["name"].as_slice(), [].as_slice(), "write org/name"),
        (&["modelscope:org/name", "--from", "huggingface"], &[], "another hub"),
        (&["org/name@a", "--revision", "b"], &[], "another revision"),
        (&["org/name"], &[("HF_ENDPOINT", "mirror")], "HF_ENDPOINT"),
        (&["org/name"], &[("HF_TOKEN", "a\nb")], "HF_TOKEN holds"),
    ] {
        let run = ground.run_with(&hub, arguments, variables).await;
        run.failed_with(&[words]);
    }
    assert!(hub.asked().is_empty());
}

#[tokio::test]
async fn a_disk_that_is_too_small_is_found_out_before_anything_comes() {
    let list = r#"[{"type":"file","path":"model.safetensors","size":9000000000000000000},
                   {"type":"file","path":"tokenizer.json","size":1}]"#;
    let hub = answering(Reply::new(200, list)).await;
    let run = Ground::new().run(&hub, &["org/name"]).await;
    run.failed_with(&["more are needed", "free"]);
    assert_eq!(hub.asked().len(), 1);
}
