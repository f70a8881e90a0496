//! How a provider is doing: what became of the attempts at it, how long they took, and whether it is
//! left alone at present.
//!
//! Whoever wants to ask a provider enters by [`Health::enter`] and tells its [`Pass`] what happens.
//! A pass that is dropped tells that the attempt was given up.

mod breaker;
mod ending;
mod latency;
mod pass;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::settings::BreakerSettings;
use breaker::{Breaker, Stands};
use latency::Latency;

pub use breaker::Resting;
pub use ending::Ending;
pub use latency::Percentiles;
pub use pass::Pass;

/// The kind of those that run on this machine, whose turns have its processors to themselves.
const LOCAL: &str = "local";

/// How one provider is doing.
#[derive(Debug)]
pub struct Health {
    name: String,
    kind: String,
    model: Mutex<Option<String>>,
    breaker: Mutex<Breaker>,
    endings: [AtomicU64; Ending::ALL.len()],
    /// Attempts that the provider works on.
    in_flight: AtomicUsize,
    /// Attempts that wait for the provider.
    queued: AtomicUsize,
    first_token: Latency,
    first_sentence: Latency,
    last_error: Mutex<Option<LastError>>,
}

/// The last failure of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastError {
    /// What kind of failure it was.
    pub kind: Ending,
    /// What happened, in words without a secret and without anybody's words.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

/// How a provider is doing, to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthReport {
    /// The kind of provider.
    pub kind: String,
    /// The model, as the provider called it last, or else as the configuration names it.
    pub model: Option<String>,
    /// Whether turns may ask it.
    pub breaker: BreakerReport,
    /// Attempts that it works on.
    pub in_flight: usize,
    /// Attempts that wait for it.
    pub queued: usize,
    /// Attempts that have ended.
    pub attempts: u64,
    /// Those of them that ended in each way, but for ways that never came.
    pub endings: BTreeMap<&'static str, u64>,
    /// Those of them that count as failures.
    pub failures: u64,
    /// From admission to the first piece of text, lately.
    pub first_token: Option<Percentiles>,
    /// From admission to the first sentence, lately.
    pub first_sentence: Option<Percentiles>,
    /// The last failure.
    pub last_error: Option<LastError>,
}

/// Whether turns may ask a provider, to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum BreakerReport {
    /// Every turn may.
    Closed,
    /// None may for a while.
    Open {
        /// How long, in milliseconds; with 0 the next turn tries it.
        remaining_ms: u64,
        /// What it failed with.
        cause: Ending,
    },
    /// One turn is trying it.
    HalfOpen,
}

impl Health {
    /// The health of a provider that nobody has asked yet.
    pub fn new(name: &str, kind: &str, model: Option<String>) -> Self {
        let now = Instant::now();
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            model: Mutex::new(model),
            breaker: Mutex::new(Breaker::new()),
            endings: Default::default(),
            in_flight: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
            first_token: Latency::new(now),
            first_sentence: Latency::new(now),
            last_error: Mutex::new(None),
        }
    }

    /// Lets a turn ask the provider, unless it is left alone.
    ///
    /// # Errors
    /// How long it is left alone, and why.
    pub fn enter(self: &Arc<Self>, settings: BreakerSettings) -> Result<Pass, Resting> {
        let (tries, changed) = {
            let mut breaker = lock(&self.breaker);
            let before = breaker.stands();
            let tries = breaker.enter(Instant::now())?;
            (tries, breaker.stands() != before)
        };
        if changed {
            self.show_breaker();
        }
        Ok(Pass::new(Arc::clone(self), settings, tries))
    }

    /// Whether it is left alone at `moment`, as far as can be said now.
    pub fn is_resting(&self, moment: Instant) -> bool {
        lock(&self.breaker).resting(moment).is_some()
    }

    /// Whether its model runs in this process.
    pub fn is_local(&self) -> bool {
        self.kind == LOCAL
    }

    /// Whether a turn may ask it beside another provider: nothing is wrong with it, and it takes
    /// nothing from turns on this machine.
    pub fn is_free(&self) -> bool {
        let busy = self.in_flight.load(Ordering::Relaxed) + self.queued.load(Ordering::Relaxed) > 0;
        let closed = lock(&self.breaker).stands() == Stands::Closed;
        closed && !(busy && self.is_local())
    }

    /// How it is doing.
    pub fn report(&self) -> HealthReport {
        let now = Instant::now();
        let counted = Ending::ALL.into_iter().zip(&self.endings);
        let counted = counted.map(|(ending, count)| (ending, count.load(Ordering::Relaxed)));
        let counted: Vec<_> = counted.filter(|(_, count)| *count > 0).collect();
        let failures = counted.iter().filter(|(ending, _)| ending.is_failure());
        HealthReport {
            kind: self.kind.clone(),
            model: lock(&self.model).clone(),
            breaker: self.breaker_report(now),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            queued: self.queued.load(Ordering::Relaxed),
            attempts: counted.iter().map(|(_, count)| count).sum(),
            failures: failures.map(|(_, count)| count).sum(),
            endings: counted.iter().map(|(ending, count)| (ending.name(), *count)).collect(),
            first_token: self.first_token.percentiles(now),
            first_sentence: self.first_sentence.percentiles(now),
            last_error: lock(&self.last_error).clone(),
        }
    }

    fn breaker_report(&self, now: Instant) -> BreakerReport {
        let breaker = lock(&self.breaker);
        match breaker.stands() {
            Stands::Closed => BreakerReport::Closed,
            Stands::Trying => BreakerReport::HalfOpen,
            Stands::Open(until) if until <= now && !breaker.has_to_be_tried() => {
                BreakerReport::Closed
            }
            Stands::Open(until) => BreakerReport::Open {
                remaining_ms: milliseconds(until.saturating_duration_since(now)),
                cause: breaker.cause(),
            },
        }
    }

    /// Counts an attempt that has ended.
    fn count(&self, ending: Ending) {
        self.endings[ending as usize].fetch_add(1, Ordering::Relaxed);
        metrics::counter!("anima_provider_attempts_total",
            "provider" => self.name.clone(), "outcome" => ending.name())
        .increment(1);
    }

    /// Says in the log, and in the metrics, that it is left alone from now on.
    fn rests(&self, rest: Option<Duration>, cause: Ending) {
        self.show_breaker();
        if let Some(rest) = rest {
            let (name, rest_ms) = (&self.name, milliseconds(rest));
            warn!(
                provider.name = name,
                rest_ms,
                cause = cause.name(),
                "{name} is left alone for {rest_ms} ms: {}",
                cause.words()
            );
        }
    }

    /// Says that everybody may ask it again.
    fn recovers(&self) {
        self.show_breaker();
        info!(provider.name = self.name, "{} answers again", self.name);
    }

    fn show_breaker(&self) {
        let state = match lock(&self.breaker).stands() {
            Stands::Closed => 0,
            Stands::Trying => 1,
            Stands::Open(_) => 2,
        };
        metrics::gauge!("anima_provider_breaker_state", "provider" => self.name.clone())
            .set(f64::from(state));
    }

    /// Changes a number that is shown as a gauge.
    fn change(&self, number: &AtomicUsize, gauge: &'static str, more: bool) {
        let handle = metrics::gauge!(gauge, "provider" => self.name.clone());
        if more {
            number.fetch_add(1, Ordering::Relaxed);
            handle.increment(1);
        } else {
            number.fetch_sub(1, Ordering::Relaxed);
            handle.decrement(1);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
