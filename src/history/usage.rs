//! What was used of the service in a day, and what is added to it.

/// How many who add to a day are known apart under one name; of more, those whose numbers are the least
/// are forgotten, and could add something again.
pub const MOST_COUNTERS: usize = 64;

/// What was used of the service in a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Turns that were taken.
    pub turns: u64,
    /// Tokens that they cost.
    pub tokens: u64,
}

impl Used {
    /// Both together.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        Self {
            turns: self.turns.saturating_add(more.turns),
            tokens: self.tokens.saturating_add(more.tokens),
        }
    }
}

/// Something to add to a day. Whoever was not told that it was added adds the same again, with the same
/// number, and it counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addition {
    /// Who adds it; nobody else under the same name does so by this number.
    pub by: u64,
    /// Greater than the numbers of all that were added before by the same. Numbers are times in
    /// microseconds, so that of all who add those that did so longest ago have the least.
    pub number: u64,
    /// What is added. Nothing is only a question for the sums, and its number does not matter.
    pub used: Used,
}
