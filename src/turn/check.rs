//! The stage of the hallucination check.
//!
//! Each sentence is compared with the evidence at once. What that leaves open is asked of others: the
//! stage says what to ask ([`Check::effects`]) and takes what comes back ([`Check::reply`]); asking is
//! the pipeline's work. By the rule of its persona a sentence waits for that or goes at once.
//!
//! Sentences leave in their order, none is lost, and each has exactly one verdict. What leaves may be
//! other words than the model's, so captions leave with their sentence.

mod asked;
mod asking;
mod finding;
mod grounds;
mod item;
mod rule;
mod samples;
mod saying;
#[cfg(test)]
mod tests;
mod wording;

pub use asked::{Effect, Failure, Help, Reply};
pub use grounds::Grounds;
pub use rule::Rule;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use anima_check::repair_prompt;

use super::{TurnEvent, Verdict, VerdictStatus, filter::Words, sentence::Draft};
use asked::Call;
use finding::Found;
use item::{Awaits, Item, Row};
use samples::Samples;
use saying::told;

/// Most calls of the judge in one turn.
const JUDGE_CALLS: usize = 2;
/// Most sentences of one turn that are mended.
const REPAIRS: usize = 2;

/// How long sentences wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Patience {
    /// The first sentence of a turn.
    pub first: Duration,
    /// Every other one, and each call.
    pub deadline: Duration,
}

/// Gives a verdict on each sentence of one answer.
#[derive(Debug)]
pub struct Check {
    /// `None` where nothing is checked.
    grounds: Option<Arc<Grounds>>,
    /// Why nothing is.
    reason: &'static str,
    /// Words that no correction may bring in, and no verdict shows.
    words: Option<Words>,
    help: Help,
    patience: Patience,
    items: Vec<Item>,
    /// How many of them were said.
    said: usize,
    /// How many sentences have left, corrections included.
    sentences: u32,
    calls: Vec<Call>,
    repairs: usize,
    samples: Samples,
    /// Proved corrections that are to be said after what was said.
    corrections: VecDeque<(String, Found)>,
    /// What was said last, and in what row.
    last: String,
    row: Row,
    ended: bool,
}

impl Check {
    /// A check that looks at nothing, and says why.
    pub fn absent(reason: &'static str) -> Self {
        Self { reason, ..Self::new(None, Help::default(), Patience::default()) }
    }

    /// A check of one answer. Without grounds it is switched off.
    pub fn new(grounds: Option<Arc<Grounds>>, help: Help, patience: Patience) -> Self {
        Self {
            grounds: grounds.filter(|grounds| !grounds.rule.is_off()),
            reason: "off",
            words: None,
            help,
            patience,
            items: Vec::new(),
            said: 0,
            sentences: 0,
            calls: Vec::new(),
            repairs: 0,
            samples: Samples::None,
            corrections: VecDeque::new(),
            last: String::new(),
            row: Row::default(),
            ended: false,
        }
    }

    /// Lets no correction say one of these words.
    pub fn avoid(&mut self, words: Words) {
        self.words = Some(words);
    }

    /// Takes a sentence and gives what can be said now.
    pub fn push(&mut self, draft: Draft, now: Instant) -> Vec<TurnEvent> {
        let Some(grounds) = self.grounds.clone() else { return self.pass(&draft) };
        let looked = grounds.look(&draft.text);
        let took = looked.as_ref().map_or(Duration::ZERO, |verdict| verdict.latency);
        let escalate = looked.as_ref().is_some_and(|verdict| verdict.escalate);
        let failed = looked.is_none();
        let found = looked.map_or_else(
            || Found::unchecked("check_failed"),
            |verdict| Found::lexical(verdict, grounds.grounded),
        );
        let patience =
            if self.items.is_empty() { self.patience.first } else { self.patience.deadline };
        let hold_until = grounds.rule.holds().then(|| now + patience);
        let item = Item { draft, found, pending: None, hold_until, ready: now, took, said: None };
        self.items.push(item);
        if !failed {
            self.classify(self.items.len() - 1, escalate);
        }
        self.advance(now)
    }

    /// Takes the end of the answer.
    pub fn finish(&mut self, now: Instant) -> Vec<TurnEvent> {
        self.ended = true;
        self.advance(now)
    }

    /// What is to be asked now. Whoever has pushed, finished or replied asks for it.
    pub fn effects(&mut self) -> Vec<Effect> {
        let Some(grounds) = self.grounds.clone() else { return Vec::new() };
        let mut effects = Vec::new();
        effects.extend(self.ask_judge(&grounds));
        for sentence in self.waiting(Awaits::Repair { asked: false }) {
            let Some(item) = self.items.get_mut(sentence) else { continue };
            item.pending = Some(Awaits::Repair { asked: true });
            let (text, places) = (item.draft.text.trim(), &item.found.places);
            let prompt = repair_prompt(&grounds.question, grounds.shown(), text, places);
            effects.push(Effect::Repair { sentence, prompt });
        }
        let wanted = self.items.iter().any(|item| item.pending == Some(Awaits::Samples));
        if wanted && matches!(self.samples, Samples::None) {
            self.samples = Samples::Asked;
            effects.push(Effect::Sample);
        }
        effects
    }

    /// Takes what came of an effect and gives what can be said now.
    pub fn reply(&mut self, reply: Reply, now: Instant) -> Vec<TurnEvent> {
        let Some(grounds) = self.grounds.clone() else { return Vec::new() };
        let mut events = Vec::new();
        match reply {
            Reply::Judge { call, answer } => self.judged(&grounds, call, answer, now, &mut events),
            Reply::Repair { sentence, answer } => {
                self.repaired(&grounds, sentence, answer);
                self.conclude(sentence, now, &mut events);
            }
            Reply::Sample(answer) => {
                self.samples = Samples::of(answer);
                for sentence in self.waiting(Awaits::Samples) {
                    self.compare(&grounds, sentence);
                    self.conclude(sentence, now, &mut events);
                }
            }
        }
        events.extend(self.advance(now));
        events
    }

    /// Until when the next sentence is held at most, if one is.
    pub fn hold_until(&self) -> Option<Instant> {
        self.items.get(self.said).and_then(Item::held_until)
    }

    /// Gives what has waited long enough.
    pub fn expire(&mut self, now: Instant) -> Vec<TurnEvent> {
        self.advance(now)
    }

    /// Gives everything as it stands, because nobody is to be asked any more.
    pub fn give_up(&mut self, now: Instant) -> Vec<TurnEvent> {
        self.ended = true;
        let mut events = Vec::new();
        for sentence in 0..self.items.len() {
            let role = match self.items[sentence].pending {
                None => continue,
                Some(Awaits::Judge { .. }) => "judge",
                Some(Awaits::Repair { .. }) => "repair",
                Some(Awaits::Samples) => "samples",
            };
            self.settle(sentence, |found| found.without(role, Failure::GivenUp));
            self.items[sentence].pending = None;
            self.conclude(sentence, now, &mut events);
        }
        events.extend(self.advance(now));
        events
    }

    /// Whether everything was said and has its verdict.
    pub fn is_settled(&self) -> bool {
        self.said == self.items.len()
            && self.corrections.is_empty()
            && self.items.iter().all(|item| item.pending.is_none())
    }

    /// Whether the model gave a sentence.
    pub fn has_sentences(&self) -> bool {
        !self.items.is_empty() || self.sentences > 0
    }

    /// A sentence that nobody looks at.
    fn pass(&mut self, draft: &Draft) -> Vec<TurnEvent> {
        let index = self.next_index();
        let verdict = Verdict::unchecked(index, self.reason);
        let text = draft.text.clone();
        told(index, text, draft, Vec::new(), Some(verdict))
    }

    /// Finds out who else is to look at a sentence.
    fn classify(&mut self, sentence: usize, escalate: bool) {
        let Some(item) = self.items.get_mut(sentence) else { return };
        if item.found.layer.is_none() && item.found.status == VerdictStatus::Unchecked {
            self.classify_unknown(sentence);
        } else if escalate && self.help.judge {
            if self.calls.len() < JUDGE_CALLS {
                item.pending = Some(Awaits::Judge { asked: false });
            } else {
                self.settle(sentence, |found| found.noting("judge_calls_used"));
            }
        } else {
            self.settle(sentence, |found| found);
        }
    }

    /// There is no evidence: whether further answers can tell something.
    fn classify_unknown(&mut self, sentence: usize) {
        let Some(grounds) = self.grounds.clone().filter(|_| self.help.samples) else { return };
        self.items[sentence].pending = Some(Awaits::Samples);
        if matches!(self.samples, Samples::Here(_) | Samples::Failed(_)) {
            self.compare(&grounds, sentence);
        }
    }

    /// Changes what is known of a sentence. It is final then, unless it is to be mended.
    fn settle(&mut self, sentence: usize, change: impl FnOnce(Found) -> Found) {
        let Some(rule) = self.grounds.as_ref().map(|grounds| grounds.rule) else { return };
        let Some(item) = self.items.get_mut(sentence) else { return };
        item.found = change(std::mem::take(&mut item.found));
        item.pending = None;
        if self.help.repair && self.repairs < REPAIRS && item.wants_repair(rule) {
            self.repairs += 1;
            item.pending = Some(Awaits::Repair { asked: false });
        }
    }

    fn waiting(&self, wanted: Awaits) -> Vec<usize> {
        let waits = |(_, item): &(usize, &Item)| item.pending == Some(wanted);
        self.items.iter().enumerate().filter(waits).map(|(sentence, _)| sentence).collect()
    }

    fn next_index(&mut self) -> u32 {
        self.sentences += 1;
        self.sentences - 1
    }
}
