//! A row of the table that `make test-faults` prints at its end. Every test that measures a promise
//! writes its own, whatever it came to; `tests/verdict/table.sh` puts them together.

use std::{env, fmt::Display, fs::OpenOptions, io::Write};

/// Whether everything is done, as `make test-faults` wants it, or a little, as every `cargo test` does.
pub(crate) fn is_full() -> bool {
    env::var_os("ANIMA_FAULTS").is_some_and(|size| size == "full")
}

/// What is said of a fault under one promise. A row that is dropped before it was told, since its test
/// broke off, says that it is broken.
pub(crate) struct Row {
    promise: u8,
    fault: String,
    turns: usize,
    open: usize,
    told: bool,
}

impl Row {
    /// A row of this promise (the numbers are those of `docs/reliability.md`).
    pub(crate) fn of(promise: u8, fault: impl Into<String>) -> Self {
        Self { promise, fault: fault.into(), turns: 0, open: 0, told: false }
    }

    /// So many turns were accepted, and so many of them never ended.
    pub(crate) fn turns(mut self, accepted: usize, open: usize) -> Self {
        (self.turns, self.open) = (accepted, open);
        self
    }

    /// What was counted, what it came to, and whether the promise holds.
    pub(crate) fn tell(mut self, counted: impl Display, result: impl Display, holds: bool) {
        let (counted, result) = (counted.to_string(), result.to_string());
        self.told = true;
        self.write(&counted, &result, if holds { "holds" } else { "BROKEN" });
    }

    fn write(&self, counted: &str, result: &str, verdict: &str) {
        let Some(path) = env::var_os("ANIMA_FAULTS_TABLE") else { return };
        let Self { promise, fault, turns, open, .. } = self;
        let line = format!("{promise}|{fault}|{counted}|{result}|{verdict}|{turns}|{open}\n");
        // One write: tests of one process may tell theirs at the same time.
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the table is written");
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        if !self.told {
            self.write("", "the test broke off", "BROKEN");
        }
    }
}
