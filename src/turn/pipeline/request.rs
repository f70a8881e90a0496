//! What a provider is asked: the prompt, with as much of the history as its context holds.

use anima_provider::Request;

use super::{Job, Lineup, errand::Errand};
use crate::{
    registry::Entry,
    turn::{
        Task, TurnError, TurnErrorCode,
        filter::Words,
        prompt::{Ingredients, Persona, Style},
        stages::Stages,
    },
};

impl Lineup {
    /// Those who are asked.
    pub(super) fn asked(&self, errand: &Errand) -> Result<Vec<Entry>, TurnError> {
        match errand {
            Errand::Turn(job) => {
                let persona = self.persona(&job.turn, &job.settings)?;
                self.candidates(&job.turn, &job.settings, persona)
            }
            Errand::Relay(relay) => self.registry().pick(relay.provider.as_deref()),
        }
    }

    /// The request that is made to a provider, and what its answer goes through.
    pub(super) fn prepare(
        &self,
        errand: &Errand,
        entry: &Entry,
    ) -> Result<(Request, Stages), TurnError> {
        let job = match errand {
            Errand::Turn(job) => job,
            Errand::Relay(relay) => return relay.prepare(entry),
        };
        let persona = self.persona(&job.turn, &job.settings)?;
        let style = self.style(&job.turn, persona)?;
        let (request, limit) = self.request(job, persona, style, entry)?;
        let stages = if entry.provider.capabilities().verbatim {
            Stages::for_speech()
        } else {
            Stages::new(limit, &style.cut)
        };
        Ok((request, stages.without(persona.words())))
    }

    /// The words that whoever speaks a text does not say.
    pub(super) fn words_of(&self, errand: &Errand) -> Option<&Words> {
        let Errand::Turn(job) = errand else { return None };
        self.persona(&job.turn, &job.settings).ok()?.words()
    }

    /// The request to a provider, with as much of the history as its context holds, and the limit
    /// of the answer's length.
    fn request(
        &self,
        job: &Job,
        persona: &Persona,
        style: &Style,
        entry: &Entry,
    ) -> Result<(Request, Option<u32>), TurnError> {
        let Task::Answer { said, images } = &job.turn.task else {
            return Err(TurnError::new(TurnErrorCode::Internal, "there is nothing to ask a model"));
        };
        let capabilities = entry.provider.capabilities();
        if !images.is_empty() && !capabilities.images {
            let message = format!("the provider {} does not look at images", entry.provider.name());
            return Err(TurnError::new(TurnErrorCode::Unsupported, message));
        }
        // Whoever gives words back is asked about these alone: a prompt may join them with older ones.
        let mut earlier = if capabilities.verbatim { &[] } else { job.earlier.as_slice() };
        loop {
            let ingredients = Ingredients {
                persona,
                style,
                earlier,
                knowledge: &job.turn.context.knowledge,
                said: said.as_str(),
                images,
            };
            let prompt = ingredients.prompt(self.prompts(), capabilities)?;
            let choice = &job.turn.choice;
            let sampling =
                choice.sampling.clone().or(&prompt.sampling).or(&choice.surface_sampling);
            let reserved =
                usize::try_from(sampling.max_tokens.unwrap_or(256)).unwrap_or(usize::MAX);
            let request = Request::new(prompt.input, sampling, job.lane.clone());
            let fits = match (entry.provider.count_tokens(&request), capabilities.context_length) {
                (Some(tokens), Some(context)) => tokens + reserved.min(context / 2) <= context,
                _ => true,
            };
            match earlier {
                [_, rest @ ..] if !fits => earlier = rest,
                _ => return Ok((request, ingredients.limit())),
            }
        }
    }
}
