//! The machine: who runs where, how busy it is, and how much of it was taken away.

use std::{
    fs,
    process::{self, Command, Stdio},
};

use serde_json::{Value, json};

use crate::statistics::number;

/// Which processor runs what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pinning {
    /// The arm under test on the one, everything else on the other.
    Apart { arm: usize, rig: usize },
    /// Everything anywhere: there is one processor, or no `taskset`.
    Together,
}

impl Pinning {
    /// Takes a processor for this process and all that it starts, and leaves another to the arms.
    pub(crate) fn take() -> Self {
        let [arm, rig, ..] = processors()[..] else { return Self::Together };
        let pinned = Command::new("taskset")
            .args(["-a", "-c", "-p", &rig.to_string(), &process::id().to_string()])
            .stdout(Stdio::null())
            .status();
        match pinned {
            Ok(status) if status.success() => Self::Apart { arm, rig },
            _ => Self::Together,
        }
    }

    /// The processor of the arm under test.
    pub(crate) fn arm(self) -> Option<usize> {
        match self {
            Self::Apart { arm, .. } => Some(arm),
            Self::Together => None,
        }
    }

    pub(crate) fn describe(self) -> String {
        match self {
            Self::Apart { arm, rig } => format!(
                "the arm under test on processor {arm}; mock, clients and Redis on processor {rig}"
            ),
            Self::Together => {
                "NOT PINNED, for want of a second processor or of taskset: arms and rig take time \
                 from each other, and no figure is to be compared"
                    .to_owned()
            }
        }
    }
}

/// The processors that this process may run on.
fn processors() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    expand(list.unwrap_or_default())
}

/// The numbers of a list such as `0-2,5`.
fn expand(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(from.trim().parse().ok()?..=to.trim().parse().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

/// What a processor did in a while.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Use {
    /// The share of the time in which it did something, in percent.
    pub(crate) busy: f64,
    /// The share that other machines took, in percent.
    pub(crate) stolen: f64,
}

/// Clock ticks of a processor since the machine started.
#[derive(Debug, Clone, Copy)]
struct Ticks {
    all: u64,
    idle: u64,
    stolen: u64,
}

/// Watches both processors from its making on.
#[derive(Debug)]
pub(crate) struct Meter {
    pinning: Pinning,
    arm: Ticks,
    rig: Ticks,
}

impl Meter {
    pub(crate) fn start(pinning: Pinning) -> Self {
        let (arm, rig) = Self::read(pinning);
        Self { pinning, arm, rig }
    }

    /// What the arm's and the rig's processor did since then.
    pub(crate) fn read_off(&self) -> (Use, Use) {
        let (arm, rig) = Self::read(self.pinning);
        (arm.since(self.arm), rig.since(self.rig))
    }

    fn read(pinning: Pinning) -> (Ticks, Ticks) {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        match pinning {
            Pinning::Apart { arm, rig } => {
                (Ticks::of(&stat, &format!("cpu{arm} ")), Ticks::of(&stat, &format!("cpu{rig} ")))
            }
            Pinning::Together => (Ticks::of(&stat, "cpu "), Ticks::of(&stat, "cpu ")),
        }
    }
}

impl Ticks {
    /// What `/proc/stat` says in the line of this name.
    fn of(stat: &str, name: &str) -> Self {
        let line = stat.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        // user nice system idle iowait irq softirq steal
        let fields: Vec<u64> =
            line.split_whitespace().take(8).filter_map(|field| field.parse().ok()).collect();
        let field = |index: usize| fields.get(index).copied().unwrap_or(0);
        Self { all: fields.iter().sum(), idle: field(3) + field(4), stolen: field(7) }
    }

    fn since(self, earlier: Self) -> Use {
        let share = |now: u64, then: u64| {
            let all = self.all.saturating_sub(earlier.all).max(1);
            let part = now.saturating_sub(then);
            100.0 * number(usize::try_from(part).unwrap_or(usize::MAX))
                / number(usize::try_from(all).unwrap_or(usize::MAX))
        };
        let stolen = share(self.stolen, earlier.stolen);
        Use { busy: (100.0 - share(self.idle, earlier.idle) - stolen).max(0.0), stolen }
    }
}

/// The machine and its load at present.
pub(crate) fn describe() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let information = read("/proc/cpuinfo");
    let model = information
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("an unknown processor", |(_, name)| name.trim());
    let count = information.lines().filter(|line| line.starts_with("processor")).count();
    let load = read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned();
    let kernel = read("/proc/sys/kernel/osrelease").trim().to_owned();
    json!({ "processor": model, "processors": count, "kernel": kernel, "load": load })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors_are_expanded() {
        assert_eq!(expand("\t0-2,5"), [0, 1, 2, 5]);
        assert_eq!(expand("1"), [1]);
        assert!(expand("").is_empty());
    }

    #[test]
    fn idle_and_stolen_time_is_not_busy_time() {
        let of = |line: &str| Ticks::of(&format!("cpu 9 9\n{line}\n"), "cpu1 ");
        let earlier = of("cpu1 100 0 100 700 100 0 0 0 0 0");
        let later = of("cpu1 140 0 110 730 110 0 0 10 0 0");
        let Use { busy, stolen } = later.since(earlier);
        assert!((busy - 50.0).abs() < 1e-9, "{busy}");
        assert!((stolen - 10.0).abs() < 1e-9, "{stolen}");
    }
}
