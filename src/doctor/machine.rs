//! The machine: processor, memory, GPU, and how many files may be open.

use std::{fs, process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

use super::Finding;
use crate::settings::ServerSettings;

/// How long `nvidia-smi` may take.
const SMI_DEADLINE: Duration = Duration::from_secs(5);

/// Files that a service has open beside its connections: the store, models, logs.
const OTHER_FILES: usize = 256;

pub(super) async fn look() -> Vec<Finding> {
    let mut findings = vec![processor()];
    findings.extend(memory());
    findings.push(gpu().await);
    findings
}

/// Whether the processor has what a local model needs to be quick.
fn processor() -> Finding {
    let name = "processor";
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let (has, lacks) = features();
    if lacks.is_empty() {
        return Finding::ok(name, format!("{cores} cores, {}", has.join(" ")));
    }
    Finding::warning(
        name,
        format!("{cores} cores, without {}", lacks.join(" ")),
        "local models are slow here; let a server answer, or build with RUSTFLAGS=\"-C target-cpu=native\"",
    )
}

/// What of the features that matter the processor has, and what it lacks.
fn features() -> (Vec<&'static str>, Vec<&'static str>) {
    #[cfg(target_arch = "x86_64")]
    let known = [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("f16c", std::arch::is_x86_feature_detected!("f16c")),
    ];
    #[cfg(target_arch = "aarch64")]
    let known = [("neon", std::arch::is_aarch64_feature_detected!("neon"))];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let known: [(&str, bool); 0] = [];
    let part = |wanted: bool| {
        known.iter().filter(|(_, has)| *has == wanted).map(|(name, _)| *name).collect()
    };
    (part(true), part(false))
}

fn memory() -> Option<Finding> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kibibytes = |key: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    let (total, free) = (kibibytes("MemTotal:")?, kibibytes("MemAvailable:")?);
    let message = format!("{} of {} free", size(free * 1024), size(total * 1024));
    // The bundled model and the service take about 300 MB.
    Some(if free < 512 * 1024 {
        Finding::warning("memory", message, "end something, or expect the system to end Anima")
    } else {
        Finding::ok("memory", message)
    })
}

/// A GPU, and whether this build uses it.
async fn gpu() -> Finding {
    let name = "gpu";
    let mut command = Command::new("nvidia-smi");
    command.args(["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]);
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let told = match timeout(SMI_DEADLINE, command.output()).await {
        Ok(Ok(output)) if output.status.success() => String::from_utf8(output.stdout).ok(),
        _ => None,
    };
    let gpus: Vec<_> = told.iter().flat_map(|text| text.lines()).map(str::trim).collect();
    match (gpus.first(), cfg!(feature = "cuda")) {
        (None, false) => Finding::ok(name, "none, and this build needs none"),
        (None, true) => Finding::warning(
            name,
            "this build uses CUDA and nvidia-smi finds no GPU",
            "install the driver (in a container: --gpus all), or set device = \"cpu\"",
        ),
        (Some(gpu), true) => Finding::ok(name, format!("{gpu}; {} in all", gpus.len())),
        (Some(gpu), false) => Finding::warning(
            name,
            format!("{gpu}, which this build does not use"),
            "build with --features cuda (docs/gpu.md), or let a server such as vLLM use it",
        ),
    }
}

/// Whether so many connections may be open as the settings allow.
pub(super) fn files(server: &ServerSettings) -> Option<Finding> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let allowed = line.split_whitespace().next()?;
    let needed = 2 * (server.max_connections + server.max_http_connections) + OTHER_FILES;
    let enough = allowed.parse::<usize>().is_ok_and(|allowed| allowed >= needed);
    Some(if enough || allowed == "unlimited" {
        Finding::ok("open files", format!("{allowed} allowed, {needed} needed at most"))
    } else {
        Finding::warning(
            "open files",
            format!("{allowed} allowed; with all connections taken {needed} are needed"),
            format!(
                "`ulimit -n {needed}` before it starts, or LimitNOFILE={needed} in its systemd unit"
            ),
        )
    })
}

/// Bytes for people.
#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
pub(super) fn size(bytes: u64) -> String {
    let gibibytes = bytes as f64 / f64::from(1 << 30);
    if gibibytes < 0.1 {
        format!("{:.1} MiB", gibibytes * 1024.0)
    } else {
        format!("{gibibytes:.1} GiB")
    }
}
