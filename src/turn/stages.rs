//! The stages of an answer joined in their order: think ▸ cut ▸ emotion ▸ filter ▸ sentence ▸
//! brevity ▸ check ▸ speech.

use std::time::Instant;

use super::{
    TurnEvent,
    brevity::{Brevity, Budget},
    check::{Check, Effect, Reply},
    cut::Cut,
    emotion::{EmotionFilter, Marked},
    filter::{Filter, Words},
    sentence::{Draft, Segmenter, SegmenterOptions},
    think::ThinkFilter,
};

/// Turns the pieces of text that a provider yields into what leaves the turn.
pub struct Stages {
    /// Not there for a text that is to be spoken as it stands.
    think: Option<ThinkFilter>,
    cut: Cut,
    emotion: EmotionFilter,
    /// Where the persona does not say some words.
    filters: Option<Filters>,
    segmenter: Segmenter,
    brevity: Brevity,
    check: Check,
    released: String,
    full: bool,
    /// Text leaves as it comes.
    is_relay: bool,
    /// It is checked beside that, which changes nothing of it.
    is_annotated: bool,
}

impl Stages {
    /// Stages for an answer of fewer than `limit` units, from which the texts `cut` are taken out.
    pub fn new(limit: Option<u32>, cut: &[String]) -> Self {
        Self {
            think: Some(ThinkFilter::new(false)),
            cut: Cut::new(cut),
            emotion: EmotionFilter::new(),
            filters: None,
            segmenter: Segmenter::new(SegmenterOptions::default()),
            brevity: Brevity::new(Budget { fewer_than: limit }),
            check: Check::absent("off"),
            released: String::new(),
            full: false,
            is_relay: false,
            is_annotated: false,
        }
    }

    /// Stages for a text that is spoken as it stands: nothing in it is reasoning.
    pub fn for_speech() -> Self {
        Self { think: None, ..Self::new(None, &[]) }.checked(Check::absent("as_given"))
    }

    /// The same with this check; without one nothing is checked.
    #[must_use]
    pub fn checked(self, check: Check) -> Self {
        Self { check, ..self }
    }

    /// Stages for an answer that is passed on as it is; only the reasoning that it begins with is
    /// told apart. In a `verbatim` one nothing is reasoning.
    pub fn for_relay(verbatim: bool) -> Self {
        let think = (!verbatim).then(ThinkFilter::at_start);
        Self { think, is_relay: true, ..Self::new(None, &[]) }
    }

    /// The same for an answer that is passed on, whose sentences are checked beside it: they and their
    /// verdicts come, too.
    #[must_use]
    pub fn annotated(self, check: Check) -> Self {
        Self { check, is_annotated: true, ..self }
    }

    /// The same without the words that the persona does not say.
    #[must_use]
    pub fn without(mut self, words: Option<&Words>) -> Self {
        if let Some(words) = words {
            self.check.avoid(words.clone());
        }
        Self { filters: words.map(Filters::new), ..self }
    }

    /// Takes a piece of the model's text and gives back what can be released now.
    pub fn push(&mut self, piece: &str) -> Vec<TurnEvent> {
        let mut events = Vec::new();
        let text = match &mut self.think {
            Some(think) => {
                let thought = think.push(piece);
                self.reason(thought.reasoning, &mut events);
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
        self.reason(thought.reasoning, &mut events);
        if let Some(filters) = &mut self.filters {
            events.extend(filters.reasoning.finish().into_iter().filter_map(reasoning));
        }
        if self.is_relay {
            self.pass_on(thought.answer, &mut events);
            if self.is_annotated {
                self.conclude(&mut events);
            }
            return events;
        }
        let text = self.cut.push(&thought.answer) + &self.cut.finish();
        let mut marked = self.emotion.push(&text);
        marked.extend(self.emotion.finish());
        self.segment(marked, &mut events);
        if let Some(filters) = &mut self.filters {
            let marked = filters.answer.finish();
            self.cut_up(marked, &mut events);
        }
        if self.full {
            return events;
        }
        self.conclude(&mut events);
        events
    }

    /// Takes what is left of the last sentence.
    fn conclude(&mut self, events: &mut Vec<TurnEvent>) {
        if let Some(draft) = self.segmenter.finish() {
            self.release(draft, events);
        }
        let rest = self.check.finish(Instant::now());
        self.say(rest, events);
    }

    /// What the check wants to have asked, after every piece, end and reply.
    pub fn effects(&mut self) -> Vec<Effect> {
        self.check.effects()
    }

    /// Takes what came of an effect and gives what can be released now.
    pub fn reply(&mut self, reply: Reply) -> Vec<TurnEvent> {
        let events = self.check.reply(reply, Instant::now());
        self.said(events)
    }

    /// Until when the check holds the next sentence at most, if it holds one.
    pub fn hold_until(&self) -> Option<Instant> {
        self.check.hold_until()
    }

    /// Gives what the check has held long enough.
    pub fn expire(&mut self) -> Vec<TurnEvent> {
        let events = self.check.expire(Instant::now());
        self.said(events)
    }

    /// Gives everything that is whole, checked or not: nobody is asked any more.
    pub fn give_up(&mut self) -> Vec<TurnEvent> {
        let events = self.check.give_up(Instant::now());
        self.said(events)
    }

    /// Whether every sentence so far was released and has its verdict.
    pub fn is_settled(&self) -> bool {
        self.check.is_settled()
    }

    /// Whether there is a sentence, released or held.
    pub fn has_sentences(&self) -> bool {
        self.check.has_sentences()
    }

    /// Whether the answer is as long as it may be: nothing more will be released.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Whether the answer ends because of a word that the persona does not say.
    pub fn is_filtered(&self) -> bool {
        self.filters.as_ref().is_some_and(|filters| filters.answer.has_tripped())
    }

    /// Takes a piece of reasoning that the provider tells apart itself, and gives what can be told.
    pub fn think(&mut self, text: String) -> Vec<TurnEvent> {
        let mut events = Vec::new();
        self.reason(text, &mut events);
        events
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

    /// Tells a piece of reasoning, if there is any.
    fn reason(&mut self, text: String, events: &mut Vec<TurnEvent>) {
        if text.is_empty() {
            return;
        }
        match &mut self.filters {
            Some(filters) => {
                let marked = filters.reasoning.push(vec![Marked::Text(text)]);
                events.extend(marked.into_iter().filter_map(reasoning));
            }
            None => events.push(TurnEvent::Reasoning(text)),
        }
    }

    fn pass_on(&mut self, text: String, events: &mut Vec<TurnEvent>) {
        if text.is_empty() {
            return;
        }
        self.released.push_str(&text);
        let beside = self.is_annotated.then(|| text.clone());
        events.push(TurnEvent::Delta(text));
        if let Some(text) = beside {
            self.cut_to_sentences(vec![Marked::Text(text)], events);
        }
    }

    fn segment(&mut self, marked: Vec<Marked>, events: &mut Vec<TurnEvent>) {
        let marked = match &mut self.filters {
            Some(filters) => filters.answer.push(marked),
            None => marked,
        };
        self.cut_up(marked, events);
    }

    fn cut_up(&mut self, marked: Vec<Marked>, events: &mut Vec<TurnEvent>) {
        self.cut_to_sentences(marked, events);
        if self.is_filtered() && !self.full {
            // Any letter in the place of the word lets go of the sentence before; its own is never cut.
            self.cut_to_sentences(vec![Marked::Text("x".to_owned())], events);
            self.fill(events);
        }
    }

    fn cut_to_sentences(&mut self, marked: Vec<Marked>, events: &mut Vec<TurnEvent>) {
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
        if let Some(draft) = kept.draft {
            let said = self.check.push(draft, Instant::now());
            self.say(said, events);
        }
        if self.full {
            self.fill(events);
        }
    }

    /// Nothing more is taken.
    fn fill(&mut self, events: &mut Vec<TurnEvent>) {
        self.full = true;
        let rest = self.check.finish(Instant::now());
        self.say(rest, events);
    }

    fn said(&mut self, events: Vec<TurnEvent>) -> Vec<TurnEvent> {
        let mut said = Vec::with_capacity(events.len());
        self.say(events, &mut said);
        said
    }

    /// Notes what leaves.
    fn say(&mut self, said: Vec<TurnEvent>, events: &mut Vec<TurnEvent>) {
        if self.is_relay {
            // The text itself has left already.
            let beside = |event: &TurnEvent| !matches!(event, TurnEvent::Delta(_));
            events.extend(said.into_iter().filter(beside));
            return;
        }
        for event in &said {
            if let TurnEvent::Delta(text) = event {
                self.released.push_str(text);
            }
        }
        events.extend(said);
    }
}

/// What reads an answer for words that are not said.
struct Filters {
    answer: Filter,
    reasoning: Filter,
}

impl Filters {
    fn new(words: &Words) -> Self {
        Self { answer: Filter::new(words), reasoning: Filter::masking(words) }
    }
}

/// Tells a piece of reasoning.
fn reasoning(mark: Marked) -> Option<TurnEvent> {
    match mark {
        Marked::Text(text) => Some(TurnEvent::Reasoning(text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
