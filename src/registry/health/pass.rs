//! The permission to ask a provider once, and what is noted of what becomes of it.

use std::sync::Arc;

use anima_provider::ProviderError;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{Ending, Health, LastError, ending::asked_rest, lock};
use crate::settings::BreakerSettings;

/// Where an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nobody was asked yet.
    Unused,
    /// The provider was asked.
    Asked,
    /// It waits in a queue.
    Queued,
    /// The provider works on it since then.
    Admitted(Instant),
}

/// The permission to ask a provider once. Dropping it without a word on how it ended means that the
/// attempt was given up.
#[derive(Debug)]
pub struct Pass {
    health: Arc<Health>,
    settings: BreakerSettings,
    /// Whether this attempt decides about all others.
    tries: bool,
    stage: Stage,
    /// Whether its first sentence has come.
    spoke: bool,
    ended: bool,
}

impl Pass {
    pub(super) fn new(health: Arc<Health>, settings: BreakerSettings, tries: bool) -> Self {
        Self { health, settings, tries, stage: Stage::Unused, spoke: false, ended: false }
    }

    /// The provider is asked now; from here on the attempt is counted.
    pub fn asked(&mut self) {
        self.stage = Stage::Asked;
    }

    /// The attempt waits for the provider.
    pub fn queued(&mut self) {
        if self.stage == Stage::Asked {
            self.stage = Stage::Queued;
            self.health.change(&self.health.queued, "anima_provider_queue", true);
        }
    }

    /// The provider works on it.
    pub fn admitted(&mut self, model: &str) {
        self.leave();
        self.stage = Stage::Admitted(Instant::now());
        self.health.change(&self.health.in_flight, "anima_provider_in_flight", true);
        let mut known = lock(&self.health.model);
        if known.as_deref() != Some(model) {
            *known = Some(model.to_owned());
        }
    }

    /// The first piece of text has come.
    pub fn first_token(&self) {
        let Stage::Admitted(since) = self.stage else { return };
        let (now, took) = (Instant::now(), since.elapsed());
        self.health.first_token.note(took, now);
        metrics::histogram!("anima_provider_first_token_seconds",
            "provider" => self.health.name.clone())
        .record(took.as_secs_f64());
    }

    /// The first sentence has come.
    pub fn first_sentence(&mut self) {
        if self.spoke {
            return;
        }
        self.spoke = true;
        if let Stage::Admitted(since) = self.stage {
            self.health.first_sentence.note(since.elapsed(), Instant::now());
        }
        self.works();
    }

    /// Something has come, be it only a thought: others may ask again.
    pub fn works(&mut self) {
        if std::mem::take(&mut self.tries) {
            lock(&self.health.breaker).spoke();
            self.health.recovers();
        }
    }

    /// The answer has come to its end.
    pub fn answered(mut self) {
        self.first_sentence();
        self.end(Ending::Answered);
        lock(&self.health.breaker).answered(false);
    }

    /// The attempt has failed; `message` is what may be shown of it.
    pub fn failed(&mut self, error: &ProviderError, message: &str) {
        let admitted = matches!(self.stage, Stage::Admitted(_));
        let ending = Ending::of(error, admitted);
        self.end(ending);
        if ending.is_failure() {
            let last =
                LastError { kind: ending, message: message.to_owned(), at: Timestamp::now() };
            *lock(&self.health.last_error) = Some(last);
        }
        let tried = std::mem::take(&mut self.tries);
        if ending.is_failure() {
            let (asked, now) = (asked_rest(error), Instant::now());
            let rest = lock(&self.health.breaker).failed(tried, ending, asked, &self.settings, now);
            if tried || rest.is_some() {
                self.health.rests(rest, ending);
            }
        } else if ending.is_answer() {
            lock(&self.health.breaker).answered(tried);
            if tried {
                self.health.recovers();
            }
        } else if tried {
            self.give_up();
        }
    }

    /// Counts the end, once.
    fn end(&mut self, ending: Ending) {
        if !std::mem::replace(&mut self.ended, true) {
            self.leave();
            if self.stage != Stage::Unused {
                self.health.count(ending);
            }
            self.stage = Stage::Unused;
        }
    }

    /// Leaves the queue or the provider.
    fn leave(&mut self) {
        match self.stage {
            Stage::Queued => {
                self.health.change(&self.health.queued, "anima_provider_queue", false);
            }
            Stage::Admitted(_) => {
                self.health.change(&self.health.in_flight, "anima_provider_in_flight", false);
            }
            Stage::Unused | Stage::Asked => {}
        }
    }

    fn give_up(&self) {
        lock(&self.health.breaker).gave_up(Instant::now());
        self.health.show_breaker();
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.end(Ending::GivenUp);
        if self.spoke {
            // It spoke until somebody cut in, as well as it could.
            lock(&self.health.breaker).answered(false);
        } else if self.tries {
            self.give_up();
        }
    }
}
