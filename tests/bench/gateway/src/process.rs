//! Processes under test: each with those that it starts in a group of its own, which can be stopped,
//! let go on, asked for its processor time, and ended as one.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, ensure};

/// A command for `program` that stays on one processor, where one is named.
pub(crate) fn on(processor: Option<usize>, program: &Path) -> Command {
    let Some(processor) = processor else { return Command::new(program) };
    let mut command = Command::new("taskset");
    command.args(["-c", &processor.to_string()]).arg(program);
    command
}

/// What a short-lived program says, without the last line break.
pub(crate) fn said(program: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output()?;
    ensure!(output.status.success(), "{} fails", program.display());
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// A running group; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Group {
    leader: Child,
}

impl Group {
    /// Starts `command`. What it says goes to `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let output = File::create(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0);
        let leader = command.spawn().with_context(|| format!("starting {command:?}"))?;
        Ok(Self { leader })
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.leader.try_wait(), Ok(None))
    }

    /// Stops all of it: it keeps everything and does nothing.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let group = format!("-{}", self.leader.id());
        // A group that has ended by itself is found out by asking it for something.
        let _ =
            Command::new("kill").args(["-s", name, "--", &group]).stderr(Stdio::null()).status();
    }

    /// Processor time that the living threads of the group have used, in nanoseconds, where the
    /// clock ticks of `/proc/PID/stat` are ten milliseconds long.
    pub(crate) fn processor_time(&self) -> anyhow::Result<u64> {
        let mut total = 0;
        for process in members(self.leader.id())? {
            // A process or thread may end while we look.
            let Ok(threads) = fs::read_dir(process.join("task")) else { continue };
            for thread in threads.flatten() {
                let Ok(line) = fs::read_to_string(thread.path().join("schedstat")) else {
                    continue;
                };
                let used = line.split(' ').next().unwrap_or_default();
                total += used.parse::<u64>().context("reading schedstat")?;
            }
        }
        Ok(total)
    }

    /// Resident memory of the group in KiB.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        let mut total = 0;
        for process in members(self.leader.id())? {
            let Ok(status) = fs::read_to_string(process.join("status")) else { continue };
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let figure = line.and_then(|line| line.split_whitespace().next()).unwrap_or("0");
            total += figure.parse::<u64>().context("reading VmRSS")?;
        }
        Ok(total)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal("KILL");
        let _ = self.leader.wait();
    }
}

/// The folders in `/proc` of a group's processes.
fn members(group: u32) -> anyhow::Result<Vec<PathBuf>> {
    let group = group.to_string();
    let mut members = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // A program's name stands in brackets and may hold anything.
        let Some((_, fields)) = stat.rsplit_once(") ") else { continue };
        if fields.split(' ').nth(2) == Some(&group) {
            members.push(entry.path());
        }
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_asked_for_its_time_with_all_that_it_started_and_ends_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sh -c 'while :; do :; done' & wait"]);
        let mut group = Group::start(&mut command, &folder.path().join("log")).unwrap();
        let leader = group.leader.id();
        while group.processor_time().unwrap() < 20_000_000 {
            assert!(group.is_alive());
            std::thread::park_timeout(std::time::Duration::from_millis(5));
        }
        assert_eq!(members(leader).unwrap().len(), 2);
        assert!(group.resident().unwrap() > 0);
        drop(group);
        // The child that is no longer anybody's is cleared away by the system, a moment later.
        let gone = || {
            members(leader).unwrap().iter().all(|process| {
                let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
                stat.is_empty() || stat.contains(") Z ") || stat.contains(") X ")
            })
        };
        while !gone() {
            std::thread::park_timeout(std::time::Duration::from_millis(5));
        }
    }
}
