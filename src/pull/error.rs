//! Why a model could not be fetched, each with the way out.

use std::{error::Error, io, path::PathBuf};

use indicatif::HumanBytes;
use thiserror::Error;

use crate::settings::SettingsError;

/// Why a model could not be fetched.
#[derive(Debug, Error)]
pub enum PullError {
    /// What was asked for has no legal form.
    #[error("{0}")]
    Request(String),
    /// Nobody said where models are.
    #[error("cannot tell where models/ is; name the folder: anima pull MODEL OUT")]
    Home(#[source] SettingsError),
    /// The hub wants to know who asks, or does not want to give.
    #[error(
        "{endpoint} does not give {model} away ({status}): check the spelling; if it is gated or \
         private, accept its licence at {page} and set {variable} to a token that may read it"
    )]
    Refused {
        /// The hub.
        endpoint: String,
        /// The model.
        model: String,
        /// Where people read about it.
        page: String,
        /// The variable that holds the token.
        variable: &'static str,
        /// The status of the answer.
        status: u16,
    },
    /// The hub does not have it.
    #[error("{endpoint} has no {what}: look at {page} for the spelling and the revision")]
    NotFound {
        /// The hub.
        endpoint: String,
        /// The model, revision or file.
        what: String,
        /// Where people read about it.
        page: String,
    },
    /// The hub cannot be reached, or the connection broke.
    #[error(
        "cannot reach {endpoint}; set {variable} to a mirror, HTTPS_PROXY to a proxy, or copy the \
         files into the folder yourself"
    )]
    Unreachable {
        /// The hub.
        endpoint: String,
        /// The variable that names a mirror.
        variable: &'static str,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The transfer broke off.
    #[error("the connection broke while {path} came; the same command goes on from there")]
    Broken {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server ended the file too early.
    #[error("{path} ended after {came} of {size} bytes; the same command goes on from there")]
    Cut {
        /// The file.
        path: String,
        /// How much there is of it.
        came: u64,
        /// How much there should be.
        size: u64,
    },
    /// The server does not go on where the part file ends.
    #[error("{endpoint} cannot go on in the middle of {path}")]
    NoRange {
        /// The hub.
        endpoint: String,
        /// The file.
        path: String,
    },
    /// An answer that is neither success nor one of the above.
    #[error("{endpoint} answers {status} for {what}; try again later")]
    Status {
        /// The hub.
        endpoint: String,
        /// What was asked for.
        what: String,
        /// The status of the answer.
        status: u16,
    },
    /// The hub wants a longer pause than a person waits for.
    #[error("{endpoint} wants a pause of {seconds} s; try again after it")]
    LongPause {
        /// The hub.
        endpoint: String,
        /// How long.
        seconds: u64,
    },
    /// The answer is no list of files.
    #[error(
        "{endpoint} answers with something that is no list of files ({begins}); is it a model hub, \
         and does a proxy or a login page stand between?"
    )]
    NotAHub {
        /// The hub.
        endpoint: String,
        /// The beginning of the answer, or what is wrong with it.
        begins: String,
    },
    /// The hub says in words of its own what is wrong.
    #[error("{endpoint} answers: {message}")]
    Says {
        /// The hub.
        endpoint: String,
        /// What it says.
        message: String,
    },
    /// The list of files is not complete.
    #[error("{model} has more files than its hub lists; fetch what you need by other means")]
    TooManyFiles {
        /// The model.
        model: String,
    },
    /// The hub names a file that would not lie in the folder.
    #[error("the hub names a file {path:?}, which could leave the folder; nothing was fetched")]
    HostilePath {
        /// As the hub writes it.
        path: String,
    },
    /// None of the files is one to fetch, or more than one could be meant.
    #[error("{0}")]
    Choice(String),
    /// There are other files in the place of those to fetch.
    #[error(
        "{} differs from what the hub has, and did not come from it unchanged; name another \
         folder, or replace it with --overwrite",
        paths.join(", ")
    )]
    Different {
        /// The files.
        paths: Vec<String>,
    },
    /// The disk is too small.
    #[error(
        "{} more are needed, and the disk of {} has {} free",
        HumanBytes(*needed), folder.display(), HumanBytes(*free)
    )]
    Disk {
        /// The folder to fetch to.
        folder: PathBuf,
        /// Bytes to fetch.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// A file of this machine cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody else fetches the same file.
    #[error("{} is being written by another `anima pull`", path.display())]
    Locked {
        /// The part file.
        path: PathBuf,
    },
    /// More or fewer bytes than the hub declared.
    #[error(
        "{path} comes with {came} bytes and was declared with {size}; what came of it was removed"
    )]
    Size {
        /// The file.
        path: String,
        /// How many bytes came or were announced, at least.
        came: u64,
        /// How many were declared.
        size: u64,
    },
    /// Not the bytes that the hub declared.
    #[error(
        "{path} came with the wrong checksum and was removed; the same command fetches it anew \
         (expected {expected}, computed {computed})"
    )]
    Checksum {
        /// The file.
        path: String,
        /// What the hub declared.
        expected: String,
        /// What came.
        computed: String,
    },
    /// Ctrl-C.
    #[error("stopped; what came is kept, and the same command goes on from there")]
    Interrupted,
    /// There is no HTTP client.
    #[error("cannot set up the HTTP client")]
    Client(#[source] Box<dyn Error + Send + Sync>),
}

impl PullError {
    /// What goes wrong with a file of this machine.
    pub(super) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
