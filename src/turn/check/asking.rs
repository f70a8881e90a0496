//! Whom the check asks about what, and what it makes of their answers.

use std::time::Instant;

use anima_check::{Claim, Judged, judge_prompt, read_judgement, read_repair};

use super::{
    super::TurnEvent,
    Check, Effect, Failure, Grounds, JUDGE_CALLS,
    asked::Call,
    grounds::with_lexical,
    item::Awaits,
    samples::{CONSISTENT, Samples, agreement},
};

impl Check {
    /// Asks the judge about all that wait for it: at once the first time; the second time at the end,
    /// or when something is held and the first call is over.
    pub(super) fn ask_judge(&mut self, grounds: &Grounds) -> Option<Effect> {
        let waiting = self.waiting(Awaits::Judge { asked: false });
        let is_open = self.calls.iter().any(|call| call.open);
        let is_due = self.calls.is_empty() || self.ended || (grounds.rule.holds() && !is_open);
        if waiting.is_empty() || !is_due || self.calls.len() >= JUDGE_CALLS {
            return None;
        }
        let mut claims = Vec::new();
        for sentence in waiting {
            let item = self.items.get_mut(sentence)?;
            item.pending = Some(Awaits::Judge { asked: true });
            let id = u32::try_from(sentence).unwrap_or(u32::MAX);
            claims.push(Claim { id, text: item.draft.text.trim().to_owned() });
        }
        let prompt = judge_prompt(&grounds.question, grounds.shown(), &claims);
        let (call, count) = (self.calls.len(), claims.len());
        self.calls.push(Call { claims, open: true });
        Some(Effect::Judge { call, prompt, claims: count })
    }

    pub(super) fn judged(
        &mut self,
        grounds: &Grounds,
        call: usize,
        answer: Result<String, Failure>,
        now: Instant,
        events: &mut Vec<TurnEvent>,
    ) {
        let Some(asked) = self.calls.get_mut(call).filter(|call| call.open) else { return };
        asked.open = false;
        let claims = std::mem::take(&mut asked.claims);
        let judged = answer.and_then(|answer| {
            read_judgement(&answer, &claims, grounds.shown()).map_err(|_| Failure::Malformed)
        });
        for claim in claims {
            let sentence = usize::try_from(claim.id).unwrap_or(usize::MAX);
            let verdict = match &judged {
                Ok(judged) => judged
                    .iter()
                    .find(|verdict| verdict.id == claim.id)
                    .cloned()
                    .ok_or(Failure::Silent),
                Err(failure) => Err(*failure),
            };
            let (question, evidence) = (&grounds.question, &grounds.evidence);
            let held = verdict.and_then(|verdict| {
                let held = with_lexical(|lexical| {
                    verdict.held_to_its_quote(lexical, &claim.text, question, evidence)
                });
                held.ok_or(Failure::Unavailable)
            });
            let held = held.map(|verdict| {
                let correction = verdict.correction.filter(|text| self.may_say(text));
                Judged { correction, ..verdict }
            });
            self.settle(sentence, |found| match held {
                Ok(verdict) => found.judged(verdict),
                Err(failure) => found.without("judge", failure),
            });
            self.conclude(sentence, now, events);
        }
        if self.calls.len() >= JUDGE_CALLS {
            // Nobody asks about those any more that came while the last call was made.
            for sentence in self.waiting(Awaits::Judge { asked: false }) {
                self.settle(sentence, |found| found.noting("judge_calls_used"));
                self.conclude(sentence, now, events);
            }
        }
    }

    pub(super) fn repaired(
        &mut self,
        grounds: &Grounds,
        sentence: usize,
        answer: Result<String, Failure>,
    ) {
        let repaired = answer.and_then(|answer| {
            read_repair(&answer, grounds.shown()).map_err(|_| Failure::Malformed)
        });
        let (question, evidence) = (&grounds.question, &grounds.evidence);
        let proved = repaired.as_ref().is_ok_and(|repaired| {
            repaired.as_ref().is_some_and(|repaired| {
                let (text, quote) = (&repaired.text, &repaired.quote);
                with_lexical(|lexical| lexical.proves(text, question, quote, evidence))
                    == Some(true)
                    && self.may_say(text)
            })
        });
        let Some(item) = self.items.get_mut(sentence) else { return };
        let found = std::mem::take(&mut item.found);
        item.pending = None;
        item.found = match repaired {
            Ok(Some(repaired)) if proved => found.repaired(repaired),
            Ok(Some(_)) => found.noting("repair_unproved"),
            Ok(None) => found.noting("repair_silent"),
            Err(failure) => found.noting(&format!("repair_{}", failure.name())),
        };
    }

    /// Compares a sentence that nothing is known of with further answers.
    pub(super) fn compare(&mut self, grounds: &Grounds, sentence: usize) {
        let Some(item) = self.items.get_mut(sentence) else { return };
        let found = std::mem::take(&mut item.found);
        item.pending = None;
        item.found = match &self.samples {
            Samples::Here(samples) => {
                match agreement(&item.draft.text, &grounds.question, samples) {
                    Some(share) => found.compared(share, share >= CONSISTENT),
                    None => found,
                }
            }
            Samples::Failed(failure) => found.without("samples", *failure),
            Samples::None | Samples::Asked => found,
        };
    }

    fn may_say(&self, text: &str) -> bool {
        self.words.as_ref().is_none_or(|words| !words.are_in(text))
    }
}
