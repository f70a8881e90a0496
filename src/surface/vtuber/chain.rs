//! One turn as a client goes through it: sentences go out in their order, each with its sound, are
//! played, and the turn is over when the last one has been.

use std::{collections::VecDeque, future::pending, sync::Arc, time::Duration};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tracing::warn;

use crate::{
    avatars::{self, speech::SpeechServer, wave::Wave},
    turn::{Sentence, TurnId},
};

/// How much longer than its sounds last a client may take to play them.
const GRACE: Duration = Duration::from_secs(30);

/// A turn on its way to a client.
pub(super) struct Chain {
    pub(super) turn: TurnId,
    /// Sentences that wait for their sound, or for those before them.
    waiting: VecDeque<(Sentence, Sound)>,
    /// What was sent of it: the texts of sentences.
    sent: Vec<String>,
    /// How many of these the client has begun to play.
    begun: usize,
    /// When the client should have played everything that was sent.
    played_by: Instant,
    stage: Stage,
}

/// How far a chain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// More may come.
    Running,
    /// Nothing more comes.
    Ended,
    /// The client knows that, and plays what it has.
    Playing,
}

/// The sound of a sentence.
enum Sound {
    Ready(Wave),
    /// It is being made.
    Coming(Making),
}

/// A sound that is being made; dropping it gives it up.
struct Making(JoinHandle<Wave>);

impl Drop for Making {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What goes to the client next.
pub(super) enum Step {
    /// This sentence.
    Say(Sentence, Wave),
    /// It has everything, and tells when it has played it.
    Sent,
    /// The turn is over.
    Over,
}

impl Chain {
    pub(super) fn new(turn: TurnId) -> Self {
        Self {
            turn,
            waiting: VecDeque::new(),
            sent: Vec::new(),
            begun: 0,
            played_by: Instant::now(),
            stage: Stage::Running,
        }
    }

    /// Takes a sentence, which `speech` speaks where there is somebody.
    pub(super) fn add(&mut self, sentence: Sentence, speech: Option<&Arc<SpeechServer>>) {
        let sound = match speech.filter(|_| !sentence.speech.trim().is_empty()) {
            Some(speech) => Sound::Coming(Making(speak(Arc::clone(speech), &sentence))),
            None => Sound::Ready(avatars::silence(&sentence.speech)),
        };
        self.waiting.push_back((sentence, sound));
    }

    /// No more sentences come.
    pub(super) fn end(&mut self) {
        self.stage = Stage::Ended;
    }

    /// What goes to the client now, if anything does.
    pub(super) fn step(&mut self) -> Option<Step> {
        if let Some((sentence, sound)) = self.waiting.pop_front() {
            return match sound {
                Sound::Ready(wave) => {
                    self.played_by = self.played_by.max(Instant::now()) + wave.length;
                    self.sent.push(sentence.text.clone());
                    Some(Step::Say(sentence, wave))
                }
                sound @ Sound::Coming(_) => {
                    self.waiting.push_front((sentence, sound));
                    None
                }
            };
        }
        match self.stage {
            Stage::Running => None,
            Stage::Ended if self.sent.is_empty() => Some(Step::Over),
            Stage::Ended => {
                self.stage = Stage::Playing;
                Some(Step::Sent)
            }
            Stage::Playing => (Instant::now() > self.played_by + GRACE).then_some(Step::Over),
        }
    }

    /// Waits until [`Self::step`] has something, or may have.
    pub(super) async fn ready(&mut self) {
        if let Some((_, sound)) = self.waiting.front_mut() {
            return sound.ready().await;
        }
        if self.stage == Stage::Playing {
            return sleep_until(self.played_by + GRACE + Duration::from_millis(1)).await;
        }
        pending::<()>().await;
    }

    /// The client begins to play a sentence of this text. Tells the last one that it has played to its
    /// end by that.
    pub(super) fn begin_to_play(&mut self, text: &str) -> Option<u32> {
        let upcoming = self.sent.get(self.begun)?;
        if upcoming != text {
            return None;
        }
        self.begun += 1;
        self.begun.checked_sub(2).and_then(|index| u32::try_from(index).ok())
    }

    /// The client has played everything that it has. Tells the last sentence of that, where it knows
    /// that no more come.
    pub(super) fn finish_playing(&mut self) -> Option<u32> {
        if self.stage != Stage::Playing {
            return None;
        }
        self.begun = self.sent.len();
        self.begun.checked_sub(1).and_then(|index| u32::try_from(index).ok())
    }
}

impl Sound {
    async fn ready(&mut self) {
        let Self::Coming(making) = self else { return };
        let made = (&mut making.0).await;
        // An error means that the service ends.
        *self = Self::Ready(made.unwrap_or_else(|_| avatars::silence("")));
    }
}

/// Lets a sentence be spoken; where that fails it is silent, and the log says why.
fn speak(speech: Arc<SpeechServer>, sentence: &Sentence) -> JoinHandle<Wave> {
    let words = sentence.speech.clone();
    // It is given up with the sentence that it belongs to.
    tokio::spawn(async move {
        match speech.speak(&words).await {
            Ok(wave) => wave,
            Err(error) => {
                metrics::counter!("anima_speech_failures_total").increment(1);
                warn!(error = %error, "A sentence stays silent: {error}");
                avatars::silence(&words)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turn::Emotion;

    fn sentence(index: u32, text: &str) -> Sentence {
        Sentence {
            index,
            text: text.to_owned(),
            speech: text.to_owned(),
            emotion: Emotion::Neutral,
            actions: Vec::new(),
            sources: Vec::new(),
        }
    }

    #[test]
    fn a_chain_sends_waits_for_the_playback_and_is_over() {
        let mut chain = Chain::new(TurnId::generate());
        assert!(chain.step().is_none());
        for (index, text) in ["先深呼吸，", "好吗？", "好吗？"].into_iter().enumerate() {
            chain.add(sentence(u32::try_from(index).unwrap(), text), None);
        }
        for expected in 0..3 {
            let Some(Step::Say(sentence, wave)) = chain.step() else { panic!("nothing to say") };
            assert_eq!(sentence.index, expected);
            assert!(wave.length > Duration::from_millis(300));
        }
        assert!(chain.step().is_none());
        assert_eq!(chain.begin_to_play("别的"), None);
        assert_eq!(chain.begin_to_play("先深呼吸，"), None);
        assert_eq!(chain.finish_playing(), None);
        assert_eq!(chain.begin_to_play("好吗？"), Some(0));
        chain.end();
        assert!(matches!(chain.step(), Some(Step::Sent)));
        assert!(chain.step().is_none());
        assert_eq!(chain.begin_to_play("好吗？"), Some(1));
        assert_eq!(chain.finish_playing(), Some(2));
    }

    #[test]
    fn a_chain_without_a_sentence_is_over_at_once() {
        let mut chain = Chain::new(TurnId::generate());
        chain.end();
        assert!(matches!(chain.step(), Some(Step::Over)));
    }
}
