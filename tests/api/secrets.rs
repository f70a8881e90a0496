//! Secrets in every place that takes one, turns that fail in every way, a log of everything:
//! and none of them is seen anywhere.

use std::{
    fmt::Write,
    fs::{self, File},
    path::Path,
    process::{Output, Stdio},
};

use anima_upstream::{Plan, Upstream};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::{helpers::PATIENCE, row::Row};

/// The kinds, and where each finds its server on the stand-in.
const SERVERS: [(&str, &str, &str); 6] = [
    ("openai", "/v1", ""),
    ("openai", "/v1", "api = \"responses\""),
    ("openai", "/openai", "azure = { deployment = \"far\", api_version = \"2024-10-21\" }"),
    ("gemini", "/v1beta", ""),
    ("chatglm", "/api/paas/v4", "auth = \"bearer\""),
    ("chatglm", "/api/paas/v4", "auth = \"token\""),
];

/// What servers do, some of it with what they were sent.
const FAULTS: [&str; 9] =
    ["none", "echo", "status-500", "html", "broken-1", "reset-1", "redirect", "error-0", "error-4"];

/// The configuration of a service full of secrets.
struct Canaries {
    folder: TempDir,
    secrets: Vec<String>,
    variables: Vec<(String, String)>,
    profile: String,
}

impl Canaries {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("config")).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let base = fs::read_to_string(root.join("config/base.toml")).unwrap();
        let prompts = format!("prompts = \"{}\"", root.join("prompts").display());
        let base = base.replace("prompts = \"prompts\"", &prompts);
        fs::write(folder.path().join("config/base.toml"), base).unwrap();
        let (secrets, variables) = (Vec::new(), Vec::new());
        Self { folder, secrets, variables, profile: String::new() }
    }

    /// A new secret. The dot makes it one that ChatGLM takes for a key.
    fn secret(&mut self) -> String {
        self.secrets.push(format!("canary.{:05x}sings", self.secrets.len() * 7919));
        self.secrets.last().unwrap().clone()
    }

    /// A new secret in a variable, by its name.
    fn variable(&mut self) -> String {
        let (name, secret) = (format!("SECRET_{}", self.secrets.len()), self.secret());
        self.variables.push((name.clone(), secret));
        name
    }

    /// A new secret in a file, by its path.
    fn file(&mut self) -> String {
        let (path, secret) = (format!("secret-{}", self.secrets.len()), self.secret());
        fs::write(self.folder.path().join(&path), secret).unwrap();
        path
    }

    /// A provider with a secret in every place that takes one.
    fn provider(&mut self, number: usize, upstream: &Upstream) -> String {
        let (kind, path, more) = SERVERS[number];
        let key = if number.is_multiple_of(2) {
            format!("api_key_env = {:?}", self.variable())
        } else {
            format!("api_key_file = {:?}", self.file())
        };
        let (base, proxy) = (upstream.url(path), upstream.address());
        let (written, variable, file) = (self.secret(), self.variable(), self.file());
        let (password, token) = (self.secret(), self.secret());
        let name = format!("{kind}-{number}");
        write!(
            self.profile,
            "[providers.{name}]\nkind = {kind:?}\nmodel = \"far\"\nbase_url = {base:?}\n{key}\n{more}\n\
             headers = {{ x-one = {written:?}, x-two = {{ env = {variable:?} }}, x-three = {{ file = {file:?} }} }}\n\
             proxy = \"http://me:{password}@{proxy}\"\nextra = {{ api_token = {token:?} }}\n"
        )
        .unwrap();
        name
    }

    /// Secrets in every other place than providers and the store: keys of callers, of operators, of
    /// the certificate and of a server that speaks, and in the address of a collector.
    fn others(&mut self, upstream: &Upstream) {
        let (admin, caller) = (self.file(), self.variable());
        let (speech, header) = (self.variable(), self.secret());
        let (base, password) = (upstream.url("/v1"), self.secret());
        let tls = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/tls");
        let (certificate, key) = (tls.join("one.pem"), tls.join("one.key.pem"));
        // The key as it lies in its file, without its first and last line, which are no secret.
        let pem = fs::read_to_string(&key).unwrap();
        self.secrets.extend(pem.lines().filter(|line| !line.starts_with("--")).map(str::to_owned));
        let collector = format!("http://me:{password}@{}", upstream.address());
        write!(
            self.profile,
            "[server]\nadmin_key_file = {admin:?}\n\
             tls = {{ listen = [\"127.0.0.1:0\"], certificate_file = \"{}\", key_file = \"{}\" }}\n\
             [access]\nanonymous = true\n[keys.kiosk]\nkey_env = {caller:?}\n\
             [avatars.vtuber.speech]\nbase_url = {base:?}\nmodel = \"tts\"\nvoice = \"one\"\n\
             api_key_env = {speech:?}\nextra = {{ token = {header:?} }}\n",
            certificate.display(),
            key.display()
        )
        .unwrap();
        self.variables.push(("ANIMA__TELEMETRY__OTLP_ENDPOINT".to_owned(), collector));
    }

    /// The secret in a file or a variable that the profile names under this key.
    fn secret_of(&self, key: &str) -> String {
        let line = self.profile.lines().find_map(|line| line.strip_prefix(&format!("{key} = ")));
        let name = line.unwrap().trim_matches('"');
        let variable = self.variables.iter().find(|(known, _)| known == name);
        let file = || fs::read_to_string(self.folder.path().join(name)).unwrap();
        variable.map_or_else(file, |(_, secret)| secret.clone())
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_anima"));
        command.arg(name).arg("--config").arg(self.folder.path().join("config"));
        command.envs(self.variables.iter().cloned());
        command
    }

    /// Starts the service, whose log goes into a file; what it writes is read as long as it runs.
    async fn serve(&self) -> (Child, BufReader<ChildStdout>, String) {
        fs::write(self.folder.path().join("config/local.toml"), &self.profile).unwrap();
        let mut process = self
            .command("serve")
            .args(["--port", "0", "--data"])
            .arg(self.folder.path().join("data"))
            .stdout(Stdio::piped())
            .stderr(File::create(self.folder.path().join("log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut greeting = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        timeout(4 * PATIENCE, greeting.read_line(&mut line)).await.unwrap().unwrap();
        let address = line.trim().strip_prefix("Anima listens on http://");
        let address = address.unwrap_or_else(|| panic!("it does not start: {}", self.log()));
        let address = address.to_owned();
        (process, greeting, address)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Looks for every secret, and for the form that passwords have on their way to a proxy.
    fn look(&self, place: &str, text: &str) {
        for secret in &self.secrets {
            let hidden = base64(&format!("me:{secret}"));
            let line = text.lines().find(|line| line.contains(secret) || line.contains(&hidden));
            assert!(line.is_none(), "{secret} is in {place}: {line:?}");
        }
    }
}

/// Base64 without its last, incomplete group, which says how long a text is.
fn base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = text.as_bytes().chunks_exact(3);
    let encode = |group: &[u8]| {
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        [18, 12, 6, 0].map(|shift| char::from(LETTERS[(bits >> shift & 63) as usize]))
    };
    groups.flat_map(encode).collect()
}

fn text(output: Output) -> String {
    let (out, error) = (output.stdout, output.stderr);
    String::from_utf8(out).unwrap() + &String::from_utf8(error).unwrap()
}

#[tokio::test]
async fn no_secret_is_in_any_log_any_answer_or_anything_that_operators_are_shown() {
    let row = Row::of(24, "secrets in every place that takes one, at level trace");
    let upstream = Upstream::start(Plan::default()).await.unwrap();
    let mut canaries = Canaries::new();
    let redis = canaries.secret();
    let redis = format!("redis://me:{redis}@127.0.0.1:9/0");
    canaries.variables.push(("ANIMA__HISTORY__REDIS__URL".to_owned(), redis));
    canaries.profile.push_str(
        "[history]\nstore = \"redis\"\nwhen_unavailable = \"continue\"\n\
         [telemetry]\nlog = \"trace\"\n[providers.demo]\nenabled = false\n\
         [turn]\nprovider = \"openai-0\"\nretry = { per_turn = 1 }\n\
         breaker = { failures = 0, unauthorized_ms = 0 }\n",
    );
    let names: Vec<_> = (0..SERVERS.len()).map(|at| canaries.provider(at, &upstream)).collect();
    canaries.others(&upstream);
    assert!(canaries.secrets.len() >= 30, "{}", canaries.secrets.len());
    let (_process, _greeting, address) = canaries.serve().await;
    // No connection outlives its request: the service closes those that are idle for seconds.
    let http = Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(4 * PATIENCE);
    let http = http.build().unwrap();
    let get = async |path: &str| {
        let request = http.get(format!("http://{address}{path}"));
        request.send().await.unwrap().text().await.unwrap()
    };
    let mut answered = 0;
    for name in &names {
        for fault in FAULTS {
            upstream.set_plan(Plan::failing(fault.parse().unwrap()));
            let turn = json!({ "question": "你好", "model_name": name });
            let url = format!("http://{address}/llm_response/");
            let answer = http.post(url).json(&turn).send().await.unwrap();
            answered += usize::from(answer.status().is_success());
            canaries.look("an answer", &answer.text().await.unwrap());
        }
    }
    assert!(answered >= SERVERS.len(), "the servers were never reached: {answered}");
    for path in ["/metrics", "/readyz", "/openapi.json", "/asyncapi.json", "/v1/models", "/nowhere"]
    {
        canaries.look(path, &get(path).await);
    }
    let (admin, caller) = (canaries.secret_of("admin_key_file"), canaries.secret_of("key_env"));
    // Operators and callers with the right key and with almost the right one, whole and bad reloads.
    let mut let_in = 0;
    for key in [admin.clone(), caller.clone(), format!("{admin}x"), format!("x{caller}")] {
        for (method, path) in [
            (Method::GET, "/admin/providers"),
            (Method::POST, "/admin/reload"),
            (Method::GET, "/v1/sessions"),
            (Method::POST, "/llm_response/"),
        ] {
            let request = http.request(method, format!("http://{address}{path}")).bearer_auth(&key);
            let answer = request.json(&json!({ "question": [] })).send().await.unwrap();
            let_in += usize::from(answer.status() != 401);
            canaries.look(path, &answer.text().await.unwrap());
        }
    }
    // Two paths for the admin key and two for the caller's, whatever is answered there.
    assert!((4..=6).contains(&let_in), "the keys are not the right ones: {let_in}");
    let request = http.get(format!("http://{address}/admin/providers")).bearer_auth(&admin);
    let told: Value =
        serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
    canaries.look("/admin/providers", &told.to_string());
    assert!(told.to_string().contains("last_error"), "{told}");
    let bad = format!("{}\n[turn", canaries.profile);
    fs::write(canaries.folder.path().join("config/local.toml"), bad).unwrap();
    let request = http.post(format!("http://{address}/admin/reload")).bearer_auth(&admin);
    let refused = request.send().await.unwrap();
    assert_eq!(refused.status(), 422);
    canaries.look("a refused reload", &refused.text().await.unwrap());
    fs::write(canaries.folder.path().join("config/local.toml"), &canaries.profile).unwrap();
    upstream.set_plan(Plan::failing("status-500".parse().unwrap()));
    for arguments in [&["--port", "0"][..], &["--port", "0", "--no-calls", "--json"]] {
        let shown = text(canaries.command("doctor").args(arguments).output().await.unwrap());
        assert!(names.iter().all(|name| shown.contains(name.as_str())), "{shown}");
        canaries.look("anima doctor", &shown);
    }
    let port = address.rsplit(':').next().unwrap();
    for arguments in [&["--once"][..], &["--json"]] {
        let mut command = canaries.command("providers");
        let shown = command.args(["--port", port]).args(arguments).output().await.unwrap();
        assert!(shown.status.success(), "{shown:?}");
        let shown = text(shown);
        assert!(names.iter().all(|name| shown.contains(name.as_str())), "{shown}");
        canaries.look("anima providers", &shown);
    }
    let shown = text(canaries.command("config").output().await.unwrap());
    assert!(shown.contains("SECRET_") && shown.contains("secret-"), "{shown}");
    canaries.look("anima config", &shown);
    let log = canaries.log();
    assert!(log.contains("A provider said") && log.contains("TRACE"), "the log is not looked at");
    canaries.look("the log", &log);
    // Keys were sent, or all of this says nothing.
    let sent = format!("{:?}", upstream.recorded());
    let sent = canaries.secrets.iter().filter(|secret| sent.contains(secret.as_str())).count();
    assert!(sent >= 20, "{sent}");
    let count = canaries.secrets.len();
    let counted =
        format!("{count} secrets, {sent} of them sent to servers, {} KiB of log", log.len() >> 10);
    row.tell(counted, format!("0 of {count} seen"), true);
}
