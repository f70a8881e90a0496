//! How sentences leave: in their order, each with its caption and its verdict.

use std::time::Instant;

use super::{
    super::{
        CheckAction, Emotion, Sentence, TurnEvent, Verdict, VerdictStatus,
        sentence::{Draft, is_ended},
        speech::speech,
    },
    Check,
    finding::masked,
    item::Row,
    wording::correction_after,
};

impl Check {
    /// Says everything that is free to go, in order.
    pub(super) fn advance(&mut self, now: Instant) -> Vec<TurnEvent> {
        let mut events = Vec::new();
        while self.items.get(self.said).is_some_and(|item| item.is_free(now)) {
            self.say_next(now, &mut events);
        }
        self.correct(&mut events);
        events
    }

    fn say_next(&mut self, now: Instant, events: &mut Vec<TurnEvent>) {
        let Some(rule) = self.grounds.as_ref().map(|grounds| grounds.rule) else { return };
        if self.is_at_an_end() {
            self.correct(events);
        }
        let index = self.next_index();
        let Some(item) = self.items.get_mut(self.said) else { return };
        self.said += 1;
        let text = item.say(index, rule, &mut self.row);
        let supported = item.found.status == VerdictStatus::Supported;
        let replaced = item.action() == CheckAction::Replace;
        let sources = if replaced {
            item.found.of_correction().sources
        } else if supported {
            item.found.sources.clone()
        } else {
            Vec::new()
        };
        let verdict = item.verdict(rule, false, now);
        let verdict = verdict.map(|(verdict, _)| masked(verdict, self.words.as_ref()));
        if !text.is_empty() {
            self.last.clone_from(&text);
        }
        events.extend(told(index, text, &item.draft, sources, verdict));
    }

    /// Tells the verdict on a sentence that was said before it came.
    pub(super) fn conclude(&mut self, sentence: usize, now: Instant, events: &mut Vec<TurnEvent>) {
        let Some(rule) = self.grounds.as_ref().map(|grounds| grounds.rule) else { return };
        let Some(item) = self.items.get(sentence) else { return };
        let Some((verdict, correct)) = item.verdict(rule, true, now) else { return };
        if let Some(correction) = item.found.proved().filter(|_| correct) {
            self.corrections.push_back((correction.text.clone(), item.found.of_correction()));
        }
        events.push(TurnEvent::Verdict(masked(verdict, self.words.as_ref())));
    }

    /// Says corrections, once what was said is at the end of a sentence.
    fn correct(&mut self, events: &mut Vec<TurnEvent>) {
        if !self.is_at_an_end() {
            return;
        }
        while let Some((correction, found)) = self.corrections.pop_front() {
            let more = !self.ended || self.said < self.items.len() || !self.corrections.is_empty();
            let text = correction_after(&self.last, &correction, more);
            let index = self.next_index();
            let verdict = found.verdict(index, &correction, None, CheckAction::None);
            let verdict = masked(verdict, self.words.as_ref());
            self.last.clone_from(&text);
            self.row = Row::default();
            let draft = Draft { emotion: Emotion::Sorry, ..Draft::default() };
            events.extend(told(index, text, &draft, found.sources.clone(), Some(verdict)));
        }
    }

    fn is_at_an_end(&self) -> bool {
        is_ended(&self.last) || (self.ended && self.said == self.items.len())
    }
}

/// A sentence as it leaves: its caption, itself, and its verdict where there is one.
pub(super) fn told(
    index: u32,
    text: String,
    draft: &Draft,
    sources: Vec<String>,
    verdict: Option<Verdict>,
) -> Vec<TurnEvent> {
    let mut events = Vec::with_capacity(3);
    if !text.is_empty() {
        events.push(TurnEvent::Delta(text.clone()));
    }
    events.push(TurnEvent::Sentence(Sentence {
        index,
        speech: speech(&text),
        text,
        emotion: draft.emotion,
        actions: draft.actions.clone(),
        sources,
    }));
    events.extend(verdict.map(TurnEvent::Verdict));
    events
}
