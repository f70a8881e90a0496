//! What is asked of a provider.

use serde::{Deserialize, Serialize};

/// One request to a provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What the model sees.
    pub input: Input,
    /// How the answer is drawn.
    pub sampling: Sampling,
    /// Whose request this is; providers that queue serve the lanes in turn.
    pub lane: LaneId,
}

/// What the model sees.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A conversation, rendered by the provider's own chat template.
    Chat {
        /// Who the model is and how it answers.
        system: Option<String>,
        /// The conversation, oldest first; the last one is to be answered.
        messages: Vec<Message>,
    },
    /// A finished prompt, continued as it stands.
    Text {
        /// The prompt in pieces, joined without anything between them.
        parts: Vec<TextPart>,
    },
}

impl Input {
    /// What the person said last. A finished prompt in which no words are marked is all theirs.
    pub fn said(&self) -> String {
        match self {
            Self::Chat { messages, .. } => messages
                .iter()
                .rfind(|message| message.role == Role::User)
                .map(|message| message.text.clone())
                .unwrap_or_default(),
            Self::Text { parts } => {
                let marked = parts.iter().rev().find_map(|part| match part {
                    TextPart::Said(text) => Some(text.clone()),
                    TextPart::Template(_) => None,
                });
                marked.unwrap_or_else(|| parts.iter().map(TextPart::as_str).collect())
            }
        }
    }

    /// What came before [`Input::said`]: a line for each message of a conversation, `user: …` or
    /// `assistant: …`, or the beginning of a finished prompt as it stands.
    pub fn shown(&self) -> String {
        match self {
            Self::Chat { messages, .. } => {
                let last = messages.iter().rposition(|message| message.role == Role::User);
                let lines = messages.iter().take(last.unwrap_or(0)).map(|message| {
                    let who = match message.role {
                        Role::User => "user",
                        Role::Assistant => "assistant",
                    };
                    format!("{who}: {}", message.text)
                });
                lines.collect::<Vec<_>>().join("\n")
            }
            Self::Text { parts } => {
                let last = parts.iter().rposition(|part| matches!(part, TextPart::Said(_)));
                parts.iter().take(last.unwrap_or(0)).map(TextPart::as_str).collect()
            }
        }
    }
}

/// A piece of a finished prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextPart {
    /// Written by us: special tokens in it are meant.
    Template(String),
    /// Said by a person: special tokens in it are plain text.
    Said(String),
}

impl TextPart {
    /// The text, whoever wrote it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Template(text) | Self::Said(text) => text,
        }
    }
}

/// Who speaks in a [`Message`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person.
    User,
    /// The digital human.
    Assistant,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub text: String,
    /// What is shown along with it.
    pub images: Vec<Image>,
}

impl Message {
    /// A message without images.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self { role, text: text.into(), images: Vec::new() }
    }
}

/// A picture as a `data:` URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Image(pub String);

/// Whose request this is, for fair queueing: a session, or one id for each stateless caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LaneId(pub String);

/// How an answer is drawn from the model. An absent value leaves the choice to whoever comes
/// next: request, persona, surface, provider, model, strongest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// Randomness, 0 (greedy) to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Probability mass to draw from, over 0 and at most 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Number of likeliest tokens to draw from; 0 means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// Least probability relative to the likeliest token, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Divides the score of tokens already seen; 1 changes nothing, over 0 and at most 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f64>,
    /// Lowers tokens by how often they were used, −2 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// Lowers tokens that were used at all, −2 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// Most tokens of the answer, at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Texts at which the answer ends; they are not part of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

impl Sampling {
    /// Fills what is absent here from `weaker`; stop strings of both apply.
    #[must_use]
    pub fn or(self, weaker: &Self) -> Self {
        let mut stop = self.stop;
        for text in &weaker.stop {
            if !stop.contains(text) {
                stop.push(text.clone());
            }
        }
        Self {
            temperature: self.temperature.or(weaker.temperature),
            top_p: self.top_p.or(weaker.top_p),
            top_k: self.top_k.or(weaker.top_k),
            min_p: self.min_p.or(weaker.min_p),
            repetition_penalty: self.repetition_penalty.or(weaker.repetition_penalty),
            frequency_penalty: self.frequency_penalty.or(weaker.frequency_penalty),
            presence_penalty: self.presence_penalty.or(weaker.presence_penalty),
            max_tokens: self.max_tokens.or(weaker.max_tokens),
            stop,
        }
    }

    /// Checks every value against its range.
    ///
    /// # Errors
    /// The name of the first value that is out of range, and its legal range in words.
    pub fn validate(&self) -> Result<(), (&'static str, &'static str)> {
        let within = |value: Option<f64>, low: f64, high: f64| {
            value.is_none_or(|value| value.is_finite() && (low..=high).contains(&value))
        };
        if !within(self.temperature, 0.0, 2.0) {
            return Err(("temperature", "0 to 2"));
        }
        if !within(self.top_p, 0.0, 1.0) || self.top_p == Some(0.0) {
            return Err(("top_p", "over 0 and at most 1"));
        }
        if !within(self.min_p, 0.0, 1.0) {
            return Err(("min_p", "0 to 1"));
        }
        if !within(self.repetition_penalty, f64::MIN_POSITIVE, 10.0) {
            return Err(("repetition_penalty", "over 0 and at most 10"));
        }
        if !within(self.frequency_penalty, -2.0, 2.0) {
            return Err(("frequency_penalty", "-2 to 2"));
        }
        if !within(self.presence_penalty, -2.0, 2.0) {
            return Err(("presence_penalty", "-2 to 2"));
        }
        if self.max_tokens == Some(0) {
            return Err(("max_tokens", "at least 1"));
        }
        if self.stop.len() > 8
            || self.stop.iter().any(|text| text.is_empty() || text.chars().count() > 64)
        {
            return Err(("stop", "at most 8 texts of 1 to 64 characters"));
        }
        Ok(())
    }
}
