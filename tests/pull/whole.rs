//! What a whole pull leaves, from either hub.

use crate::{
    hub::{Hub, Reply},
    program::{Ground, model, noise},
};

const CHOSEN: [&str; 4] =
    ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];

#[tokio::test]
async fn a_model_comes_whole_from_either_hub() {
    for name in ["org/name", "huggingface:org/name", "modelscope:org/name"] {
        let (hub, ground) = (Hub::start(&model()).await, Ground::new());
        let run = ground.run(&hub, &[name]).await;
        run.succeeded();
        assert_eq!(
            run.out, "[providers.name]\nkind = \"local\"\nmodel = \"models/name\"\n",
            "{name}"
        );
        for (name, body) in model() {
            assert_eq!(ground.has(name, &body), CHOSEN.contains(&name), "{name}");
        }
        let mut expected = CHOSEN.to_vec();
        expected.insert(0, ".anima-pull.json");
        assert_eq!(ground.names("models/name"), expected);
    }
}

#[tokio::test]
async fn the_plan_comes_first_and_every_file_is_verified() {
    let (hub, ground) = (Hub::start(&model()).await, Ground::new());
    let run = ground.pull(&hub).await;
    let at = |text: &str| run.err.find(text).unwrap_or_else(|| panic!("{text}: {}", run.err));
    assert!(at("org/name (revision main) from http://127.0.0.1") < at("To fetch: 200.2"));
    assert!(at("To fetch: 200.2") < at("model.safetensors  195.31 KiB  verified"));
    assert!(at("in 4 files") < at("config.json  2 B  verified"));
}

#[tokio::test]
async fn a_second_run_fetches_nothing() {
    for name in ["org/name", "modelscope:org/name"] {
        let (hub, ground) = (Hub::start(&model()).await, Ground::new());
        ground.run(&hub, &[name]).await.succeeded();
        let before = hub.asked().len();
        let second = ground.run(&hub, &[name]).await;
        assert!(second.succeeded().err.contains("Already there: all 4 files."), "{}", second.err);
        assert!(second.out.contains("[providers.name]"));
        let lists = hub.asked().split_off(before);
        assert!(lists.iter().all(|asked| CHOSEN.iter().all(|name| !asked.is_for(name))));
    }
}

#[tokio::test]
async fn files_that_a_person_put_there_are_verified_and_not_fetched() {
    let (hub, ground) = (Hub::start(&model()).await, Ground::new());
    std::fs::create_dir_all(ground.path("models/name")).unwrap();
    std::fs::write(ground.path("models/name/model.safetensors"), noise(200_000)).unwrap();
    ground.pull(&hub).await.succeeded();
    assert_eq!(hub.asked_for("model.safetensors").len(), 0);
    assert_eq!(hub.asked_for("config.json").len(), 1);
}

#[tokio::test]
async fn a_file_that_was_changed_here_is_not_replaced_unasked() {
    let (hub, ground) = (Hub::start(&model()).await, Ground::new());
    ground.pull(&hub).await.succeeded();
    let config = ground.path("models/name/config.json");
    std::fs::write(&config, "{ \"rope_theta\": 1 }").unwrap();
    ground.pull(&hub).await.failed_with(&["config.json", "--overwrite"]);
    assert!(ground.has("config.json", b"{ \"rope_theta\": 1 }"));
    ground.run(&hub, &["org/name", "--overwrite"]).await.succeeded();
    assert!(ground.has("config.json", b"{}"));
}

#[tokio::test]
async fn a_file_that_changed_on_the_hub_is_fetched_anew() {
    let ground = Ground::new();
    ground.pull(&Hub::start(&model()).await).await.succeeded();
    let mut changed = model();
    changed[3].1 = noise(100);
    let hub = Hub::start(&changed).await;
    let run = ground.pull(&hub).await;
    assert!(run.succeeded().err.contains("changed on the hub"), "{}", run.err);
    assert!(ground.has("model.safetensors", &noise(100)));
    assert_eq!(hub.asked_for("config.json").len(), 0);
}

#[tokio::test]
async fn the_folder_is_the_one_that_was_named() {
    let hub = Hub::start(&model()).await;
    for arguments in [["org/name", "some where"].as_slice(), &["org/name", "--into", "some where"]]
    {
        let ground = Ground::new();
        let run = ground.run(&hub, arguments).await;
        assert!(run.succeeded().out.contains("model = \"some where\""), "{}", run.out);
        assert!(ground.path("some where/config.json").exists());
    }
    // Nobody has to have a configuration to fetch into a folder of a known name.
    let ground = Ground::new();
    std::fs::remove_dir(ground.path("config")).unwrap();
    let run = ground.run(&hub, &["org/name", "here"]).await;
    let folder = ground.path("here").canonicalize().unwrap();
    assert!(run.succeeded().out.contains(&format!("model = {folder:?}")), "{}", run.out);
    ground.pull(&hub).await.failed_with(&["anima pull MODEL OUT"]);
}

#[tokio::test]
async fn one_gguf_file_comes_with_its_tokenizer() {
    let files = [
        ("a-q4.gguf", noise(400)),
        ("a-q8.gguf", noise(800)),
        ("config.json", b"{}".to_vec()),
        ("tokenizer.json", noise(50)),
    ];
    let (hub, ground) = (Hub::start(&files).await, Ground::new());
    ground.pull(&hub).await.failed_with(&["--gguf FILE", "a-q4.gguf (400 B), a-q8.gguf (800 B)"]);
    assert!(!ground.path("models").exists());
    let run = ground.run(&hub, &["org/name", "--gguf", "a-q4.gguf"]).await;
    assert!(run.succeeded().out.contains("model = \"models/name/a-q4.gguf\""), "{}", run.out);
    assert!(ground.has("a-q4.gguf", &noise(400)) && ground.has("tokenizer.json", &noise(50)));
    assert!(!ground.path("models/name/a-q8.gguf").exists());
    let run = ground.run(&hub, &["org/name", "--include", "*q8*"]).await;
    assert!(run.succeeded().out.contains("a-q8.gguf"), "{}", run.out);
    assert!(ground.has("a-q8.gguf", &noise(800)));
}

#[tokio::test]
async fn an_old_model_comes_with_the_command_that_converts_it() {
    let files = [
        ("config.json", b"{}".to_vec()),
        ("pytorch_model.bin", noise(900)),
        ("tokenizer.model", noise(90)),
    ];
    let (hub, ground) = (Hub::start(&files).await, Ground::new());
    let run = ground.pull(&hub).await;
    run.succeeded();
    assert!(run.err.contains("anima convert models/name models/name-converted"), "{}", run.err);
    assert!(run.out.contains("model = \"models/name-converted\""), "{}", run.out);
    assert!(ground.has("pytorch_model.bin", &noise(900)));
    assert!(ground.has("tokenizer.model", &noise(90)));
}

#[tokio::test]
async fn a_file_without_a_checksum_comes_and_is_told_apart() {
    let list = r#"{"Code":200,"Data":{"Files":[
        {"Path":"a.gguf","Type":"blob","Size":7},
        {"Path":"sub/b.gguf","Type":"blob","Size":7}]}}"#;
    let files = [("a.gguf", b"content".to_vec()), ("sub/b.gguf", b"CONTENT".to_vec())];
    let hub = Hub::twisted(&files, move |asked, _| {
        asked.target.contains("repo/files").then(|| Reply::new(200, list))
    })
    .await;
    let ground = Ground::new();
    let run = ground.run(&hub, &["org/name", "--from", "modelscope", "--include", "*.gguf"]).await;
    assert!(run.succeeded().err.contains("a.gguf  7 B  no checksum published"), "{}", run.err);
    assert!(ground.has("a.gguf", b"content") && ground.has("sub/b.gguf", b"CONTENT"));
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_used() {
    let (proxy, ground) = (Hub::start(&model()).await, Ground::new());
    let variables = [("HF_ENDPOINT", "http://hub.invalid"), ("HTTP_PROXY", proxy.url.as_str())];
    ground.run_with(&proxy, &["org/name"], &variables).await.succeeded();
    assert!(ground.has("model.safetensors", &noise(200_000)));
}
