//! What is measured: latencies one stream at a time, many streams in their pace, and breaking off.

pub(crate) mod cancel;
pub(crate) mod latency;
pub(crate) mod load;

use crate::{arm::Name, client::Fault};

/// What went wrong in a lane.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Texts that were wrong, and failures of Anima's: any of it fails the run.
    pub(crate) grave: Vec<String>,
    /// How many streams of others failed.
    pub(crate) failed: usize,
    /// The first of these, as an example.
    pub(crate) example: Option<String>,
}

impl Faults {
    pub(crate) fn add(&mut self, name: Name, fault: &Fault) {
        match fault {
            Fault::Broken(what) if !name.is_ours() => {
                self.failed += 1;
                self.example.get_or_insert_with(|| what.clone());
            }
            grave => self.grave.push(format!("{name}: {grave}")),
        }
    }

    pub(crate) fn join(&mut self, others: Self) {
        self.grave.extend(others.grave);
        self.failed += others.failed;
        self.example = self.example.take().or(others.example);
    }
}
