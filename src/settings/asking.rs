//! `[turn.retry]` and `[turn.breaker]`: how often a provider is asked, and when it is left alone.

use serde::{Deserialize, Serialize};

use super::TurnSettings;

/// What `[turn]` says of how providers are asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AskSettings {
    /// How long after its beginning a turn may still repeat an attempt, in milliseconds.
    pub first_sentence_ms: u64,
    /// How long a provider may say nothing before the next one is asked beside it, in milliseconds;
    /// 0 asks one at a time.
    pub hedge_ms: u64,
    /// How often attempts are repeated.
    pub retry: RetrySettings,
    /// When a provider is left alone.
    pub breaker: BreakerSettings,
}

impl Default for AskSettings {
    fn default() -> Self {
        let (retry, breaker) = (RetrySettings::default(), BreakerSettings::default());
        Self { first_sentence_ms: 10_000, hedge_ms: 0, retry, breaker }
    }
}

impl TurnSettings {
    /// How providers are asked.
    pub fn asking(&self) -> AskSettings {
        AskSettings {
            first_sentence_ms: self.first_sentence_ms,
            hedge_ms: self.hedge_ms,
            retry: self.retry,
            breaker: self.breaker,
        }
    }
}

/// `[turn.retry]`
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrySettings {
    /// Most attempts of one turn that are repeated; 0 repeats none.
    pub per_turn: u32,
    /// Most attempts that are repeated or made beside others, as a share of the turns of the last
    /// ten seconds.
    pub share: f64,
    /// So many are allowed in ten seconds in any case, or a quiet service could never repeat one.
    pub spare: u32,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self { per_turn: 2, share: 0.2, spare: 3 }
    }
}

/// `[turn.breaker]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerSettings {
    /// After so many failures in a row a provider is left alone; 0 never leaves it alone for them.
    pub failures: u32,
    /// How long, at first, in milliseconds; twice as long whenever the attempt after it fails.
    pub open_ms: u64,
    /// How long at most, in milliseconds.
    pub max_open_ms: u64,
    /// How long a provider is left alone that refused our key, in milliseconds; 0 counts that as
    /// any other failure.
    pub unauthorized_ms: u64,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, open_ms: 2_000, max_open_ms: 30_000, unauthorized_ms: 300_000 }
    }
}
