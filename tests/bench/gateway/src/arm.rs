//! What is measured side by side, and how each of it is started.

mod anima;
pub(crate) mod hop;
mod python;
mod roll;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::bail;
use tokio::time::{Instant, sleep};

use crate::{
    client::{Client, Fault, Speech},
    mock::Mock,
    process::Group,
};
pub(crate) use roll::{Ground, Name, Roll};

/// How long an arm may take until it answers; `LiteLLM` takes half a minute on a busy processor.
const PATIENCE: Duration = Duration::from_mins(2);

/// Something that answers when it is its turn.
#[derive(Debug)]
pub(crate) struct Arm {
    pub(crate) name: Name,
    pub(crate) speech: Speech,
    pub(crate) address: SocketAddr,
    /// What it is made of, with versions.
    pub(crate) made_of: String,
    /// Nothing for the mock itself.
    group: Option<Group>,
    log: PathBuf,
}

impl Arm {
    pub(crate) fn client(&self) -> Client {
        Client::new(self.speech, self.address)
    }

    /// Waits until it has answered once; then it stands still.
    pub(crate) async fn await_answer(&mut self, mock: &Mock) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut client = self.client();
        loop {
            let fault = match client.try_out(mock).await {
                Ok(()) => break,
                Err(fault) => fault,
            };
            let ended = self.group.as_mut().is_some_and(|group| !group.is_alive());
            if ended || begun.elapsed() > PATIENCE || matches!(fault, Fault::Inexact(_)) {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                let last: Vec<_> = log.lines().rev().take(12).collect();
                let last = last.into_iter().rev().collect::<Vec<_>>().join("\n");
                bail!("{} does not answer: {fault}\n{last}", self.name);
            }
            sleep(Duration::from_millis(100)).await;
        }
        self.freeze();
        Ok(())
    }

    /// Stops it, so that it takes no time from others. Anima goes on, and waits: one that finds its
    /// clock moved and its Redis silent for minutes has more to do than one that waited.
    pub(crate) fn freeze(&self) {
        if let Some(group) = self.group.as_ref().filter(|_| !self.name.is_ours()) {
            group.freeze();
        }
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        if let Some(group) = &self.group {
            group.thaw();
        }
    }

    /// Processor time used so far, in nanoseconds; 0 of the mock itself.
    pub(crate) fn processor_time(&self) -> anyhow::Result<u64> {
        self.group.as_ref().map_or(Ok(0), Group::processor_time)
    }

    /// Resident memory in KiB; 0 of the mock itself.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        self.group.as_ref().map_or(Ok(0), Group::resident)
    }
}
