//! Who answers, in whose voice, by which prompts: what a reload exchanges as a whole.

use std::sync::Arc;

use tracing::warn;

use super::checking::Gates;
use crate::{
    history::SessionSettings,
    knowledge::Shelves,
    registry::{Entry, Registry},
    settings::{AskSettings, CheckSettings},
    turn::{
        Turn, TurnError,
        prompt::{Persona, PromptError, Prompts, Style},
    },
};

/// Who answers, in whose voice, by which prompts. A turn keeps the one that it began with.
pub struct Lineup {
    registry: Registry,
    prompts: Arc<Prompts>,
    default_persona: String,
    asking: AskSettings,
    check: CheckSettings,
    gates: Gates,
    knowledge: Arc<Shelves>,
}

impl Lineup {
    /// A lineup in which everything that is named is there.
    ///
    /// # Errors
    /// When the default persona does not exist, or a persona's provider.
    pub fn new(
        registry: Registry,
        prompts: Arc<Prompts>,
        persona: &str,
        asking: AskSettings,
    ) -> Result<Self, PromptError> {
        prompts.persona(persona)?;
        for persona in prompts.personas() {
            let Some(name) = &persona.provider else { continue };
            if let Err(error) = registry.resolve(name)
                && !registry.knows(name)
            {
                return Err(PromptError::Unknown(format!("persona {}: {error}", persona.name)));
            }
        }
        let default_persona = persona.to_owned();
        let (check, gates) = (CheckSettings::default(), Gates::default());
        let knowledge = Arc::default();
        Ok(Self { registry, prompts, default_persona, asking, check, gates, knowledge })
    }

    /// The same with these settings of the check.
    ///
    /// # Errors
    /// When a provider that they name does not exist.
    pub fn with_check(self, check: CheckSettings) -> Result<Self, PromptError> {
        for (key, name) in check.named() {
            if let Err(error) = self.registry.resolve(name)
                && !self.registry.knows(name)
            {
                return Err(PromptError::Unknown(format!("{key}: {error}")));
            }
        }
        Ok(Self { check, ..self })
    }

    /// The same with what the personas know.
    ///
    /// # Errors
    /// When the provider that is to make vectors of it does not exist, or makes none.
    pub fn with_knowledge(self, knowledge: Shelves) -> Result<Self, PromptError> {
        knowledge.vet(&self.registry).map_err(PromptError::Unknown)?;
        knowledge.be_embedded(&self.registry, self.asking.breaker);
        Ok(Self { knowledge: Arc::new(knowledge), ..self })
    }

    /// The same with other providers.
    pub(crate) fn with_registry(&self, registry: Registry) -> Self {
        self.knowledge.be_embedded(&registry, self.asking.breaker);
        Self {
            registry,
            prompts: Arc::clone(&self.prompts),
            default_persona: self.default_persona.clone(),
            asking: self.asking,
            check: self.check.clone(),
            gates: self.gates.clone(),
            knowledge: Arc::clone(&self.knowledge),
        }
    }

    /// The providers.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The personas and styles.
    pub fn prompts(&self) -> &Prompts {
        &self.prompts
    }

    /// What the personas know.
    pub fn knowledge(&self) -> &Shelves {
        &self.knowledge
    }

    /// How often providers are asked.
    pub(super) fn asking(&self) -> &AskSettings {
        &self.asking
    }

    /// Who speaks and who answers in a session with these settings. What a session has chosen and is
    /// no longer there counts as not chosen.
    pub fn chosen(&self, settings: &SessionSettings) -> (&str, &str) {
        let persona = settings.persona.as_deref().and_then(|name| self.prompts.persona(name).ok());
        let persona = persona.or_else(|| self.prompts.persona(&self.default_persona).ok());
        let provider = settings.provider.as_deref().filter(|name| self.registry.knows(name));
        let provider = provider.or_else(|| persona?.provider.as_deref());
        let provider = provider.and_then(|name| self.registry.resolve(name).ok());
        let persona = persona.map_or(self.default_persona.as_str(), |persona| &persona.name);
        (persona, provider.unwrap_or_else(|| self.registry.default_name()))
    }

    /// Who helps to check what is answered.
    pub(super) fn check(&self) -> &CheckSettings {
        &self.check
    }

    /// How those are doing who help.
    pub(super) fn gates(&self) -> &Gates {
        &self.gates
    }

    pub(super) fn persona(
        &self,
        turn: &Turn,
        settings: &SessionSettings,
    ) -> Result<&Persona, TurnError> {
        if let Some(name) = &turn.choice.persona {
            return Ok(self.prompts.persona(name)?);
        }
        let chosen = settings.persona.as_deref().and_then(|name| self.prompts.persona(name).ok());
        chosen.map_or_else(|| Ok(self.prompts.persona(&self.default_persona)?), Ok)
    }

    pub(super) fn style(&self, turn: &Turn, persona: &Persona) -> Result<&Style, TurnError> {
        Ok(self.prompts.style(turn.choice.style.as_deref().unwrap_or(&persona.style))?)
    }

    /// Those who may answer, the one to ask first in front.
    pub(super) fn candidates(
        &self,
        turn: &Turn,
        settings: &SessionSettings,
        persona: &Persona,
    ) -> Result<Vec<Entry>, TurnError> {
        if let Some(name) = &turn.choice.provider {
            return self.registry.pick(Some(name));
        }
        let chosen = settings.provider.as_deref().filter(|name| {
            let there = self.registry.knows(name);
            if !there {
                warn!(provider.name = name, "A session's provider {name} is gone; another answers");
            }
            there
        });
        self.registry.pick(chosen.or(persona.provider.as_deref()))
    }
}
