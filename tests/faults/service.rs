//! The service as a process of its own, with a data folder that outlives it.

use std::{
    fs::{self, OpenOptions},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::LazyLock,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::{book::PLAYBOOK, store::Store};

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// What a service is started on: settings, a playbook and data.
pub(crate) struct House {
    folder: TempDir,
    pub(crate) store: Store,
}

/// A running service.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    process: Child,
    /// Kept open, so that the service can write to it.
    _greeting: BufReader<ChildStdout>,
}

impl House {
    /// A house whose service lets running turns go on for so long once it is told to end.
    pub(crate) fn new(store: Store, drain_ms: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let base = fs::read_to_string(root.join("config/base.toml")).unwrap();
        let mut base: toml::Table = base.parse().unwrap();
        let mut set = |table: &str, key: &str, value: toml::Value| {
            base[table].as_table_mut().unwrap().insert(key.to_owned(), value);
        };
        set("server", "drain_ms", drain_ms.into());
        set("server", "messages_per_minute", 1_000_000.into());
        set("turn", "prompts", root.join("prompts").display().to_string().into());
        set("turn", "persona", "companion".into());
        set("turn", "provider", "book".into());
        set("knowledge", "enabled", false.into());
        set("telemetry", "log", "warn".into());
        let providers = toml::toml! {
            [book]
            kind = "scripted"
            file = "book.toml"
        };
        base.insert("providers".to_owned(), providers.into());
        let config = folder.path().join("config");
        fs::create_dir(&config).unwrap();
        fs::write(config.join("base.toml"), base.to_string()).unwrap();
        fs::write(config.join("faults.toml"), "").unwrap();
        fs::write(folder.path().join("book.toml"), PLAYBOOK).unwrap();
        Self { folder, store }
    }

    /// Where a file of the configuration is; `faults.toml` is the profile.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Starts the service on what an earlier one left behind.
    pub(crate) async fn start(&self) -> Service {
        let log = OpenOptions::new().create(true).append(true).open(self.log()).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_anima"))
            .args(["serve", "--port", "0", "--profile", "faults", "--config"])
            .arg(self.folder.path().join("config"))
            .arg("--data")
            .arg(self.folder.path().join("data"))
            .envs(self.store.variables())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut greeting = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        let read = timeout(PATIENCE, greeting.read_line(&mut line)).await;
        read.expect("the service does not start").unwrap();
        let address = line.trim().strip_prefix("Anima listens on http://");
        let address = address.unwrap_or_else(|| panic!("it does not start: {}", self.said()));
        Service { address: address.parse().unwrap(), process, _greeting: greeting }
    }

    /// What the service has written into its log.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Service {
    /// Ends it at once, as a crash does.
    pub(crate) async fn kill(&mut self) {
        assert!(self.process.try_wait().unwrap().is_none(), "it had ended by itself");
        self.process.kill().await.unwrap();
    }

    /// Asks it to end.
    pub(crate) async fn terminate(&self) {
        let process = self.process.id().expect("it had ended by itself").to_string();
        let sent = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &process]).status().await;
        assert!(sent.unwrap().success());
    }

    /// Waits for its end; whether it ended well.
    pub(crate) async fn ended(mut self) -> bool {
        timeout(PATIENCE, self.process.wait()).await.expect("it does not end").unwrap().success()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Makes a session and gives its id.
    pub(crate) async fn session(&self) -> String {
        let response = http().post(self.url("/v1/sessions")).send().await.unwrap();
        let record: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        record["id"].as_str().unwrap_or_else(|| panic!("{record}")).to_owned()
    }

    /// Sessions that were just made.
    pub(crate) async fn sessions(&self, count: usize) -> Vec<String> {
        let mut sessions = Vec::new();
        for _ in 0..count {
            sessions.push(self.session().await);
        }
        sessions
    }

    /// Every exchange of a session, oldest first.
    pub(crate) async fn exchanges(&self, session: &str) -> Vec<Value> {
        let url = self.url(&format!("/v1/sessions/{session}/export"));
        let response = http().get(url).send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
        let lines = response.text().await.unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Sends JSON and gives the status, the seconds of `Retry-After` and the answer.
    pub(crate) async fn call(&self, path: &str, body: &Value) -> (u16, Option<u64>, Value) {
        let response = http().post(self.url(path)).json(body).send().await.unwrap();
        let wait = response.headers().get("retry-after");
        let wait = wait.and_then(|wait| wait.to_str().ok()?.parse().ok());
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, wait, serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text)))
    }

    /// The JSON at a path.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = http().get(self.url(path)).send().await.unwrap();
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    }

    /// The status of what is got from a path.
    pub(crate) async fn status(&self, path: &str) -> u16 {
        http().get(self.url(path)).send().await.unwrap().status().as_u16()
    }

    /// Whether it runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// Sends JSON to a session, and gives the answer.
    pub(crate) async fn post(&self, session: &str, what: &str, body: &Value) -> Value {
        let url = self.url(&format!("/v1/sessions/{session}/{what}"));
        let response = http().post(url).json(body).send().await.unwrap();
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    }

    /// How many turns ended in each way since it started.
    pub(crate) async fn ends(&self, outcome: &str) -> usize {
        self.metric(&format!("anima_turns_total{{outcome=\"{outcome}\"}}")).await
    }

    /// A number of its metrics; 0 when that is not there yet.
    pub(crate) async fn metric(&self, name: &str) -> usize {
        let metrics = http().get(self.url("/metrics")).send().await.unwrap().text().await.unwrap();
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |number| number.parse().unwrap())
    }
}

pub(crate) fn http() -> &'static reqwest::Client {
    static HTTP: LazyLock<reqwest::Client> = LazyLock::new(|| {
        // Services come and go: no connection outlives its request.
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
        client.timeout(PATIENCE).build().unwrap()
    });
    &HTTP
}
