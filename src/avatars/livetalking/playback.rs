//! What an avatar has to say, what it was told to say, and what of that it has said.

use std::collections::VecDeque;

use super::wire::{Played, Status};
use crate::turn::{Emotion, Sentence, TurnId};

/// A sentence that an avatar says.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Its number in the session's log, by which its playback is told, too.
    pub(super) number: u64,
    /// What to say.
    pub(super) text: String,
    /// How to say it.
    pub(super) emotion: Emotion,
    /// Nothing of its turn was said before.
    pub(super) opens: bool,
    turn: TurnId,
    /// The last sentence that has been heard when this was: those that cannot be spoken count as heard
    /// with the one before them.
    last: u32,
    begun: bool,
}

/// Sentences of a turn up to this one were heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) turn: TurnId,
    pub(super) sentence: u32,
}

/// What an avatar has to say: nothing but the sentences of the newest turn, so that it is as long as an
/// answer at most.
#[derive(Debug, Default)]
pub(super) struct Playback {
    waiting: VecDeque<Line>,
    /// What it was told to say and is not known to have said.
    told: VecDeque<Line>,
    /// The last line that it was told to say and of which nobody heard the end.
    assumed: Option<u64>,
    /// The turn that was last spoken of.
    turn: Option<TurnId>,
}

impl Playback {
    /// Takes a sentence that is to be said. One without anything to say counts as heard at once where
    /// nothing comes before it.
    pub(super) fn add(&mut self, number: u64, turn: &TurnId, sentence: &Sentence) -> Option<Heard> {
        let text = sentence.speech.trim();
        if text.is_empty() {
            let before = self.waiting.back_mut().or(self.told.back_mut());
            let Some(line) = before.filter(|line| line.turn == *turn) else {
                return Some(Heard { turn: turn.clone(), sentence: sentence.index });
            };
            line.last = sentence.index;
            return None;
        }
        let opens = self.turn.as_ref() != Some(turn);
        self.turn = Some(turn.clone());
        self.waiting.push_back(Line {
            number,
            text: text.to_owned(),
            emotion: sentence.emotion,
            opens,
            turn: turn.clone(),
            last: sentence.index,
            begun: false,
        });
        None
    }

    /// What is to be said next.
    pub(super) fn next(&self) -> Option<&Line> {
        self.waiting.front()
    }

    /// The avatar was told to say what was next.
    pub(super) fn was_told(&mut self) {
        self.told.extend(self.waiting.pop_front());
    }

    /// What was told to it counts as heard, since nobody listens to it.
    pub(super) fn assume(&mut self) -> Option<Heard> {
        let last = self.told.drain(..).next_back()?;
        self.assumed = Some(last.number);
        Some(last.heard())
    }

    /// What is left to say will not be said, and counts as heard: whoever reads has it.
    pub(super) fn skip(&mut self) -> Option<Heard> {
        let last = self.waiting.drain(..).next_back()?;
        if let Some(told) = self.told.drain(..).next_back() {
            self.assumed = Some(told.number);
        }
        Some(last.heard())
    }

    /// Forgets what has a lower number than `before`, and tells whether the avatar may be saying any of it.
    pub(super) fn cut(&mut self, before: u64) -> bool {
        self.waiting.retain(|line| line.number >= before);
        let told = self.told.len();
        self.told.retain(|line| line.number >= before);
        self.told.len() < told || self.assumed.take_if(|number| *number < before).is_some()
    }

    /// Whether the avatar may be saying something.
    pub(super) fn is_open(&self) -> bool {
        !self.told.is_empty() || self.assumed.is_some()
    }

    /// Takes note of what the avatar does. Not every way of making speech tells each beginning and each
    /// end: who begins with a line has left those before it, and who ends one has said them.
    pub(super) fn played(&mut self, played: &Played) -> Option<Heard> {
        let place = self.place(played)?;
        match played.status {
            Status::Start => {
                self.told[place].begun = true;
                let before = self.told.iter().take(place).rposition(|line| line.begun)?;
                self.heard_up_to(before)
            }
            Status::End => self.heard_up_to(place),
            Status::Other => None,
        }
    }

    /// The line that is played: by its number, or by its text where a server keeps no numbers.
    fn place(&self, played: &Played) -> Option<usize> {
        match (played.number(), &played.text) {
            (Some(number), _) => self.told.iter().position(|line| line.number == number),
            (None, Some(text)) => self.told.iter().position(|line| line.text == text.trim()),
            (None, None) => None,
        }
    }

    fn heard_up_to(&mut self, place: usize) -> Option<Heard> {
        self.told.drain(..=place).next_back().map(|line| line.heard())
    }
}

impl Line {
    fn heard(&self) -> Heard {
        Heard { turn: self.turn.clone(), sentence: self.last }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn sentence(index: u32, speech: &str) -> Sentence {
        Sentence {
            index,
            text: speech.to_owned(),
            speech: speech.to_owned(),
            emotion: Emotion::Neutral,
            actions: Vec::new(),
            sources: Vec::new(),
        }
    }

    /// A playback that was told to say all of these, numbered from 100.
    fn told(turn: &TurnId, texts: &[&str]) -> Playback {
        let mut playback = Playback::default();
        for (number, (index, text)) in (100..).zip((0..).zip(texts)) {
            assert_eq!(playback.add(number, turn, &sentence(index, text)), None);
        }
        while playback.next().is_some() {
            playback.was_told();
        }
        playback
    }

    fn event(value: Value) -> Played {
        serde_json::from_value(value).unwrap()
    }

    fn numbered(status: &str, number: u64) -> Played {
        event(json!({ "status": status, "text": "?", "tts": { "anima": number } }))
    }

    #[test]
    fn what_has_ended_was_heard_with_what_came_before_it_and_what_has_no_sound_after_it() {
        let turn = TurnId::generate();
        let mut playback = told(&turn, &["好的。", "好的。", "再见。", ""]);
        let heard = |sentence| Some(Heard { turn: turn.clone(), sentence });
        assert_eq!(playback.played(&numbered("start", 100)), None);
        assert_eq!(playback.played(&numbered("end", 100)), heard(0));
        assert_eq!(playback.played(&numbered("end", 100)), None);
        assert_eq!(playback.played(&numbered("start", 101)), None);
        assert_eq!(playback.played(&numbered("start", 102)), heard(1), "its end was not told");
        let nested = json!({ "status": "end", "msgevent": { "tts": { "anima": 102 } } });
        assert_eq!(playback.played(&event(nested)), heard(3));
        assert!(!playback.is_open());
    }

    #[test]
    fn what_never_began_is_not_heard_when_the_next_begins() {
        let turn = TurnId::generate();
        let mut playback = told(&turn, &["一。", "二。", "三。"]);
        playback.played(&numbered("start", 100));
        let heard = |sentence| Some(Heard { turn: turn.clone(), sentence });
        assert_eq!(playback.played(&numbered("start", 102)), heard(0));
        assert_eq!(playback.played(&numbered("end", 102)), heard(2));
    }

    #[test]
    fn without_numbers_texts_tell_what_is_played() {
        let turn = TurnId::generate();
        let mut playback = told(&turn, &["好的。", "再见。"]);
        for other in [
            json!({ "status": "end" }),
            json!({ "status": "end", "text": "别的" }),
            json!({ "status": "pause", "text": "好的。" }),
            json!({ "status": "end", "text": "好的。", "tts": { "anima": 7 } }),
        ] {
            assert_eq!(playback.played(&event(other.clone())), None, "{other}");
        }
        let end = event(json!({ "status": "end", "text": "好的。 ", "tts": {} }));
        assert_eq!(playback.played(&end), Some(Heard { turn, sentence: 0 }));
    }

    #[test]
    fn a_cut_leaves_what_came_after_it() {
        let turn = TurnId::generate();
        let mut playback = told(&turn, &["一。", "二。"]);
        let next = TurnId::generate();
        playback.add(200, &next, &sentence(0, "三。"));
        assert!(playback.cut(150));
        assert_eq!(playback.played(&numbered("end", 101)), None);
        let line = playback.next().unwrap();
        assert!(line.number == 200 && line.opens);
        assert!(!playback.cut(150), "it is not saying anything that was cut");
        playback.was_told();
        assert_eq!(playback.assume(), Some(Heard { turn: next.clone(), sentence: 0 }));
        assert!(playback.is_open() && playback.cut(201) && !playback.cut(201));
        let silent = playback.add(300, &next, &sentence(1, " "));
        assert_eq!(silent, Some(Heard { turn: next, sentence: 1 }));
    }
}
