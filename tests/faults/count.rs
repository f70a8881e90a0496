//! What was counted, and what must be 0, as a table.

use std::{
    fmt::{Display, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use crate::size::Size;

/// Most characters that are told of a case.
const LONGEST_CASE: usize = 500;

/// A number that many tasks count up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn add(&self, number: usize) {
        self.0.fetch_add(number, Ordering::SeqCst);
    }

    pub(crate) fn take(&self, number: usize) {
        self.0.fetch_sub(number, Ordering::SeqCst);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// The counts of one test.
pub(crate) struct Table {
    text: String,
    begun: Instant,
    broken: Vec<String>,
}

impl Table {
    pub(crate) fn new(title: &str, size: Size) -> Self {
        let text = format!("\n{title} (seed {})\n", size.seed);
        Self { text, begun: Instant::now(), broken: Vec::new() }
    }

    /// Something that was counted.
    pub(crate) fn counted(&mut self, what: &str, count: impl Display) {
        writeln!(self.text, "  {count:>8}  {what}").unwrap();
    }

    /// Something that must have come to this number.
    pub(crate) fn must_be(&mut self, expected: usize, what: &str, count: usize) {
        if count == expected {
            self.counted(what, count);
        } else {
            writeln!(self.text, "  {count:>8}  {what}  — must be {expected}").unwrap();
            self.broken.push(format!("{what}: {count} instead of {expected}"));
        }
    }

    /// Something that must not have happened; each case is told.
    pub(crate) fn never(&mut self, what: &str, cases: &[String]) {
        self.must_be(0, what, cases.len());
        for case in cases.iter().take(10) {
            let case: String = case.chars().take(LONGEST_CASE).collect();
            writeln!(self.text, "            {case}").unwrap();
        }
    }

    /// Whether everything was as it must be so far.
    pub(crate) fn holds(&self) -> bool {
        self.broken.is_empty()
    }

    /// Prints the table; what is not as it must be fails the test.
    pub(crate) fn end(mut self) {
        let seconds = format!("{:.1}", self.begun.elapsed().as_secs_f64());
        self.counted("seconds", seconds);
        // Captured by the test's harness unless it is told not to.
        eprint!("{}", self.text);
        assert!(self.broken.is_empty(), "{}\n{}", self.broken.join("\n"), self.text);
    }
}
