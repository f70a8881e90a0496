//! The newest turn of a session: its events as they come, and what they add up to.

use std::time::Instant;

use tracing::{Span, info};

use super::super::{Playback, heard::Ledger};
use crate::{
    history::{Answer, Exchange, Fence, Settlement},
    turn::{EndReason, Outcome, Task, Timing, TurnError, TurnEvent, TurnId, pipeline::TurnStream},
};

/// The newest turn of a session.
pub(super) struct Current {
    pub(super) turn: TurnId,
    /// What it is to do.
    pub(super) task: Task,
    /// What else was asked.
    pub(super) options: String,
    /// What the store wants to be shown; none when it does not keep the turn, or it is not ours any
    /// more.
    pub(super) fence: Option<Fence>,
    /// When the store was last told that it is being answered.
    pub(super) renewed: tokio::time::Instant,
    /// What was heard of it.
    pub(super) ledger: Ledger,
    /// What was answered so far.
    pub(super) answer: Answer,
    /// Where its `accepted` is in the log.
    pub(super) accepted: u64,
    /// Its events; gone when it has ended. Dropping them stops the generation.
    stream: Option<TurnStream>,
    /// What is done for it, until it has ended.
    pub(super) span: Span,
    durable: bool,
    /// It has ended, and the store could not be told: to the store it is running.
    unkept: bool,
    began: Instant,
    first_sentence_ms: Option<u64>,
}

/// How a turn begins.
pub(super) struct Beginning {
    pub(super) task: Task,
    pub(super) options: String,
    pub(super) fence: Option<Fence>,
    pub(super) playback: Playback,
    pub(super) accepted: u64,
}

impl Current {
    pub(super) fn new(turn: TurnId, stream: TurnStream, beginning: Beginning, span: Span) -> Self {
        let Beginning { task, options, fence, playback, accepted } = beginning;
        Self {
            turn,
            task,
            options,
            durable: fence.is_some(),
            fence,
            renewed: tokio::time::Instant::now(),
            ledger: Ledger::new(playback),
            answer: Answer::default(),
            accepted,
            stream: Some(stream),
            span,
            unkept: false,
            began: Instant::now(),
            first_sentence_ms: None,
        }
    }

    /// A turn that ended when another actor had the session.
    pub(super) fn restore(exchange: Exchange, fence: Fence, accepted: u64) -> Self {
        let sentences = exchange.answer.sentences.iter().map(|sentence| sentence.text.clone());
        Self {
            turn: exchange.turn,
            task: exchange.task,
            options: exchange.options,
            fence: Some(fence),
            renewed: tokio::time::Instant::now(),
            ledger: Ledger::restore(sentences.collect(), exchange.heard),
            answer: exchange.answer,
            accepted,
            stream: None,
            span: Span::none(),
            durable: true,
            unkept: false,
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

    /// Whether the store was told of it when it began.
    pub(super) fn is_durable(&self) -> bool {
        self.durable
    }

    /// Whether nothing of it is left to be kept, as far as the store takes it.
    pub(super) fn is_kept(&self) -> bool {
        self.durable && !self.unkept
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

    /// Its end could not be kept, and goes along with the beginning of the next turn.
    pub(super) fn keep_later(&mut self) {
        self.unkept = true;
    }

    /// How this turn stands for the store when the next one begins, where that keeps it. `heard` is
    /// what the client says of it.
    pub(super) fn settlement(&self, heard: Option<&str>) -> Option<Settlement> {
        let fence = Some(self.fence.as_ref()?.number);
        let ledger = self.heard_by_now(heard);
        let running = if self.is_running() {
            let outcome = Some(self.interrupted(&ledger));
            Some(Answer { outcome, ..self.answer.clone() })
        } else {
            self.unkept.then(|| self.answer.clone())
        };
        Some(Settlement { turn: self.turn.clone(), heard: ledger.heard(), running, fence })
    }

    /// How it ends when the next turn begins, if it is still running.
    pub(super) fn end_before_next(&self, heard: Option<&str>) -> Option<Outcome> {
        self.is_running().then(|| self.interrupted(&self.heard_by_now(heard)))
    }

    /// What was heard, with what the client says of it now.
    pub(super) fn heard_by_now(&self, heard: Option<&str>) -> Ledger {
        let mut ledger = self.ledger.clone();
        if let Some(heard) = heard {
            ledger.tell(heard);
        }
        ledger
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
