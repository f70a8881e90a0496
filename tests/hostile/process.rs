//! A real service: the program of this build, on a free port, with a folder of its own.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::http::{Response, exchange};

/// How the models of the tests answer.
const PLAYBOOK: &str = r#"
[[answers]]
asks = ["for ever"]
says = "one, "
ends = "hang"

[[answers]]
asks = ["slowly"]
says = "[calm]Breathe. And again. And once more."
first_ms = 100
every_ms = 100
characters = 8

[[answers]]
says = "[joy]Fine."
"#;

/// The providers of the tests; they need no model.
const PROVIDERS: &str = r#"
[providers.demo]
kind = "scripted"
aliases = ["Linly"]
file = "playbook.toml"

[providers.direct]
kind = "direct"

"#;

/// A running process.
pub(crate) struct Process {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Process {
    /// A service with the shipped settings, but for the providers.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// The same with these lines of TOML as the profile.
    pub(crate) fn start_with(profile: &str) -> Self {
        Self::launch(profile, None)
    }

    /// The same with room for so many open files.
    pub(crate) fn start_with_files(files: u32) -> Self {
        Self::launch("", Some(files))
    }

    fn launch(profile: &str, files: Option<u32>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        configure(folder.path(), profile);
        let program = env!("CARGO_BIN_EXE_anima");
        let mut command = match files {
            None => Command::new(program),
            Some(files) => {
                let mut command = Command::new("prlimit");
                command.arg(format!("--nofile={files}")).arg(program);
                command
            }
        };
        command.args(["serve", "--port", "0", "--profile", "test", "--config"]);
        command.arg(folder.path().join("config")).arg("--data").arg(folder.path().join("data"));
        // The settings of whoever runs the tests are not for this service.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ANIMA_")) {
            command.env_remove(name);
        }
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let log = fs::File::create(folder.path().join("log")).unwrap();
        keep(child.stderr.take().unwrap(), log);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .find_map(|line| Some(line.ok()?.split_once("http://")?.1.to_owned()))
            .unwrap_or_else(|| {
                panic!("{}", fs::read_to_string(folder.path().join("log")).unwrap())
            });
        // The rest of what it says has to go somewhere.
        thread::spawn(move || lines.for_each(drop));
        Self { child, address: address.trim().parse().unwrap(), folder }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A new connection to it.
    pub(crate) fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    /// A request that has to be answered.
    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> Response {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        exchange(&mut self.connect(), &[head.as_bytes(), body.as_bytes()].concat())
            .expect("the service does not answer")
    }

    /// Makes a session and gives its id.
    pub(crate) fn session(&self) -> String {
        let record = self.request("POST", "/v1/sessions", "").json();
        record["id"].as_str().unwrap_or_else(|| panic!("{record}")).to_owned()
    }

    /// Takes a turn in a session.
    pub(crate) fn turn(&self, session: &str, body: &Value) -> Response {
        self.request("POST", &format!("/v1/sessions/{session}/turns"), &body.to_string())
    }

    /// The most memory that it ever held, in KiB.
    pub(crate) fn most_memory(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Files that it has open.
    pub(crate) fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Connections at its port that the kernel keeps something for, whoever still holds them.
    pub(crate) fn connections(&self) -> usize {
        // Listening, and the two states in which nothing is left but the memory of an end.
        const NO_CONNECTIONS: [&str; 3] = ["0A", "05", "06"];
        let port = format!(":{:04X}", self.address.port());
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let columns = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        columns
            .filter(|columns| columns[1].ends_with(&port))
            .filter(|columns| !NO_CONNECTIONS.contains(&columns[3]))
            .count()
    }

    /// Whether it is well: alive, and answering.
    pub(crate) fn assert_well(&mut self) {
        assert!(self.child.try_wait().unwrap().is_none(), "the process ended: {}", self.log());
        assert_eq!(self.request("GET", "/healthz", "").status, 200);
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection whose reads and writes have a deadline.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Writes the shipped settings with the providers of the tests, and the profile.
fn configure(folder: &Path, profile: &str) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR"));
    let base = fs::read_to_string(shipped.join("config/base.toml")).unwrap();
    let (before, rest) = base.split_once("[providers.demo]").unwrap();
    let (_, after) = rest.split_once("[telemetry]").unwrap();
    let base = format!("{before}{PROVIDERS}[telemetry]{after}").replace(
        "prompts = \"prompts\"",
        &format!("prompts = '{}'", shipped.join("prompts").display()),
    );
    fs::create_dir(folder.join("config")).unwrap();
    fs::write(folder.join("config/base.toml"), base).unwrap();
    // What personas know is read beside the first turns, and its memory would be taken for the client's.
    let profile = format!("{profile}\n[knowledge]\nenabled = false\n");
    fs::write(folder.join("config/test.toml"), profile).unwrap();
    fs::write(folder.join("playbook.toml"), PLAYBOOK).unwrap();
}

/// Keeps what the process says.
fn keep(from: ChildStderr, mut log: fs::File) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let _ = writeln!(log, "{line}");
        }
    });
}

/// Waits until something holds.
pub(crate) fn eventually(patience: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < patience, "not within {patience:?}: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
