//! Keeps the model's reasoning apart from its answer.

/// The tag names that models put around their reasoning.
const NAMES: [&str; 4] = ["think", "thinking", "thought", "reasoning"];

/// What a piece of model output holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thought {
    /// Text for the person.
    pub answer: String,
    /// Text that the model wrote for itself.
    pub reasoning: String,
}

/// Takes `<think>…</think>` out of a stream of text.
///
/// Reads `think`, `thinking`, `thought` and `reasoning` in any case, at any place and any number of
/// times. A block ends with the closing tag of its own name; one that never ends is reasoning to
/// the last character. White space after a closing tag goes, and so does white space before a block
/// at the very start. A closing tag without a block goes, but the text before it stays, for it
/// may have been spoken already; where the prompt's template opens the block, say so with `opened`.
///
/// Only what can still become a tag is held back, at most twelve characters (and white space at the
/// very start). The same text in any pieces gives the same joined result.
#[derive(Debug)]
pub struct ThinkFilter {
    place: Place,
    held: String,
    lead: Option<String>,
    only_at_start: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Answer,
    /// Inside a block; `None` takes any closing tag.
    Block(Option<&'static str>),
    /// Behind a closing tag, where white space goes.
    Behind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Open(&'static str),
    Close(&'static str),
    Partial,
    Text,
}

impl ThinkFilter {
    /// A filter for one answer; `opened` when the prompt ended inside a reasoning block.
    pub fn new(opened: bool) -> Self {
        let place = if opened { Place::Block(None) } else { Place::Answer };
        Self { place, held: String::new(), lead: Some(String::new()), only_at_start: false }
    }

    /// A filter that takes out the block with which an answer begins, and nothing after it: an
    /// answer about tags is as the model wrote it.
    pub fn at_start() -> Self {
        Self { only_at_start: true, ..Self::new(false) }
    }

    /// Takes the next piece and gives what can be told of it.
    pub fn push(&mut self, text: &str) -> Thought {
        let mut thought = Thought::default();
        if self.only_at_start && self.lead.is_none() && self.place == Place::Answer {
            text.clone_into(&mut thought.answer);
            return thought;
        }
        for character in text.chars() {
            self.take(character, &mut thought);
        }
        thought
    }

    /// Ends the text: what was held back is what it seemed to be until then.
    pub fn finish(&mut self) -> Thought {
        let mut thought = Thought::default();
        for character in std::mem::take(&mut self.held).chars() {
            self.put(character, &mut thought);
        }
        if let (Some(lead), Place::Answer) = (self.lead.take(), self.place) {
            thought.answer.push_str(&lead);
        }
        thought
    }

    fn take(&mut self, character: char, thought: &mut Thought) {
        let is_past = self.only_at_start
            && self.lead.is_none()
            && matches!(self.place, Place::Answer | Place::Behind);
        if is_past || (self.held.is_empty() && character != '<') {
            return self.put(character, thought);
        }
        self.held.push(character);
        match (read(&self.held), self.place) {
            (Reading::Partial, _) => {}
            (Reading::Open(name), Place::Answer | Place::Behind) => {
                self.held.clear();
                self.lead = None;
                self.place = Place::Block(Some(name));
            }
            // A template that opens the block and a model that opens it again.
            (Reading::Open(name), Place::Block(None)) if self.lead.is_some() => {
                self.held.clear();
                self.lead = None;
                self.place = Place::Block(Some(name));
            }
            (Reading::Close(name), place)
                if closes(place, name) && !(self.only_at_start && place == Place::Answer) =>
            {
                self.held.clear();
                self.lead = None;
                self.place = Place::Behind;
            }
            _ => self.give_up(thought),
        }
    }

    /// Releases what turned out to be no tag; its last character may begin another.
    fn give_up(&mut self, thought: &mut Thought) {
        let mut held = std::mem::take(&mut self.held);
        let last = held.pop();
        for character in held.chars() {
            self.put(character, thought);
        }
        match last {
            Some('<') => self.held.push('<'),
            Some(character) => self.put(character, thought),
            None => {}
        }
    }

    fn put(&mut self, character: char, thought: &mut Thought) {
        match self.place {
            Place::Block(_) => {
                if !character.is_whitespace() {
                    self.lead = None;
                }
                thought.reasoning.push(character);
            }
            Place::Behind if character.is_whitespace() => {}
            Place::Answer | Place::Behind => {
                self.place = Place::Answer;
                if let Some(lead) = &mut self.lead {
                    if character.is_whitespace() {
                        return lead.push(character);
                    }
                    thought.answer.push_str(lead);
                    self.lead = None;
                }
                thought.answer.push(character);
            }
        }
    }
}

fn closes(place: Place, name: &str) -> bool {
    match place {
        Place::Block(Some(open)) => open == name,
        Place::Block(None) | Place::Answer | Place::Behind => true,
    }
}

/// Reads a text that begins with `<`.
fn read(held: &str) -> Reading {
    let lower = held.to_ascii_lowercase();
    let (body, closing) = match lower.strip_prefix("</") {
        Some(body) => (body, true),
        None => (lower.strip_prefix('<').unwrap_or_default(), false),
    };
    for name in NAMES {
        if body.strip_suffix('>') == Some(name) {
            return if closing { Reading::Close(name) } else { Reading::Open(name) };
        }
    }
    if NAMES.iter().any(|name| name.starts_with(body)) { Reading::Partial } else { Reading::Text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filtered(pieces: &[String], opened: bool) -> Thought {
        let mut filter = ThinkFilter::new(opened);
        let mut whole = Thought::default();
        for thought in pieces.iter().map(|piece| filter.push(piece)).collect::<Vec<_>>() {
            whole.answer.push_str(&thought.answer);
            whole.reasoning.push_str(&thought.reasoning);
        }
        let last = filter.finish();
        whole.answer.push_str(&last.answer);
        whole.reasoning.push_str(&last.reasoning);
        whole
    }

    fn of(text: &str) -> (String, String) {
        let thought = filtered(&[text.to_owned()], false);
        (thought.answer, thought.reasoning)
    }

    #[test]
    fn reasoning_is_taken_out_of_the_answer() {
        for (text, answer, reasoning) in [
            ("你好。", "你好。", ""),
            ("<think>嗯</think>\n\n你好。", "你好。", "嗯"),
            (" \n<think>嗯</think> 你好。", "你好。", "嗯"),
            ("  你好", "  你好", ""),
            ("<Thinking>a</THINKING>b", "b", "a"),
            ("<thought>a</thought>b", "b", "a"),
            ("<reasoning>a</reasoning>b", "b", "a"),
            ("一<think>二</think> 三", "一三", "二"),
            ("<think>一</think><think>二</think>三", "三", "一二"),
            ("<think>一</thinking>二</think>三", "三", "一</thinking>二"),
            ("<think><think>一</think>二", "二", "<think>一"),
            ("<think>never ends", "", "never ends"),
            ("<think>a</thi", "", "a</thi"),
            ("a < b, <thin> <th", "a < b, <thin> <th", ""),
            ("<<think>a</think>b", "<b", "a"),
            ("<thinker>a", "<thinker>a", ""),
            ("前面</think> 后面", "前面后面", ""),
            ("", "", ""),
            ("  ", "  ", ""),
        ] {
            assert_eq!(of(text), (answer.to_owned(), reasoning.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn a_block_opened_by_the_template_ends_with_any_closing_tag() {
        for (text, answer, reasoning) in [
            ("嗯</think>\n你好", "你好", "嗯"),
            ("嗯</thought>你好", "你好", "嗯"),
            ("\n<think>嗯</think>你好", "你好", "\n嗯"),
            ("嗯 <think> 啊</think>你好", "你好", "嗯 <think> 啊"),
            ("never ends", "", "never ends"),
        ] {
            let thought = filtered(&[text.to_owned()], true);
            assert_eq!(
                (thought.answer.as_str(), thought.reasoning.as_str()),
                (answer, reasoning),
                "{text:?}"
            );
        }
    }

    #[test]
    fn only_the_block_at_the_start_is_taken_out_where_that_is_wanted() {
        for (text, answer, reasoning) in [
            ("你好。", "你好。", ""),
            ("  <b>", "  <b>", ""),
            (" \n<think>嗯</think>\n你好", "你好", "嗯"),
            ("<think>嗯</think> a <think>b</think> c", "a <think>b</think> c", "嗯"),
            ("a <think>b</think> c", "a <think>b</think> c", ""),
            ("</think> a", "</think> a", ""),
            ("<think>a</think><think>b</think>", "<think>b</think>", "a"),
            ("<thin", "<thin", ""),
            ("<think>never ends", "", "never ends"),
        ] {
            let mut whole = ThinkFilter::at_start();
            let (first, last) = (whole.push(text), whole.finish());
            assert_eq!(first.answer + &last.answer, answer, "{text}");
            assert_eq!(first.reasoning + &last.reasoning, reasoning, "{text}");
            let (mut single, mut told) = (ThinkFilter::at_start(), Thought::default());
            for character in text.chars() {
                let thought = single.push(character.encode_utf8(&mut [0; 4]));
                told.answer += &thought.answer;
                told.reasoning += &thought.reasoning;
            }
            assert_eq!(told.answer + &single.finish().answer, answer, "{text} by character");
        }
    }

    #[test]
    fn text_without_an_angle_bracket_is_never_held_back() {
        let mut filter = ThinkFilter::new(false);
        assert_eq!(filter.push("你").answer, "你");
        assert_eq!(filter.push("a<t").answer, "a");
        assert_eq!(filter.push("r").answer, "<tr");
    }

    proptest! {
        #[test]
        fn any_cuts_give_the_same_result(
            parts in prop::collection::vec(prop_oneof![
                Just("<think>".to_owned()), Just("</think>".to_owned()), Just("<THOUGHT>".to_owned()),
                Just("</thought>".to_owned()), Just("<th".to_owned()), Just(" \n".to_owned()),
                "[<>/a-c你好😊 ]{0,6}",
            ], 0..12),
            cuts in prop::collection::vec(1usize..5, 1..60),
            opened: bool,
        ) {
            let text = parts.concat();
            let mut pieces = Vec::new();
            let mut left: Vec<char> = text.chars().collect();
            for cut in cuts {
                let rest = left.split_off(cut.min(left.len()));
                pieces.push(left.into_iter().collect::<String>());
                left = rest;
            }
            pieces.push(left.into_iter().collect());
            prop_assert_eq!(filtered(&pieces, opened), filtered(&[text], opened));
        }

        #[test]
        fn text_without_tags_is_passed_on_whole(text in "[^<]*") {
            let thought = filtered(std::slice::from_ref(&text), false);
            prop_assert_eq!(thought.answer, text);
        }
    }
}
