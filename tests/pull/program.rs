//! The program, run in a folder of its own.

use std::{
    path::PathBuf,
    process::{Output, Stdio},
};

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::hub::Hub;

/// A folder with a configuration folder in it, as a person's is.
pub(crate) struct Ground {
    folder: TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) success: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("config")).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// `anima pull org/name` without patience.
    pub(crate) async fn pull(&self, hub: &Hub) -> Run {
        self.run(hub, &["org/name", "--retries", "0"]).await
    }

    /// `anima pull ARGUMENTS`
    pub(crate) async fn run(&self, hub: &Hub, arguments: &[&str]) -> Run {
        self.run_with(hub, arguments, &[]).await
    }

    /// The same with further variables.
    pub(crate) async fn run_with(
        &self,
        hub: &Hub,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Run {
        let child = self.start(hub, arguments, variables);
        Run::of(child.wait_with_output().await.unwrap())
    }

    /// The same while it runs.
    pub(crate) fn start(&self, hub: &Hub, arguments: &[&str], variables: &[(&str, &str)]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_anima"))
            .arg("pull")
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HF_ENDPOINT", &hub.url)
            .env("MODELSCOPE_ENDPOINT", &hub.url)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// The names in `folder`, in order.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).into_iter().flatten();
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.unwrap().file_name().into_string().unwrap()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    /// The part files of `name` in the folder of the model.
    pub(crate) fn parts(&self, name: &str) -> Vec<PathBuf> {
        let is_part =
            |found: &String| found.starts_with(name) && found.strip_suffix(".part").is_some();
        let names = self.names("models/name").into_iter().filter(is_part);
        names.map(|found| self.path("models/name").join(found)).collect()
    }

    /// Whether `name` of the model is there with this content.
    pub(crate) fn has(&self, name: &str, body: &[u8]) -> bool {
        std::fs::read(self.path("models/name").join(name)).is_ok_and(|found| found == body)
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
        assert!(self.success, "{}", self.err);
        self
    }

    /// It ended with one line of error that holds all of `words`.
    #[track_caller]
    pub(crate) fn failed_with(&self, words: &[&str]) -> &Self {
        assert!(!self.success, "it succeeded: {}", self.err);
        let last = self.err.lines().last().unwrap_or_default();
        assert!(last.starts_with("anima: "), "{}", self.err);
        for word in words {
            assert!(last.contains(word), "{word:?} is not in {last}");
        }
        assert_eq!(self.out, "");
        self
    }
}

/// Bytes that do not repeat, so that a wrong order or place shows.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// The files of a small model in the usual form.
pub(crate) fn model() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (".gitattributes", b"*.bin filter=lfs".to_vec()),
        ("README.md", b"# A model".to_vec()),
        ("config.json", b"{}".to_vec()),
        ("model.safetensors", noise(200_000)),
        ("onnx/model.onnx", noise(10)),
        ("pytorch_model.bin", noise(300)),
        ("tokenizer.json", noise(5_000)),
        ("tokenizer_config.json", b"{ }".to_vec()),
    ]
}
