//! How much is measured, and the rules by which a round does not count.

use std::time::Duration;

use crate::script::Pace;

/// Tokens of a sentence.
pub(crate) const SENTENCE: usize = 8;

/// A round does not count when the direct way took so many percent more or less than in its median.
pub(crate) const DRIFT: f64 = 10.0;
/// A round does not count when other machines took more than so many percent of either processor.
pub(crate) const STOLEN: f64 = 2.0;
/// A figure is the rig's limit and not the arm's when the rig's processor was busier, in percent.
pub(crate) const RIG: f64 = 85.0;
/// A stream is good when its first token came at most so many microseconds late …
pub(crate) const LATE: f64 = 10_000.0;
/// … and no token came more than so many times the pace after the one before.
pub(crate) const GAP: f64 = 3.0;
/// The share of good streams that counts as keeping up, in percent.
pub(crate) const GOODPUT: f64 = 99.0;

/// The rules in words, as they are printed with every run.
pub(crate) const RULES: &[&str] = &[
    "a latency round is void when the direct way's p50 is more than 10 % off its median over all \
     rounds, or other machines took more than 2 % of either processor in it; figures are of the \
     rounds that stand, or of all when none stands, which is then said",
    "\"rig-limited\" means that the rig's own processor was over 85 % busy: the figure is a floor of \
     what the arm can do, not its limit",
    "a stream is good when its first token is added at most 10 ms, no gap between tokens exceeds 3 \
     times the pace, and the text is exact; a sentence of a turn may come 2 paces late, and is paired \
     with the token that releases it, which for Anima is the first of the next sentence",
    "a text that is not exact, or a stream of Anima's that fails, fails the whole run",
];

/// How much is measured.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) latency: LatencyPlan,
    pub(crate) paced: Vec<LoadPlan>,
    pub(crate) goodput: LoadPlan,
    /// Streams at a time that other arms are tried with, as long as they keep up.
    pub(crate) ladder: Vec<usize>,
    pub(crate) cancels: usize,
}

/// The lane of latencies: one stream at a time, all arms in turn.
#[derive(Debug)]
pub(crate) struct LatencyPlan {
    pub(crate) rounds: usize,
    pub(crate) turns: usize,
    pub(crate) warm_up: usize,
    pub(crate) tokens: usize,
    /// An arm's part of a round ends after this, however many turns there were.
    pub(crate) longest: Duration,
}

/// Streams in parallel, one after the other in each place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoadPlan {
    pub(crate) streams: usize,
    pub(crate) tokens: usize,
    pub(crate) pace: Pace,
    /// Before anything is counted.
    pub(crate) settle: Duration,
    pub(crate) window: Duration,
}

impl Plan {
    /// What the figures are made with.
    pub(crate) fn whole() -> Self {
        let paced = |streams| LoadPlan {
            streams,
            tokens: 100,
            pace: Pace { first: Duration::from_millis(300), every: Duration::from_millis(20) },
            settle: Duration::from_secs(3),
            window: Duration::from_secs(6),
        };
        Self {
            latency: LatencyPlan {
                rounds: 10,
                turns: 300,
                warm_up: 30,
                tokens: 20,
                longest: Duration::from_secs(3),
            },
            paced: [8, 32, 128].map(paced).to_vec(),
            goodput: LoadPlan {
                streams: 1000,
                tokens: 100,
                pace: Pace { first: Duration::from_millis(20), every: Duration::from_millis(20) },
                settle: Duration::from_secs(4),
                window: Duration::from_secs(12),
            },
            ladder: vec![16, 32, 64, 128, 256, 512, 1000],
            cancels: 200,
        }
    }

    /// The lane of goodput with so many streams, and shorter.
    pub(crate) fn rung(&self, streams: usize) -> LoadPlan {
        let window = self.goodput.window / 2;
        LoadPlan { streams, window, ..self.goodput }
    }

    /// Little of everything, to see whether it runs.
    pub(crate) fn smoke() -> Self {
        let whole = Self::whole();
        let short = |plan: LoadPlan, streams| LoadPlan {
            streams,
            tokens: 20,
            pace: Pace { first: Duration::from_millis(20), ..plan.pace },
            settle: Duration::from_millis(300),
            window: Duration::from_millis(700),
        };
        Self {
            latency: LatencyPlan {
                rounds: 2,
                turns: 20,
                warm_up: 3,
                longest: Duration::from_secs(1),
                ..whole.latency
            },
            paced: vec![short(whole.paced[0], 4)],
            goodput: short(whole.goodput, 50),
            ladder: Vec::new(),
            cancels: 5,
        }
    }
}
