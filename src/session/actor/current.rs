//! The newest turn of a session: its events as they come, and what they add up to.

use std::time::Instant;

use tracing::info;

use super::super::{Playback, heard::Ledger};
use crate::{
    history::{Answer, Fence, Settlement},
    turn::{EndReason, Outcome, Timing, TurnError, TurnEvent, TurnId, pipeline::TurnStream},
};

/// The newest turn of a session.
pub(super) struct Current {
    pub(super) turn: TurnId,
    pub(super) fence: Fence,
    /// What was heard of it.
    pub(super) ledger: Ledger,
    /// What was answered so far.
    pub(super) answer: Answer,
    /// Where its `accepted` is in the log.
    pub(super) accepted: u64,
    /// Its events; gone when it has ended. Dropping them stops the generation.
    stream: Option<TurnStream>,
    began: Instant,
    first_sentence_ms: Option<u64>,
}

impl Current {
    pub(super) fn new(
        turn: TurnId,
        fence: Fence,
        playback: Playback,
        stream: TurnStream,
        accepted: u64,
    ) -> Self {
        Self {
            turn,
            fence,
            ledger: Ledger::new(playback),
            answer: Answer::default(),
            accepted,
            stream: Some(stream),
            began: Instant::now(),
            first_sentence_ms: None,
        }
    }

    /// Stops it, and waits until its provider has let go of it.
    pub(super) async fn stop(self) {
        if let Some(stream) = self.stream {
            stream.stop().await;
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.stream.is_some()
    }

    /// Whether it was answered, as opposed to running or failed.
    pub(super) fn is_finished(&self) -> bool {
        self.answer.outcome.is_some()
    }

    pub(super) async fn next(&mut self) -> Option<Vec<TurnEvent>> {
        self.stream.as_mut()?.next().await
    }

    /// Events that have come already.
    pub(super) fn try_next(&mut self) -> Option<Vec<TurnEvent>> {
        self.stream.as_mut()?.try_next()
    }

    /// Takes note of an event that is not the end.
    pub(super) fn observe(&mut self, event: &TurnEvent) {
        match event {
            TurnEvent::Started { provider, model } => {
                self.answer.provider.clone_from(provider);
                self.answer.model.clone_from(model);
            }
            TurnEvent::Sentence(sentence) => {
                self.first_sentence_ms.get_or_insert(self.elapsed_ms());
                self.ledger.release(&sentence.text);
                self.answer.sentences.push(sentence.clone());
            }
            TurnEvent::Verdict(verdict) => self.answer.verdicts.push(verdict.clone()),
            _ => {}
        }
    }

    /// The turn was answered.
    pub(super) fn finish(&mut self, outcome: Outcome) -> TurnEvent {
        self.stream = None;
        let outcome = Outcome { heard: self.ledger.heard(), ..outcome };
        self.answer.outcome = Some(outcome.clone());
        TurnEvent::Finished(outcome)
    }

    /// The turn failed; what was said stays as an incomplete answer.
    pub(super) fn fail(&mut self, error: TurnError) -> TurnEvent {
        self.stream = None;
        self.answer.error = Some(error.clone());
        TurnEvent::Failed(error)
    }

    /// The person cut in.
    pub(super) fn interrupt(&mut self) -> TurnEvent {
        self.stream = None;
        note_interruption(&self.turn);
        let outcome = self.interrupted(&self.ledger);
        self.answer.outcome = Some(outcome.clone());
        TurnEvent::Finished(outcome)
    }

    /// How this turn stands when the next one begins. `heard` is what the client says of it.
    pub(super) fn settlement(&self, heard: Option<&str>) -> Settlement {
        let mut ledger = self.ledger.clone();
        if let Some(heard) = heard {
            ledger.tell(heard);
        }
        let running = self.is_running().then(|| {
            let outcome = Some(self.interrupted(&ledger));
            Answer { outcome, ..self.answer.clone() }
        });
        let fence = Some(self.fence.number);
        Settlement { turn: self.turn.clone(), heard: ledger.heard(), running, fence }
    }

    fn interrupted(&self, ledger: &Ledger) -> Outcome {
        let timing = Timing {
            first_sentence_ms: self.first_sentence_ms,
            total_ms: self.elapsed_ms(),
            ..Timing::default()
        };
        Outcome {
            reason: EndReason::Interrupted,
            text: ledger.released(),
            heard: Some(ledger.heard_text()),
            usage: None,
            timing,
        }
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Counts and logs the end of a turn that the pipeline cannot see.
pub(super) fn note_interruption(turn: &TurnId) {
    metrics::counter!("anima_turns_total", "outcome" => "interrupted").increment(1);
    info!(turn.id = %turn, "Turn {turn} was interrupted");
}
