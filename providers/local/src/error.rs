//! Why a local model was not loaded, one line each.

use std::path::PathBuf;

use thiserror::Error;

/// Why a local model was not loaded. Each message is one line that names the file or the key and,
/// where there is one, the way out.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A setting has a value that it cannot have.
    #[error("{key} must be {legal}")]
    Setting {
        /// The setting.
        key: String,
        /// Its legal values.
        legal: String,
    },
    /// The device was not compiled in.
    #[error(
        "device {device} is not in this build: build with --features {device}, or set device to cpu"
    )]
    Device {
        /// The device as set, which is the name of its cargo feature, too.
        device: &'static str,
    },
    /// There is nothing at the path.
    #[error("{} does not exist", path.display())]
    NotFound {
        /// The path as set.
        path: PathBuf,
    },
    /// What is at the path is no model.
    #[error("{} is neither a model folder nor a .gguf file", path.display())]
    NotAModel {
        /// The path as set.
        path: PathBuf,
    },
    /// A file that the model needs is not there.
    #[error("{} is missing: {hint}", path.display())]
    FileMissing {
        /// The file.
        path: PathBuf,
        /// What it is for, or where it comes from.
        hint: &'static str,
    },
    /// A file is there and cannot be used.
    #[error("{}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The engine has no code for this kind of model.
    #[error("{}: the local engine cannot run {architecture}: {way_out}", path.display())]
    UnsupportedArchitecture {
        /// The file that names the architecture.
        path: PathBuf,
        /// The architecture.
        architecture: String,
        /// What to use instead.
        way_out: &'static str,
    },
    /// The folder has no chat template and none was set.
    #[error(
        "{} has no chat template: set chat_template to a jinja file, or text_only = true to take finished prompts only",
        path.display()
    )]
    NoChatTemplate {
        /// The model folder.
        path: PathBuf,
    },
    /// The engine failed to build the model, or the built model failed its trial run.
    #[error("the engine could not load {}: {problem}", path.display())]
    Engine {
        /// The model.
        path: PathBuf,
        /// The first line of what the engine said.
        problem: String,
    },
}

impl LoadError {
    /// A malformed file.
    pub(crate) fn malformed(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self::Malformed { path: path.into(), problem: first_line(&problem.into()) }
    }

    /// A failure of the engine.
    pub(crate) fn engine(path: impl Into<PathBuf>, problem: &str) -> Self {
        Self::Engine { path: path.into(), problem: first_line(problem) }
    }
}

/// The first line of `text`, which is all of an engine's message that an operator can read.
fn first_line(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("no reason given")
        .to_owned()
}
