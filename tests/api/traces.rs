//! One trace a turn, as a collector gets it from the real program.

mod collector;

use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anima_upstream::{Plan, Upstream};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    time::{sleep, timeout},
};

use crate::{
    helpers::{PATIENCE, http, json},
    traces::collector::{Collector, Sent},
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// The program, with a model server that the test speaks for.
struct Program {
    address: String,
    folder: TempDir,
    process: Child,
    _greeting: BufReader<ChildStdout>,
}

impl Program {
    async fn start(upstream: &Upstream, collector: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config");
        fs::create_dir(&config).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let base = fs::read_to_string(root.join("config/base.toml")).unwrap();
        let prompts = format!("prompts = \"{}\"", root.join("prompts").display());
        fs::write(config.join("base.toml"), base.replace("prompts = \"prompts\"", &prompts))
            .unwrap();
        let profile = format!(
            "[providers.demo]\nenabled = false\n[providers.far]\nkind = \"openai\"\nmodel = \"far\"\nbase_url = {:?}\n\
             [providers.dead]\nkind = \"openai\"\nmodel = \"dead\"\nbase_url = \"http://127.0.0.1:9/v1\"\n\
             [turn]\nprovider = \"dead\"\nfallback = [\"far\"]\npersona = \"companion\"\n\
             [turn.retry]\nper_turn = 0\n\
             [telemetry]\nlog = \"info\"\nformat = \"json\"\notlp_endpoint = {collector:?}\n",
            upstream.url("/v1")
        );
        fs::write(config.join("local.toml"), profile).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_anima"))
            .args(["serve", "--port", "0", "--config"])
            .arg(&config)
            .arg("--data")
            .arg(folder.path().join("data"))
            .stdout(Stdio::piped())
            .stderr(File::create(folder.path().join("log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut greeting = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        timeout(4 * PATIENCE, greeting.read_line(&mut line)).await.unwrap().unwrap();
        let address = line.trim().strip_prefix("Anima listens on http://");
        let log = || fs::read_to_string(folder.path().join("log")).unwrap();
        let address = address.unwrap_or_else(|| panic!("it does not start: {}", log())).to_owned();
        Self { address, folder, process, _greeting: greeting }
    }

    /// Asks, as a part of the caller's trace.
    async fn ask(&self, path: &str, body: &Value) -> Value {
        let url = format!("http://{}{path}", self.address);
        let request = http().post(url).header("traceparent", format!("00-{TRACE}-{PARENT}-01"));
        let answer = request.json(body).send().await.unwrap();
        json(answer, StatusCode::OK).await
    }

    async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.address);
        http().get(url).send().await.unwrap().text().await.unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Ends it in order.
    async fn stop(&mut self) {
        let id = self.process.id().unwrap().to_string();
        Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        timeout(4 * PATIENCE, self.process.wait()).await.unwrap().unwrap();
    }
}

/// Waits until so many spans of this name have come.
async fn spans(collector: &Collector, name: &str, count: usize) -> Vec<Sent> {
    let begun = Instant::now();
    loop {
        let all = collector.spans.lock().unwrap().clone();
        if all.iter().filter(|span| span.name == name).count() >= count {
            return all;
        }
        assert!(begun.elapsed() < 2 * PATIENCE, "no {name} among {all:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_turn_is_one_trace_from_the_callers_to_the_model_server() {
    let said = "我在海边丢了一把红色的伞";
    let answered = "别急，去失物招领处问问。";
    let upstream = Upstream::start(Plan::saying([answered])).await.unwrap();
    let (collector, url) = Collector::start().await;
    let mut program = Program::start(&upstream, &url).await;
    let session = http().post(format!("http://{}/v1/sessions", program.address));
    let session = json(session.send().await.unwrap(), StatusCode::CREATED).await;
    let session = session["id"].as_str().unwrap().to_owned();
    let body = json!({ "turn": "lost-umbrella", "text": said });
    program.ask(&format!("/v1/sessions/{session}/turns"), &body).await;
    let all = spans(&collector, "turn", 1).await;
    let all: Vec<_> = all.into_iter().filter(|span| span.trace == TRACE).collect();
    let of = |name: &str| all.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let one = |name: &str| {
        let found = of(name);
        assert_eq!(found.len(), 1, "{name} in {all:?}");
        found[0]
    };
    let turn = one("turn");
    let asked = all.iter().find(|span| span.id == turn.parent);
    let above = asked.map_or(turn.parent.as_str(), |asked| asked.parent.as_str());
    assert_eq!(above, PARENT, "{all:?}");
    assert_eq!(turn.attributes["turn.id"], "lost-umbrella");
    for name in ["store.begin", "store.finish"] {
        assert_eq!(one(name).parent, turn.id, "{name}");
    }
    let attempts = of("attempt");
    let [dead, far] = attempts[..] else { panic!("{attempts:?}") };
    assert_eq!((&dead.attributes["provider.name"][..], dead.failed), ("dead", true));
    assert_eq!((&far.attributes["provider.name"][..], far.failed), ("far", false));
    assert!(dead.attributes.contains_key("error.code"), "{dead:?}");
    assert!(attempts.iter().all(|attempt| attempt.parent == turn.id));
    let first = of("first_sentence").into_iter().find(|span| span.parent == far.id).unwrap();
    assert!(first.began >= far.began && first.ended <= far.ended && far.ended <= turn.ended);
    assert!(of("queue").len() == 2 && one("store.begin").ended <= dead.began);
    // The server continues the trace from the attempt.
    let sent = upstream.recorded();
    let sent = sent.last().unwrap().header("traceparent").unwrap();
    assert_eq!(sent, format!("00-{TRACE}-{}-01", far.id));
    // Log lines tell which trace they belong to.
    let log = program.log();
    let line = log.lines().find(|line| line.contains("Answered turn lost-umbrella")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["level"], &line["span"]["trace_id"]), (&json!("INFO"), &json!(TRACE)));
    assert_eq!(line["provider.name"], "far");
    program.stop().await;
    assert_eq!(collector.resource.lock().unwrap()["service.name"], "anima");
    let bodies = collector.bodies.lock().unwrap().clone();
    let bodies = String::from_utf8_lossy(&bodies);
    for secret in [said, answered, &session] {
        assert!(!bodies.contains(secret), "{secret} was sent to the collector");
    }
}

#[tokio::test]
async fn a_turn_without_a_session_is_traced_and_the_last_spans_are_sent_at_the_end() {
    let upstream = Upstream::start(Plan::saying(["好的。"])).await.unwrap();
    let (collector, url) = Collector::start().await;
    let mut program = Program::start(&upstream, &url).await;
    program.ask("/", &json!({ "prompt": "你好" })).await;
    let chat = json!({ "model": "far", "messages": [{ "role": "user", "content": "你好" }] });
    program.ask("/v1/chat/completions", &chat).await;
    program.stop().await;
    let all = collector.spans.lock().unwrap().clone();
    let turns: Vec<_> = all.iter().filter(|span| span.name == "turn").collect();
    assert_eq!(turns.len(), 2, "{all:?}");
    assert!(turns.iter().all(|turn| turn.trace == TRACE));
}

#[tokio::test]
async fn a_collector_that_is_gone_slows_no_turn_and_is_told_of_in_metrics() {
    let upstream = Upstream::start(Plan::saying(["好的。"])).await.unwrap();
    let mut program = Program::start(&upstream, "http://127.0.0.1:9").await;
    let begun = Instant::now();
    for _ in 0..20 {
        program.ask("/", &json!({ "prompt": "你好" })).await;
    }
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    let begun = Instant::now();
    while !program.metrics().await.contains("anima_spans_lost_total") {
        assert!(begun.elapsed() < 2 * PATIENCE, "no span was lost");
        sleep(Duration::from_millis(50)).await;
    }
    let warned = program.log().matches("takes no spans").count();
    assert_eq!(warned, 1, "{}", program.log());
    program.stop().await;
}
