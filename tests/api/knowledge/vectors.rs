//! Passages found by their vectors, with a stand-in for an embedding server that knows some synonyms.

use std::{
    process::{Command, Output, Stdio},
    time::Instant,
};

use anima::{
    app::Application,
    settings::{Overrides, Settings},
};
use anima_upstream::{Plan, Upstream};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    task::spawn_blocking,
    time::{Duration, sleep, timeout},
};

use super::{House, ask, comes_to, index, say};
use crate::helpers::{PATIENCE, TestApp};

/// Words that mean the same.
const MEANINGS: &[&[&str]] =
    &[&["bonsai", "plants", "盆栽"], &["garden", "yard", "院子"], &["merchant", "trader"]];

/// What a paraphrase asks, none of whose words stands in a document.
const PARAPHRASE: &str = "Which plants does that yard have?";

async fn server() -> Upstream {
    Upstream::start(Plan::meaning(MEANINGS)).await.unwrap()
}

fn failing(fault: &str) -> Plan {
    Plan::failing(fault.parse().unwrap())
}

/// The provider of vectors, and further keys of `[knowledge]`.
fn wants(house: &House, upstream: &Upstream, model: &str, keys: &str) {
    let url = upstream.url("/v1");
    let turn = "[turn]\nprovider = \"shown\"\npersona = \"guide\"\nfallback = []\n";
    let vectors = format!(
        "[providers.meanings]\nkind = \"openai\"\nbase_url = {url:?}\nembedding_model = {model:?}\n\
         aliases = [\"vectors\"]\n[knowledge]\nembedder = \"vectors\"\nembed_ms = 2000\n{keys}"
    );
    house.write("config/local.toml", &format!("{turn}{}{vectors}", super::PROVIDERS));
}

/// How often searches by vectors ended so, in all services of this process.
async fn counted(app: &TestApp, outcome: &str) -> u64 {
    let metrics = app.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    let line = format!("anima_vector_searches_total{{outcome=\"{outcome}\"}} ");
    metrics.lines().find_map(|it| it.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
}

fn text(told: &Value) -> &str {
    told["text"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paraphrase_is_found_with_an_embedder_and_not_without() {
    let (house, upstream) = (House::new(), server().await);
    let app = house.start().await;
    comes_to(&app, "when do you open", "nine").await;
    let told = say(&app, json!({ "text": PARAPHRASE })).await;
    assert!(!text(&told).contains("<source"), "{told}");
    wants(&house, &upstream, "m", "");
    app.request(Method::POST, "/admin/reload").send().await.unwrap();
    let told = comes_to(&app, PARAPHRASE, "Forty bonsai").await;
    assert!(text(&told).contains("<source id=\"documents/house.md#Garden\">"), "{told}");
    assert!(!text(&told).contains("Lin Anping"), "{told}");
    comes_to(&app, "院子里有什么盆栽", "Forty bonsai").await;
    // What nothing is near to brings nothing.
    let told = say(&app, json!({ "text": "What is quantum gravity?" })).await;
    assert!(!text(&told).contains("<source"), "{told}");
    // The passage bears out what is said of it, as any other does.
    house.says("Forty bonsai trees grow there.");
    app.request(Method::POST, "/admin/reload").send().await.unwrap();
    let told = ask(&app, &json!({ "text": PARAPHRASE })).await;
    let sentence = told.frames.iter().find(|frame| frame["type"] == "sentence").unwrap();
    assert_eq!(sentence["sources"], json!(["documents/house.md#Garden"]), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_words_find_stands_when_the_embedder_is_down_slow_or_another() {
    let (house, upstream) = (House::new(), server().await);
    wants(&house, &upstream, "m", "");
    let app = house.start().await;
    comes_to(&app, PARAPHRASE, "Forty bonsai").await;
    assert!(counted(&app, "used").await > 0);
    let by_words = "How many bonsai trees are there?";
    let shorter: &[&[&str]] = &MEANINGS[..2];
    for (plan, outcome) in [
        (failing("status-500"), "failed"),
        (failing("html"), "failed"),
        (Plan::meaning(shorter), "length"),
        (failing("silence"), "late"),
    ] {
        let before = counted(&app, outcome).await;
        upstream.set_plan(plan);
        let began = Instant::now();
        let told = say(&app, json!({ "text": by_words })).await;
        assert!(text(&told).contains("Forty bonsai"), "{outcome}: {told}");
        assert!(began.elapsed() < Duration::from_secs(4), "{outcome}");
        assert!(counted(&app, outcome).await > before, "{outcome}");
    }
    // A fixed answer waits for no vector.
    let began = Instant::now();
    let told = say(&app, json!({ "text": "When do you open?" })).await;
    assert_eq!(told["provider"], "knowledge");
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
    // Who fails again and again is not waited for.
    upstream.set_plan(failing("status-500"));
    let rests = async {
        while counted(&app, "resting").await == 0 {
            let told = say(&app, json!({ "text": by_words })).await;
            assert!(text(&told).contains("Forty bonsai"), "{told}");
        }
    };
    timeout(4 * PATIENCE, rests).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_documents_get_vectors_and_unchanged_ones_keep_theirs() {
    let (house, upstream) = (House::new(), server().await);
    wants(
        &house,
        &upstream,
        "m",
        "passage_prefix = \"passage: \"\nquestion_prefix = \"query: \"\n",
    );
    let app = house.start().await;
    comes_to(&app, PARAPHRASE, "Forty bonsai").await;
    let embedded = || -> Vec<String> {
        let texts = upstream
            .recorded()
            .into_iter()
            .flat_map(|call| call.body["input"].as_array().cloned().unwrap_or_default());
        texts.filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    assert!(embedded().contains(&"query: Which plants does that yard have?".to_owned()));
    let before = embedded().len();
    house.write("prompts/documents/shop.md", "# Shop\n\nA trader sells cups.");
    comes_to(&app, "Is there a merchant?", "sells cups").await;
    let passages: Vec<_> =
        embedded().split_off(before).into_iter().filter(|it| it.starts_with("passage: ")).collect();
    assert!(passages.contains(&"passage: Shop: A trader sells cups.".to_owned()), "{passages:?}");
    // Of the others one at most, again and again, by which a change of the model would be noticed.
    let mut others: Vec<_> = passages.iter().filter(|it| !it.contains("Shop")).collect();
    others.sort();
    others.dedup();
    assert!(others.len() <= 1, "{passages:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedder_that_is_none_is_told_at_the_start() {
    let (house, upstream) = (House::new(), server().await);
    let said = async |name: &str| {
        wants(&house, &upstream, "m", "");
        let config = house.path("config/local.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        let text = text.replace("embedder = \"vectors\"", &format!("embedder = {name:?}"));
        std::fs::write(&config, text).unwrap();
        let overrides =
            Overrides { port: Some(0), data: Some(house.path("data")), ..Overrides::default() };
        let settings = Settings::load(&house.path("config"), "local", &overrides).unwrap();
        let error = Application::build(settings).await.err().unwrap();
        format!("{error:#}")
    };
    let error = said("vectrs").await;
    assert!(error.contains("knowledge.embedder") && error.contains("vectors"), "{error}");
    let error = said("echo").await;
    assert!(error.contains("knowledge.embedder: the provider echo makes no vectors"), "{error}");
}

/// `anima index` as a process, while this one serves.
async fn indexed(house: &House, arguments: &'static [&str]) -> (Output, String, String) {
    let home = house.folder.path().to_owned();
    let output = spawn_blocking(move || index(&home, arguments)).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (told, errors) = (text(&output.stdout), text(&output.stderr));
    (output, told, errors)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_makes_the_vectors_that_are_missing_and_says_what_it_did() {
    let (house, upstream) = (House::new(), server().await);
    wants(&house, &upstream, "m", "");
    let (output, told, errors) = indexed(&house, &["guide", "--json"]).await;
    assert!(output.status.success(), "{errors}");
    let told: Value = serde_json::from_str(&told).unwrap();
    let vectors = &told["vectors"];
    assert_eq!((&told["passages"], &told["pairs"]), (&json!(2), &json!(2)));
    assert_eq!((&vectors["embedded"], &vectors["dimension"]), (&json!(4), &json!(8)), "{told}");
    let asked = upstream.recorded();
    assert_eq!(asked.len(), 1);
    assert_eq!((&asked[0].body["model"], &asked[0].path), (&json!("m"), &"/v1/embeddings".into()));
    let (_, told, _) = indexed(&house, &["guide"]).await;
    assert!(told.contains("0 vectors of 8 numbers made, 4 kept"), "{told}");
    // Another model makes them anew; what is damaged is made again.
    wants(&house, &upstream, "n", "");
    let (_, told, errors) = indexed(&house, &["guide"]).await;
    assert!(errors.contains("all vectors are made anew: they were made by another"), "{errors}");
    assert!(told.contains("4 vectors of 8 numbers made, 0 kept"), "{told}");
    let file = house.path("data/knowledge/guide/vectors");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 3]).unwrap();
    let (_, told, _) = indexed(&house, &["guide"]).await;
    assert!(told.contains("1 vectors of 8 numbers made, 3 kept"), "{told}");
    assert!(told.contains("1 were damaged"), "{told}");
    // Without an embedder the words are indexed all the same.
    upstream.set_plan(failing("status-401"));
    house.write("prompts/documents/shop.md", "# Shop\n\nA trader sells cups.");
    let (output, told, errors) = indexed(&house, &["guide", "--json"]).await;
    assert!(!output.status.success(), "{told}");
    assert!(errors.contains("the vectors of guide: the embedder failed"), "{errors}");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["read"], &told["passages"]), (&json!(1), &json!(3)));
    assert!(told.get("vectors").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_the_command_keeps_the_vectors_that_were_made() {
    let (house, upstream) = (House::new(), server().await);
    wants(&house, &upstream, "m", "");
    let (_, told, _) = indexed(&house, &["guide"]).await;
    assert!(told.contains("4 vectors"), "{told}");
    house.write("prompts/documents/shop.md", "# Shop\n\nA trader sells cups.");
    upstream.set_plan(failing("silence"));
    let child = Command::new(env!("CARGO_BIN_EXE_anima"))
        .args(["index", "--config", "config", "--data", "data"])
        .current_dir(house.folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = upstream.stats().requests;
    let begun = Instant::now();
    while upstream.stats().requests == asked {
        assert!(begun.elapsed() < 4 * PATIENCE, "it never asks");
        sleep(Duration::from_millis(20)).await;
    }
    let stopped = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    let output = timeout(PATIENCE, spawn_blocking(move || child.wait_with_output()));
    let output = output.await.expect("it ends at once").unwrap().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains("stopped; what was done"), "{errors}");
    upstream.set_plan(Plan::meaning(MEANINGS));
    let (_, told, _) = indexed(&house, &["guide"]).await;
    assert!(told.contains("1 vectors of 8 numbers made, 4 kept"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_service_sees_the_vectors_that_the_command_made() {
    let (house, upstream) = (House::new(), server().await);
    // Nobody watches a folder outside of the prompts.
    house.write("elsewhere/garden.md", "# Garden\n\nForty bonsai trees grow there.");
    let elsewhere = house.path("elsewhere");
    let guide = super::GUIDE.replace("\"documents\"", &format!("{elsewhere:?}"));
    house.write("prompts/personas/guide.toml", &guide);
    wants(&house, &upstream, "m", "");
    let app = house.start().await;
    comes_to(&app, PARAPHRASE, "Forty bonsai").await;
    house.write("elsewhere/shop.md", "# Shop\n\nA trader sells cups.");
    let begun = Instant::now();
    loop {
        let (output, _, errors) = indexed(&house, &["guide"]).await;
        if output.status.success() {
            break;
        }
        // The service itself may be at it for a moment after its start.
        let is_busy = errors.contains("by another process");
        assert!(is_busy && begun.elapsed() < 4 * PATIENCE, "{errors}");
        sleep(Duration::from_millis(100)).await;
    }
    comes_to(&app, "Is there a merchant?", "sells cups").await;
}
