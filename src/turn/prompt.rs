//! The prompt of a turn: persona, style, knowledge, earlier exchanges and the person's words.
//!
//! Styles and personas are files (`prompts/`), read and trial-rendered at start. What people said
//! never becomes part of a template: it is marked while the template is rendered, and handed on
//! as [`TextPart::Said`].

mod library;
mod style;

use anima_provider::{Capabilities, Image, Input, Message, Role, Sampling, TextPart};
use minijinja::{Environment, context};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use library::{Persona, PersonaLanguage, Prompts};
pub use style::{Style, StyleInput};

use super::{Earlier, Emotion, knowledge::Passage};

/// Encloses a person's words while a template is rendered; noncharacters of Unicode, taken out of
/// the words themselves.
const SAID: [char; 2] = ['\u{FDD0}', '\u{FDD1}'];

/// Why a prompt could not be made.
#[derive(Debug, Error)]
pub enum PromptError {
    /// No such persona or style.
    #[error("{0}")]
    Unknown(String),
    /// The provider takes no prompt of this style.
    #[error("the provider cannot take a prompt of style {style}")]
    Unsupported {
        /// The style.
        style: String,
    },
    /// A template failed.
    #[error("the template of style {style} failed")]
    Template {
        /// The style.
        style: String,
        /// Why.
        #[source]
        source: minijinja::Error,
    },
    /// A file of the prompts folder cannot be used.
    #[error("{file}: {message}")]
    File {
        /// The file.
        file: String,
        /// What is wrong with it.
        message: String,
    },
}

/// The language that a prompt is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Chinese.
    Zh,
    /// English.
    En,
}

impl Language {
    /// Chinese when the text holds a Chinese character.
    pub fn of(text: &str) -> Self {
        if text.chars().any(|c| matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{20000}'..='\u{323AF}')) {
            Self::Zh
        } else {
            Self::En
        }
    }
}

/// What a prompt is made of.
#[derive(Debug, Clone, Copy)]
pub struct Ingredients<'a> {
    /// Who answers.
    pub persona: &'a Persona,
    /// How the prompt is made.
    pub style: &'a Style,
    /// Earlier exchanges, oldest first.
    pub earlier: &'a [Earlier],
    /// What the answer may rest on, the most important first.
    pub knowledge: &'a [Passage],
    /// The person's words.
    pub said: &'a str,
    /// What the person showed.
    pub images: &'a [Image],
}

/// A prompt, and what follows from its style.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// What the model sees.
    pub input: Input,
    /// The persona's and the style's sampling, stop strings included.
    pub sampling: Sampling,
}

impl Ingredients<'_> {
    /// Makes the prompt for a provider of these `capabilities`.
    ///
    /// # Errors
    /// When the provider takes no prompt of this style, or a template fails.
    pub fn prompt(
        &self,
        prompts: &Prompts,
        capabilities: &Capabilities,
    ) -> Result<Prompt, PromptError> {
        let supported = match self.style.input {
            StyleInput::Chat => capabilities.chat,
            StyleInput::Text => capabilities.text,
        };
        if !supported {
            return Err(PromptError::Unsupported { style: self.style.name.clone() });
        }
        let rendered = self
            .render(prompts.templates())
            .map_err(|source| PromptError::Template { style: self.style.name.clone(), source })?;
        let input = match self.style.input {
            StyleInput::Chat => {
                let system = rendered.replace(SAID, "");
                let system = system.trim();
                Input::Chat {
                    system: (!system.is_empty()).then(|| system.to_owned()),
                    messages: self.messages(),
                }
            }
            StyleInput::Text => Input::Text { parts: parts(&rendered) },
        };
        let style_sampling =
            Sampling { stop: self.style.stop.clone(), ..self.style.sampling.clone() };
        let persona_sampling = &self.persona.sampling;
        // A style that the request chose brings the sampling that its models were tuned for.
        let sampling = if self.style.name == self.persona.style {
            persona_sampling.clone().or(&style_sampling)
        } else {
            style_sampling.or(persona_sampling)
        };
        Ok(Prompt { input, sampling })
    }

    fn render(&self, templates: &Environment<'_>) -> Result<String, minijinja::Error> {
        let language = self.persona.language.resolve(self.said);
        let said = |text: &str| format!("{}{}{}", SAID[0], text.trim().replace(SAID, ""), SAID[1]);
        let earlier: Vec<_> = self
            .earlier
            .iter()
            .map(|exchange| context! { said => said(&exchange.said), heard => said(&exchange.heard) })
            .collect();
        let knowledge: Vec<_> = self
            .knowledge
            .iter()
            .map(|it| context! { source => said(&it.fenced_source()), text => said(&it.fenced()) })
            .collect();
        let emotions: Vec<_> = if self.persona.emotions {
            Emotion::TAUGHT.iter().map(|emotion| format!("[{}]", emotion.tag())).collect()
        } else {
            Vec::new()
        };
        templates.get_template(self.style.template.file(language))?.render(context! {
            system => self.persona.system(language),
            limit => self.limit(),
            emotions,
            knowledge,
            earlier,
            said => said(self.said),
            raw => self.said,
        })
    }

    /// The answer has fewer units than this; the persona's own limit is stronger than the style's.
    pub fn limit(&self) -> Option<u32> {
        self.persona.limit.or(self.style.limit)
    }

    /// The conversation as messages that alternate: what was never answered is joined to what the
    /// person said next, since many chat templates refuse two messages of one side.
    fn messages(&self) -> Vec<Message> {
        let mut messages: Vec<Message> = Vec::new();
        let mut add = |role: Role, text: String| match messages.last_mut() {
            Some(last) if last.role == role => {
                last.text.push('\n');
                last.text.push_str(&text);
            }
            _ => messages.push(Message::new(role, text)),
        };
        for exchange in self.earlier {
            if !exchange.said.trim().is_empty() {
                add(Role::User, exchange.said.trim().to_owned());
            }
            if !exchange.heard.trim().is_empty() {
                let tag = exchange.emotion.filter(|_| self.persona.emotions);
                let tag = tag.map(|emotion| format!("[{}]", emotion.tag())).unwrap_or_default();
                add(Role::Assistant, format!("{tag}{}", exchange.heard.trim()));
            }
        }
        add(Role::User, self.said.trim().to_owned());
        if let Some(last) = messages.last_mut() {
            last.images = self.images.to_vec();
        }
        // A conversation that the digital human opened: templates want the person to begin.
        if messages.first().is_some_and(|first| first.role == Role::Assistant) {
            messages.remove(0);
        }
        messages
    }
}

/// Splits a rendered template at the marks around people's words.
fn parts(rendered: &str) -> Vec<TextPart> {
    let mut parts = Vec::new();
    let mut rest = rendered;
    while let Some((template, tail)) = rest.split_once(SAID[0]) {
        let (said, tail) = tail.split_once(SAID[1]).unwrap_or((tail, ""));
        parts.push(TextPart::Template(template.to_owned()));
        parts.push(TextPart::Said(said.to_owned()));
        rest = tail;
    }
    parts.push(TextPart::Template(rest.to_owned()));
    parts.retain(|part| !part.as_str().is_empty());
    parts
}

#[cfg(test)]
mod tests;
