//! The stages of an answer joined in their order: think ▸ cut ▸ emotion ▸ sentence ▸ brevity ▸
//! check ▸ speech.

use super::{
    Sentence, TurnEvent,
    brevity::{Brevity, Budget},
    check::Check,
    cut::Cut,
    emotion::{EmotionFilter, Marked},
    sentence::{Draft, Segmenter, SegmenterOptions},
    speech::speech,
    think::ThinkFilter,
};

/// Turns the pieces of text that a provider yields into what leaves the turn.
pub struct Stages {
    /// Not there for a text that is to be spoken as it stands.
    think: Option<ThinkFilter>,
    cut: Cut,
    emotion: EmotionFilter,
    segmenter: Segmenter,
    brevity: Brevity,
    check: Check,
    sentences: u32,
    released: String,
    full: bool,
    /// Text leaves as it comes.
    is_relay: bool,
}

impl Stages {
    /// Stages for an answer of fewer than `limit` units, from which the texts `cut` are taken out.
    pub fn new(limit: Option<u32>, cut: &[String]) -> Self {
        Self {
            think: Some(ThinkFilter::new(false)),
            cut: Cut::new(cut),
            emotion: EmotionFilter::new(),
            segmenter: Segmenter::new(SegmenterOptions::default()),
            brevity: Brevity::new(Budget { fewer_than: limit }),
            check: Check,
            sentences: 0,
            released: String::new(),
            full: false,
            is_relay: false,
        }
    }

    /// Stages for a text that is spoken as it stands: nothing in it is reasoning.
    pub fn for_speech() -> Self {
        Self { think: None, ..Self::new(None, &[]) }
    }

    /// Stages for an answer that is passed on as it is; only the reasoning that it begins with is
    /// told apart. In a `verbatim` one nothing is reasoning.
    pub fn for_relay(verbatim: bool) -> Self {
        let think = (!verbatim).then(ThinkFilter::at_start);
        Self { think, is_relay: true, ..Self::new(None, &[]) }
    }

    /// Takes a piece of the model's text and gives back what can be released now.
    pub fn push(&mut self, piece: &str) -> Vec<TurnEvent> {
        let mut events = Vec::new();
        let text = match &mut self.think {
            Some(think) => {
                let thought = think.push(piece);
                reason(thought.reasoning, &mut events);
                thought.answer
            }
            None => piece.to_owned(),
        };
        if self.is_relay {
            self.pass_on(text, &mut events);
            return events;
        }
        let text = self.cut.push(&text);
        let marked = self.emotion.push(&text);
        self.segment(marked, &mut events);
        events
    }

    /// Takes the end of the text.
    pub fn finish(&mut self) -> Vec<TurnEvent> {
        let mut events = Vec::new();
        let thought = self.think.as_mut().map(ThinkFilter::finish).unwrap_or_default();
        reason(thought.reasoning, &mut events);
        if self.is_relay {
            self.pass_on(thought.answer, &mut events);
            return events;
        }
        let text = self.cut.push(&thought.answer) + &self.cut.finish();
        let mut marked = self.emotion.push(&text);
        marked.extend(self.emotion.finish());
        self.segment(marked, &mut events);
        if let Some(draft) = self.segmenter.finish() {
            self.release(draft, &mut events);
        }
        events
    }

    /// Whether the answer is as long as it may be: nothing more will be released.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Whether the turn belongs to the provider whose answer made this event: it is something that
    /// the caller takes note of.
    pub fn commits(&self, event: &TurnEvent) -> bool {
        match event {
            TurnEvent::Delta(_) => true,
            TurnEvent::Reasoning(_) | TurnEvent::Logprobs(_) | TurnEvent::Tool(_) => self.is_relay,
            _ => false,
        }
    }

    /// Whether an answer may say nothing at all.
    pub fn may_be_empty(&self) -> bool {
        self.is_relay
    }

    /// Everything released so far.
    pub fn released(&self) -> &str {
        &self.released
    }

    fn pass_on(&mut self, text: String, events: &mut Vec<TurnEvent>) {
        if !text.is_empty() {
            self.released.push_str(&text);
            events.push(TurnEvent::Delta(text));
        }
    }

    fn segment(&mut self, marked: Vec<Marked>, events: &mut Vec<TurnEvent>) {
        for mark in marked {
            for draft in self.segmenter.push(mark) {
                self.release(draft, events);
            }
        }
    }

    fn release(&mut self, draft: Draft, events: &mut Vec<TurnEvent>) {
        if self.full {
            return;
        }
        let kept = self.brevity.push(draft);
        self.full = kept.full;
        let Some(draft) = kept.draft else { return };
        let sentence = Sentence {
            index: self.sentences,
            speech: speech(&draft.text),
            text: draft.text,
            emotion: draft.emotion,
            actions: draft.actions,
            sources: Vec::new(),
        };
        self.sentences += 1;
        self.released.push_str(&sentence.text);
        let verdict = self.check.push(&sentence);
        events.push(TurnEvent::Delta(sentence.text.clone()));
        events.push(TurnEvent::Sentence(sentence));
        events.push(TurnEvent::Verdict(verdict));
    }
}

/// Tells a piece of reasoning, if there is any.
fn reason(reasoning: String, events: &mut Vec<TurnEvent>) {
    if !reasoning.is_empty() {
        events.push(TurnEvent::Reasoning(reasoning));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn released(mut stages: Stages, text: &str) -> String {
        stages.push(text);
        stages.finish();
        stages.released().to_owned()
    }

    #[test]
    fn only_a_model_thinks() {
        let text = "[joy]I <think>really</think> like it.";
        assert_eq!(released(Stages::new(None, &[]), text), "I like it.");
        assert_eq!(released(Stages::for_speech(), text), "I <think>really</think> like it.");
    }

    #[test]
    fn what_is_passed_on_is_as_it_came() {
        let text = "<think>hm</think>[joy]<think>**One.**</think>  Two, three.\n";
        assert_eq!(
            released(Stages::for_relay(false), text),
            "[joy]<think>**One.**</think>  Two, three.\n"
        );
        assert_eq!(released(Stages::for_relay(true), text), text);
        let mut stages = Stages::for_relay(false);
        let delta = |text: &str| TurnEvent::Delta(text.to_owned());
        assert_eq!(stages.push("One. T"), [delta("One. T")]);
        assert_eq!(stages.push("wo"), [delta("wo")]);
        assert_eq!(stages.finish(), []);
    }
}
