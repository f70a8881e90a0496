//! A service as people run it: the real process with its real configuration, on an empty store.

use std::{
    env, fs,
    io::{BufRead, BufReader, Lines},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, ensure};
use tempfile::TempDir;
use toml::{Table, Value, toml};

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Model {
    /// A playbook: at once, always the same.
    Scripted,
    /// The bundled model.
    Demonstration,
}

/// What the playbook says, in pieces of two characters.
const PLAYBOOK: &str = r#"
[[answers]]
says = "[joy]你好，很高兴见到你。今天天气不错，我们可以慢慢聊。"
characters = 2
"#;

/// A running service; it ends when dropped.
pub(crate) struct Service {
    process: Process,
    home: TempDir,
}

impl Service {
    /// Starts `program` with an empty store, on the disk that the build is on.
    pub(crate) fn start(program: &Path, model: Model) -> anyhow::Result<Self> {
        Self::start_in(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?, program, model)
    }

    /// The same with everything that it keeps in `home`.
    pub(crate) fn start_in(home: TempDir, program: &Path, model: Model) -> anyhow::Result<Self> {
        Self::launch(home, Command::new(program), model)
    }

    /// The same on one processor alone, with a disk that is memory.
    pub(crate) fn start_on(program: &Path, model: Model, processor: usize) -> anyhow::Result<Self> {
        let mut command = Command::new("taskset");
        command.arg("--cpu-list").arg(processor.to_string()).arg(program);
        Self::launch(in_memory()?, command, model)
    }

    fn launch(home: TempDir, mut command: Command, model: Model) -> anyhow::Result<Self> {
        configure(home.path(), model)?;
        command
            .args(["serve", "--port", "0", "--profile", "local", "--config"])
            .arg(home.path().join("config"))
            .arg("--data")
            .arg(home.path().join("data"));
        // The caller's own settings are not what is measured.
        for (name, _) in
            env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ANIMA"))
        {
            command.env_remove(name);
        }
        Ok(Self { process: Process::start(&mut command)?, home })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.process.address
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.child.id()
    }

    /// From its start until it said that it listens.
    pub(crate) fn started_in(&self) -> Duration {
        self.process.started_in
    }

    /// The folder of its store.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }
}

/// A process that says where it listens; it is killed when dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    started_in: Duration,
    /// Held open: it has more to say, and would end where nobody listens.
    _output: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts `command` and waits until it listens.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let began = Instant::now();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(child.stdout.take().context("no output")?).lines();
        let address = output.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, address) = line.split_once("listens on http://")?;
            address.parse().ok()
        });
        let started_in = began.elapsed();
        if address.is_none() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let address = address.ok_or_else(|| anyhow!("{command:?} did not start"))?;
        Ok(Self { child, address, started_in, _output: output })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which is just as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder whose disk is memory, so that work is measured and not the disk.
pub(crate) fn in_memory() -> anyhow::Result<TempDir> {
    Ok(tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?)
}

/// Writes the shipped configuration into `home` with one provider and without limits that a client
/// on this machine would meet.
fn configure(home: &Path, model: Model) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut settings: Table = fs::read_to_string(root.join("config/base.toml"))?.parse()?;
    let mut change = |table: &str, changes: Table| {
        let table = settings.get_mut(table).and_then(Value::as_table_mut);
        table.map(|table| table.extend(changes)).context("config/base.toml lacks a table")
    };
    change("server", toml! { max_connections = 20_000 messages_per_minute = 1_000_000 })?;
    change("telemetry", toml! { log = "error" })?;
    let prompts = path(&root.join("prompts"))?;
    let (provider, persona) = match model {
        Model::Scripted => ("scripted", "companion"),
        Model::Demonstration => ("demo", "lingxi"),
    };
    let mut turn = toml! { fallback = [] };
    for (key, value) in
        [("prompts", prompts.as_str()), ("provider", provider), ("persona", persona)]
    {
        turn.insert(key.to_owned(), Value::from(value));
    }
    change("turn", turn)?;
    let one = match model {
        Model::Scripted => toml! { kind = "scripted" file = "playbook.toml" },
        Model::Demonstration => {
            let demo = path(&root.join("models/demo"))?;
            Table::from_iter([
                ("kind".to_owned(), Value::from("local")),
                ("model".to_owned(), Value::from(demo)),
            ])
        }
    };
    let providers = Table::from_iter([(provider.to_owned(), Value::Table(one))]);
    ensure!(settings.insert("providers".to_owned(), providers.into()).is_some(), "no providers");
    let folder = home.join("config");
    fs::create_dir(&folder)?;
    fs::write(folder.join("base.toml"), toml::to_string(&settings)?)?;
    fs::write(folder.join("local.toml"), "")?;
    fs::write(home.join("playbook.toml"), PLAYBOOK)?;
    Ok(())
}

/// A path as a setting.
fn path(path: &Path) -> anyhow::Result<String> {
    Ok(path.to_str().context("the path of the repository is not UTF-8")?.to_owned())
}
