//! Whether there is memory for a model, before it is loaded: a machine that runs out of it in the
//! middle takes the whole service along.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::settings::ProviderSettings;

/// Endings of the files that hold weights; of a folder with several forms the first one is loaded.
const WEIGHTS: [&str; 4] = ["safetensors", "uqff", "gguf", "bin"];

/// A model that there is no memory for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TooLarge {
    model: PathBuf,
    /// What it takes, in bytes.
    needed: u64,
    /// What there is, in bytes.
    available: u64,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, needed, available } = self;
        write!(
            formatter,
            "{} takes about {} of memory and {} are free; end something, or choose a smaller model or quantization",
            model.display(),
            gibibytes(*needed),
            gibibytes(*available)
        )
    }
}

impl std::error::Error for TooLarge {}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

/// Looks whether the model of a local provider fits into what is free.
///
/// It is held to take what its files hold; twice that where 16-bit weights are widened, which the
/// engine does on a CPU; half of it where they are quantized while they load. A GPU has memory of its
/// own, which the engine looks after. Where the machine does not say what is free, all is.
///
/// # Errors
/// When it does not fit; the message has both figures.
pub(super) fn check(settings: &ProviderSettings, home: &Path) -> Result<(), TooLarge> {
    let written = |key: &str| settings.options.get(key).and_then(Value::as_str);
    let on_cpu = written("device").is_none_or(|device| device == "cpu");
    let Some(available) = available().filter(|_| on_cpu) else { return Ok(()) };
    let model = home.join(written("model").unwrap_or_default());
    let widens = written("dtype").is_none_or(|dtype| !dtype.ends_with("16"));
    compare(&model, needed(&model, written("isq").is_some(), widens), available)
}

fn compare(model: &Path, needed: u64, available: u64) -> Result<(), TooLarge> {
    if needed <= available {
        return Ok(());
    }
    Err(TooLarge { model: model.to_owned(), needed, available })
}

/// What a model takes once it is loaded, in bytes.
fn needed(model: &Path, quantizes: bool, widens: bool) -> u64 {
    let stored = stored(model);
    if quantizes {
        stored / 2
    } else if widens && is_narrow(model) {
        stored * 2
    } else {
        stored
    }
}

/// What a model's files of weights hold, in bytes.
pub(super) fn stored(model: &Path) -> u64 {
    let Ok(files) = fs::read_dir(model) else {
        return fs::metadata(model).map_or(0, |file| file.len());
    };
    let mut sums = [0; WEIGHTS.len()];
    for path in files.flatten().map(|file| file.path()) {
        let ending = path.extension().and_then(|ending| ending.to_str());
        if let Some(form) = WEIGHTS.iter().position(|form| ending == Some(form)) {
            sums[form] += fs::metadata(&path).map_or(0, |file| file.len());
        }
    }
    sums.into_iter().find(|sum| *sum > 0).unwrap_or(0)
}

/// Whether the weights are 16 bits wide on disk and are no quantized ones.
fn is_narrow(folder: &Path) -> bool {
    let config = fs::read(folder.join("config.json")).unwrap_or_default();
    let config: Value = serde_json::from_slice(&config).unwrap_or_default();
    let written = config.get("torch_dtype").or_else(|| config.get("dtype"));
    config.get("quantization_config").is_none()
        && written.and_then(Value::as_str).is_some_and(|dtype| dtype.ends_with("16"))
}

/// What is free, in bytes: of the machine, or of the container's share of it.
fn available() -> Option<u64> {
    let machine = meminfo(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let read = |name: &str| fs::read_to_string(Path::new("/sys/fs/cgroup").join(name)).ok();
    let statistics = read("memory.stat").unwrap_or_default();
    let share = read("memory.max").zip(read("memory.current"));
    let share = share.and_then(|(most, used)| left(&most, &used, &statistics));
    Some(share.map_or(machine, |share| share.min(machine)))
}

/// `MemAvailable` of `/proc/meminfo`.
fn meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// What is left of a control group's share; `None` when it has no limit. Files that were read and may
/// be forgotten count as used there, and are free.
fn left(most: &str, used: &str, statistics: &str) -> Option<u64> {
    let (most, used): (u64, u64) = (most.trim().parse().ok()?, used.trim().parse().ok()?);
    let files = statistics.lines().find_map(|line| line.strip_prefix("inactive_file "));
    let files: u64 = files.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or(0);
    Some(most.saturating_sub(used.saturating_sub(files)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_is_read_as_the_kernel_writes_it() {
        let text = "MemTotal:  100 kB\nMemFree: 1 kB\nMemAvailable:    2048 kB\n";
        assert_eq!(meminfo(text), Some(2048 * 1024));
        assert_eq!(left("1000\n", "400\n", ""), Some(600));
        assert_eq!(left("1000\n", "900\n", "anon 7\ninactive_file 500\n"), Some(600));
        assert_eq!(left("max\n", "400\n", ""), None);
        assert_eq!(left("300", "400", ""), Some(0));
    }

    #[test]
    fn a_model_takes_what_its_weights_hold_and_how_they_are_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        write("a.safetensors", &[0; 600]);
        write("b.safetensors", &[0; 400]);
        write("tokenizer.json", &[0; 5000]);
        write("other.gguf", &[0; 700]);
        assert_eq!(needed(folder.path(), false, true), 1000);
        write("config.json", b"{\"torch_dtype\":\"bfloat16\"}");
        assert_eq!(needed(folder.path(), false, true), 2000);
        assert_eq!(needed(folder.path(), false, false), 1000);
        assert_eq!(needed(folder.path(), true, true), 500);
        write("config.json", b"{\"dtype\":\"float16\",\"quantization_config\":{}}");
        assert_eq!(needed(folder.path(), false, true), 1000);
        assert_eq!(needed(&folder.path().join("a.safetensors"), false, true), 600);
        assert_eq!(needed(&folder.path().join("none.gguf"), false, true), 0);
    }

    #[test]
    fn a_model_that_does_not_fit_is_refused_with_both_figures() {
        let error = compare(Path::new("m"), 3 << 30, 1 << 30).unwrap_err().to_string();
        assert!(error.contains("3.0 GiB") && error.contains("1.0 GiB"), "{error}");
        assert_eq!(compare(Path::new("m"), 1 << 30, 1 << 30), Ok(()));
    }
}
