//! One sentence of an answer on its way through the check.

use std::time::{Duration, Instant};

use anima_check::{Action, Policy, Situation, decide};

use super::{
    super::{CheckAction, Verdict, VerdictStatus, sentence::Draft},
    Rule,
    finding::Found,
    wording::{hedged, offset, replaced, stand_in},
};

/// A sentence as the model gave it, and what is known of it.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) draft: Draft,
    pub(super) found: Found,
    /// Who is still to look at it; nobody means that `found` is the last word.
    pub(super) pending: Option<Awaits>,
    /// Until then it is not said, unless what is pending has come.
    pub(super) hold_until: Option<Instant>,
    /// When it was whole.
    pub(super) ready: Instant,
    /// What its comparison with the evidence took.
    pub(super) took: Duration,
    pub(super) said: Option<Said>,
}

/// Who is still to look at a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaits {
    Judge { asked: bool },
    Repair { asked: bool },
    Samples,
}

/// What was done with the sentences before, as long as it is the same.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Row {
    action: CheckAction,
    /// The caution was one for what the evidence speaks against.
    contradicted: bool,
}

/// How a sentence was said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said {
    pub(super) index: u32,
    action: CheckAction,
    /// Where the model's own words begin in it, in characters; `None` when they are not in it.
    offset: Option<usize>,
}

impl Item {
    /// Whether it can be said now.
    pub(super) fn is_free(&self, now: Instant) -> bool {
        self.held_until().is_none_or(|until| until <= now)
    }

    /// Until when it is held. Further answers change nothing of what is said, so nobody waits for them.
    pub(super) fn held_until(&self) -> Option<Instant> {
        match self.pending {
            None | Some(Awaits::Samples) => None,
            Some(Awaits::Judge { .. } | Awaits::Repair { .. }) => self.hold_until,
        }
    }

    /// Notes that it is said as `index`, and gives its words. `row` is what it is said in: a caution
    /// holds for the next ones, too.
    pub(super) fn say(&mut self, index: u32, rule: Rule, row: &mut Row) -> String {
        let action = self.before_it_is_said(rule);
        let contradicted = self.found.status == VerdictStatus::Contradicted;
        let same = row.action == action;
        let covered = same && (row.contradicted || !contradicted);
        *row = Row { action, contradicted: contradicted || same && row.contradicted };
        let text = &self.draft.text;
        let (said, offset) = match action {
            CheckAction::Hedge if !covered => {
                let (cautioned, offset) = hedged(text, contradicted);
                (cautioned, Some(offset))
            }
            CheckAction::Withhold if same => (String::new(), None),
            CheckAction::Withhold => (stand_in(text), None),
            CheckAction::Replace => match self.found.proved() {
                Some(correction) => (replaced(text, &correction.text), None),
                None => (text.clone(), Some(offset(text))),
            },
            _ => (text.clone(), Some(offset(text))),
        };
        self.said = Some(Said { index, action, offset });
        said
    }

    /// What was done with it when it was said.
    pub(super) fn action(&self) -> CheckAction {
        self.said.map_or(CheckAction::None, |said| said.action)
    }

    /// Its verdict, once it was said and nobody is to look any more; and whether a correction is to
    /// be said after it. `late` means that it was said before.
    pub(super) fn verdict(&self, rule: Rule, late: bool, now: Instant) -> Option<(Verdict, bool)> {
        let said = self.said.filter(|_| self.pending.is_none())?;
        let correct = late && self.decide(rule, true) == Action::CorrectAfter;
        let action = if correct { CheckAction::CorrectAfter } else { said.action };
        let mut verdict = self.found.verdict(said.index, &self.draft.text, said.offset, action);
        let latency = now.saturating_duration_since(self.ready).max(self.took);
        verdict.latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        Some((verdict, correct))
    }

    /// Whether a model that repairs could change what becomes of it.
    pub(super) fn wants_repair(&self, rule: Rule) -> bool {
        let policy = rule.policy(self.found.for_policy());
        self.found.is_against()
            && self.found.proved().is_none()
            && matches!(policy, Policy::Rewrite | Policy::Correct)
    }

    fn before_it_is_said(&self, rule: Rule) -> CheckAction {
        if matches!(self.pending, Some(Awaits::Samples)) || self.pending.is_some() && !rule.holds()
        {
            // It goes as it is, and is corrected afterwards.
            return CheckAction::None;
        }
        match self.decide(rule, false) {
            Action::Pass | Action::Annotate | Action::CorrectAfter => CheckAction::None,
            Action::Hedge => CheckAction::Hedge,
            Action::Replace => CheckAction::Replace,
            Action::Withhold => CheckAction::Withhold,
        }
    }

    fn decide(&self, rule: Rule, released: bool) -> Action {
        let status = self.found.for_policy();
        let corrected = self.found.proved().is_some();
        decide(status, rule.policy(status), Situation { released, corrected })
    }
}
