//! What a provider can take and do.

use crate::{Input, Message, OutputKinds, Request, Role};

/// What a provider can take and do, known before a request is made.
///
/// The default can do nothing; a provider names what it can:
/// `Capabilities { chat: true, ..Capabilities::default() }`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent answers, each asked for alone")]
pub struct Capabilities {
    /// Takes [`Input::Chat`]: it has a chat template, or its server applies one.
    pub chat: bool,
    /// Takes [`Input::Text`]: a finished prompt is continued as it stands.
    pub text: bool,
    /// Looks at [`Message::images`](crate::Message::images).
    pub images: bool,
    /// Its answer is a text that somebody wrote: it is spoken whole, and nothing in it is reasoning.
    pub verbatim: bool,
    /// Calls functions ([`Request::tools`]), and understands what they gave back.
    pub tools: bool,
    /// What forms beside plain text its answers can be bound to ([`Request::output`]).
    pub outputs: OutputKinds,
    /// Tells how likely its tokens were ([`Request::logprobs`]).
    pub logprobs: bool,
    /// Hands [`Request::extra`] on to its server.
    pub extra: bool,
    /// Tokens of prompt and answer together, where it is known.
    pub context_length: Option<usize>,
}

impl Capabilities {
    /// Whether it takes this form of input, whatever is in it.
    pub fn takes(&self, input: &Input) -> bool {
        match input {
            Input::Chat { .. } => self.chat,
            Input::Text { .. } => self.text,
        }
    }

    /// The first thing that `request` asks for and the provider cannot do, in words that complete
    /// "the provider does not support …".
    pub fn lacks(&self, request: &Request) -> Option<String> {
        let messages = match &request.input {
            Input::Text { .. } if !self.text => {
                return Some("a finished prompt; it takes conversations".to_owned());
            }
            Input::Chat { .. } if !self.chat => {
                return Some("conversations; it continues finished prompts".to_owned());
            }
            Input::Text { .. } => [].as_slice(),
            Input::Chat { messages, .. } => messages,
        };
        if !self.images && messages.iter().any(|message| !message.images.is_empty()) {
            return Some("images".to_owned());
        }
        let calls =
            |message: &Message| message.role == Role::Tool || !message.tool_calls.is_empty();
        if !self.tools && (messages.iter().any(calls) || !request.tools.is_empty()) {
            return Some("tools".to_owned());
        }
        if let Some(form) = self.outputs.lacks(&request.output) {
            return Some(form.to_owned());
        }
        if !self.logprobs && request.logprobs.is_some() {
            return Some("logprobs".to_owned());
        }
        let further = request.extra.keys().next().filter(|_| !self.extra);
        further.map(|name| format!("{name}; a provider of kind openai hands it on to its server"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::{Image, LaneId, Output, Sampling, Tool, ToolCall};

    fn plain() -> Request {
        let messages = vec![Message::new(Role::User, "hello")];
        let input = Input::Chat { system: None, messages };
        Request::new(input, Sampling::default(), LaneId("lane".to_owned()))
    }

    fn with_message(message: Message) -> Request {
        Request { input: Input::Chat { system: None, messages: vec![message] }, ..plain() }
    }

    #[test]
    fn what_is_asked_for_and_not_there_is_named() {
        let hello = || Message::new(Role::User, "hello");
        let tool = Tool { name: "f".to_owned(), description: None, parameters: None, strict: None };
        let call =
            ToolCall { id: "1".to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() };
        let shown = Message { images: vec![Image("data:,".to_owned())], ..hello() };
        let called = Message { tool_calls: vec![call], ..Message::new(Role::Assistant, "") };
        let extra: Map<_, _> = [("seed".to_owned(), json!(1))].into_iter().collect();
        let chat = Capabilities { chat: true, ..Capabilities::default() };
        for (request, lacks) in [
            (plain(), None),
            (Request { input: Input::Text { parts: Vec::new() }, ..plain() }, Some("finished")),
            (with_message(shown), Some("images")),
            (with_message(called), Some("tools")),
            (with_message(Message::new(Role::Tool, "4")), Some("tools")),
            (Request { tools: vec![tool], ..plain() }, Some("tools")),
            (Request { output: Output::JsonObject, ..plain() }, Some("JSON")),
            (Request { output: Output::Regex("a".to_owned()), ..plain() }, Some("regular")),
            (Request { logprobs: Some(0), ..plain() }, Some("logprobs")),
            (Request { extra, ..plain() }, Some("seed")),
        ] {
            let said = chat.lacks(&request);
            assert_eq!(said.is_some(), lacks.is_some(), "{request:?}: {said:?}");
            assert!(said.unwrap_or_default().contains(lacks.unwrap_or_default()), "{request:?}");
        }
        let conversations = Capabilities::default().lacks(&plain());
        assert!(conversations.is_some_and(|said| said.contains("conversations")));
    }
}
