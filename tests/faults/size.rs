//! How much is done: a little with every `cargo test`, all of it with `make test-faults`.

use std::{
    env,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{dice::Dice, row::is_full};

/// The size of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    full: bool,
    /// What every choice of the run follows from.
    pub(crate) seed: u64,
}

impl Size {
    /// As `ANIMA_FAULTS` and `ANIMA_FAULTS_SEED` say.
    pub(crate) fn read() -> Self {
        let full = is_full();
        let seed = env::var_os("ANIMA_FAULTS_SEED").map(|seed| {
            let seed = seed.to_str().and_then(|seed| seed.parse().ok());
            seed.expect("ANIMA_FAULTS_SEED is a whole number")
        });
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        Self { full, seed: seed.unwrap_or_else(|| if full { clock() } else { 1 }) }
    }

    /// One of two numbers.
    pub(crate) fn of(self, small: usize, full: usize) -> usize {
        if self.full { full } else { small }
    }

    pub(crate) fn dice(self) -> Dice {
        Dice::new(self.seed)
    }
}
