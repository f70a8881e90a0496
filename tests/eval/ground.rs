//! The program, run in a folder of its own, on a configuration of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// A folder with a configuration in it, whose default provider answers from a playbook.
pub(crate) struct Ground(TempDir);

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) success: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ground {
    /// A folder in which `playbook` answers, and `further` stands in the profile.
    pub(crate) fn new(playbook: &str, further: &str) -> Self {
        let ground = Self(tempfile::tempdir().unwrap());
        let home = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::create_dir(ground.path("config")).unwrap();
        fs::copy(home.join("config/base.toml"), ground.path("config/base.toml")).unwrap();
        let prompts = home.join("prompts").display().to_string();
        let profile = format!(
            "[turn]\nprovider = \"book\"\nprompts = {prompts:?}\n\
             [providers.book]\nkind = \"scripted\"\nfile = \"book.toml\"\n{further}"
        );
        ground.write("config/local.toml", &profile);
        ground.write("book.toml", playbook);
        ground
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    pub(crate) fn write(&self, below: &str, text: &str) {
        fs::write(self.path(below), text).unwrap();
    }

    pub(crate) fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap_or_default()
    }

    pub(crate) fn json(&self, below: &str) -> Value {
        serde_json::from_str(&self.read(below)).unwrap()
    }

    /// Starts `anima eval ARGUMENTS`.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_anima"))
            .arg("eval")
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// Runs it to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.start(arguments).wait_with_output().await.unwrap())
    }
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            success: output.status.success(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// It did what it was told.
    #[track_caller]
    pub(crate) fn succeeded(&self) -> &Self {
        assert!(self.success, "{}{}", self.out, self.err);
        self
    }

    /// It ended with an error that holds `words`.
    #[track_caller]
    pub(crate) fn failed_with(&self, words: &str) {
        assert!(!self.success && self.err.contains(words), "{}{}", self.out, self.err);
    }
}
