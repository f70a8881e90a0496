//! What was heard of an answer.
//!
//! Text outruns speech: when a person cuts in, much of what was released has not been said yet.
//! The ledger knows what was, and only that is shown to the model in the next prompt.

use std::iter;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether a client tells what it has played.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Playback {
    /// It does not: what was sent counts as heard.
    #[default]
    None,
    /// It acknowledges each sentence when it has been heard to its end.
    Acknowledged,
}

/// What was released of an answer, and what was heard of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    playback: Playback,
    sentences: Vec<String>,
    acknowledged: usize,
    /// What the client itself said was heard; stronger than acknowledgements.
    told: Option<String>,
}

impl Ledger {
    pub(super) fn new(playback: Playback) -> Self {
        Self { playback, ..Self::default() }
    }

    /// The ledger of an answer that is in the store, of which `heard` was kept.
    ///
    /// What ends where a sentence does may have been acknowledged, and more may follow; anything else
    /// the client has told.
    pub(super) fn restore(sentences: Vec<String>, heard: Option<String>) -> Self {
        let mut ledger = Self { sentences, ..Self::default() };
        let Some(heard) = heard else { return ledger };
        let mut end = 0;
        let ends = iter::once(0).chain(ledger.sentences.iter().map(|sentence| {
            end += sentence.len();
            end
        }));
        match ends.into_iter().position(|end| end == heard.len()) {
            Some(acknowledged) => {
                ledger.playback = Playback::Acknowledged;
                ledger.acknowledged = acknowledged;
            }
            None => ledger.told = Some(heard),
        }
        ledger
    }

    /// A sentence was released.
    pub(super) fn release(&mut self, text: &str) {
        self.sentences.push(text.to_owned());
    }

    /// Sentences 0 to `sentence` were heard to their end; those never released do not count.
    pub(super) fn acknowledge(&mut self, sentence: u32) {
        let count = usize::try_from(sentence).unwrap_or(usize::MAX).saturating_add(1);
        self.playback = Playback::Acknowledged;
        self.acknowledged = self.acknowledged.max(count.min(self.sentences.len()));
    }

    /// The client says what was heard: as far as it agrees with what was released.
    pub(super) fn tell(&mut self, heard: &str) {
        let released = self.released();
        let common: usize = released
            .chars()
            .zip(heard.chars())
            .take_while(|(ours, theirs)| ours == theirs)
            .map(|(ours, _)| ours.len_utf8())
            .sum();
        self.told = Some(released[..common].to_owned());
    }

    /// Everything released.
    pub(super) fn released(&self) -> String {
        self.sentences.concat()
    }

    /// What was heard; `None` means everything that was released.
    pub(super) fn heard(&self) -> Option<String> {
        match (&self.told, self.playback) {
            (Some(told), _) => Some(told.clone()),
            (None, Playback::None) => None,
            (None, Playback::Acknowledged) => Some(self.sentences[..self.acknowledged].concat()),
        }
    }

    /// What was heard, as text.
    pub(super) fn heard_text(&self) -> String {
        self.heard().unwrap_or_else(|| self.released())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(playback: Playback) -> Ledger {
        let mut ledger = Ledger::new(playback);
        ledger.release("先深呼吸，");
        ledger.release("把大事拆小。");
        ledger
    }

    #[test]
    fn without_acknowledgements_what_was_sent_was_heard() {
        let ledger = ledger(Playback::None);
        assert_eq!(ledger.heard(), None);
        assert_eq!(ledger.heard_text(), "先深呼吸，把大事拆小。");
    }

    #[test]
    fn with_acknowledgements_only_they_count() {
        let mut ledger = ledger(Playback::Acknowledged);
        assert_eq!(ledger.heard_text(), "");
        ledger.acknowledge(0);
        assert_eq!(ledger.heard_text(), "先深呼吸，");
        ledger.acknowledge(7);
        assert_eq!(ledger.heard_text(), "先深呼吸，把大事拆小。");
    }

    #[test]
    fn what_was_kept_goes_on_where_it_stood() {
        let restored = |heard: Option<&str>| {
            let sentences = ledger(Playback::None).sentences;
            Ledger::restore(sentences, heard.map(str::to_owned))
        };
        assert_eq!(restored(None).heard(), None);
        for heard in ["", "先深", "先深呼吸，", "先深呼吸，把", "先深呼吸，把大事拆小。"]
        {
            assert_eq!(restored(Some(heard)).heard().as_deref(), Some(heard));
        }
        let mut acknowledged = restored(Some("先深呼吸，"));
        acknowledged.acknowledge(0);
        assert_eq!(acknowledged.heard_text(), "先深呼吸，");
        acknowledged.acknowledge(1);
        assert_eq!(acknowledged.heard_text(), "先深呼吸，把大事拆小。");
        let mut told = restored(Some("先深"));
        told.acknowledge(1);
        assert_eq!(told.heard_text(), "先深");
    }

    #[test]
    fn heard_text_counts_as_far_as_it_was_said() {
        let mut ledger = ledger(Playback::Acknowledged);
        ledger.tell("先深呼吸，把小事");
        assert_eq!(ledger.heard_text(), "先深呼吸，把");
        ledger.tell("别的");
        assert_eq!(ledger.heard_text(), "");
    }
}
