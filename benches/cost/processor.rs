//! What the kernel says of time, memory and the machine.

use std::{fs, num::NonZero, thread, time::Duration};

use anyhow::{Context, anyhow};

/// Processor time that the living threads of this process have used.
///
/// In nanoseconds, where the clock ticks of `/proc/self/stat` are ten milliseconds long.
pub(crate) fn used() -> anyhow::Result<Duration> {
    // The kernel adds up what a thread has used when it stops running.
    thread::park_timeout(Duration::from_micros(100));
    charged("/proc/self/task")
}

/// Processor time that the living threads of another process have used.
pub(crate) fn used_by(process: u32) -> anyhow::Result<Duration> {
    charged(&format!("/proc/{process}/task"))
}

fn charged(threads: &str) -> anyhow::Result<Duration> {
    let mut total = 0;
    for thread in fs::read_dir(threads)? {
        // A thread may end while we look.
        let Ok(line) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        total += line.split(' ').next().unwrap_or_default().parse::<u64>().context("schedstat")?;
    }
    Ok(Duration::from_nanos(total))
}

/// Resident memory of a process in KiB.
pub(crate) fn resident(process: u32) -> anyhow::Result<f64> {
    status(process, "VmRSS:")
}

/// The most that this was since [`forget_most_resident`], in KiB.
pub(crate) fn most_resident(process: u32) -> anyhow::Result<f64> {
    status(process, "VmHWM:")
}

/// Lets [`most_resident`] count from now on.
pub(crate) fn forget_most_resident(process: u32) -> anyhow::Result<()> {
    Ok(fs::write(format!("/proc/{process}/clear_refs"), "5")?)
}

fn status(process: u32, field: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let figure = line.and_then(|line| line.split_whitespace().next());
    Ok(figure.ok_or_else(|| anyhow!("no {field} of process {process}"))?.parse()?)
}

/// How many files this process, and those that it starts, may have open.
pub(crate) fn open_files() -> anyhow::Result<usize> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    Ok(soft.ok_or_else(|| anyhow!("no limit of open files"))?.parse().unwrap_or(usize::MAX))
}

/// The machine and how busy it is, in one line.
pub(crate) fn describe() -> String {
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = information
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("an unknown processor", |(_, name)| name.trim());
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!("{cores} cores of {model}; load at the end {load}")
}
