//! What a provider is asked: the prompt, with as much of the history and of what is known as its
//! context holds.

use std::sync::Arc;

use anima_provider::{Request, Sampling};

use super::{Job, Lineup, checking::Checking, errand::Errand, evidence};
use crate::{
    registry::Entry,
    turn::{
        Task, TurnError, TurnErrorCode,
        check::{Check, Grounds},
        filter::Words,
        knowledge::{Passage, brought},
        prompt::{Ingredients, Persona, Style},
        stages::Stages,
    },
};

/// The most randomness of a persona whose check is strict.
const STRICT_TEMPERATURE: f64 = 0.2;
/// The most probability mass that it draws from.
const STRICT_TOP_P: f64 = 0.5;

/// Everything that an attempt needs.
pub(super) struct Prepared {
    /// What the provider is asked.
    pub(super) request: Request,
    /// What its answer goes through.
    pub(super) stages: Stages,
    /// Who helps to check it.
    pub(super) checking: Checking,
}

impl Lineup {
    /// Those who are asked.
    pub(super) fn asked(&self, errand: &Errand) -> Result<Vec<Entry>, TurnError> {
        match errand {
            Errand::Turn { job, .. } => {
                let persona = self.persona(&job.turn, &job.settings)?;
                self.candidates(&job.turn, &job.settings, persona)
            }
            Errand::Relay(relay) => self.registry().pick(relay.provider.as_deref()),
        }
    }

    /// What the answers are held against, gathered once a turn; `None` where nothing is checked.
    pub(super) fn grounds(&self, errand: &Errand) -> Result<Option<Arc<Grounds>>, TurnError> {
        let (job, known) = match errand {
            Errand::Turn { job, known } => (job, known),
            Errand::Relay(relay) => {
                let knowledge = relay.checked_by.as_ref();
                let of_call = |knowledge| evidence::of_call(&relay.request.input, knowledge);
                return Ok(knowledge.map(|knowledge| Arc::new(of_call(knowledge))));
            }
        };
        let persona = self.persona(&job.turn, &job.settings)?;
        let checked = !persona.check.is_off();
        Ok(checked.then(|| Arc::new(evidence::grounds(persona, job, known.as_deref()))))
    }

    /// The request that is made to a provider, and what its answer goes through.
    pub(super) fn prepare(
        &self,
        errand: &Errand,
        entry: &Entry,
        grounds: Option<&Arc<Grounds>>,
    ) -> Result<Prepared, TurnError> {
        let (job, known) = match errand {
            Errand::Turn { job, known } => (job, known.as_deref().unwrap_or_default()),
            Errand::Relay(relay) => return relay.prepare(self, entry, grounds),
        };
        let persona = self.persona(&job.turn, &job.settings)?;
        let style = self.style(&job.turn, persona)?;
        let (request, limit) = self.request(job, known, persona, style, entry)?;
        if entry.provider.capabilities().verbatim {
            let stages = Stages::for_speech().without(persona.words());
            return Ok(Prepared { request, stages, checking: Checking::none() });
        }
        let checking = match grounds {
            Some(grounds) => {
                let unknown = !grounds.is_grounded();
                let sampler =
                    if unknown { self.sampler(job, known, entry, &request) } else { None };
                Checking::new(self, entry, &job.lane, sampler)
            }
            None => Checking::none(),
        };
        let (help, patience) = (checking.help(), checking.patience());
        let check = Check::new(grounds.cloned(), help, patience);
        let stages = Stages::new(limit, &style.cut).checked(check).without(persona.words());
        Ok(Prepared { request, stages, checking })
    }

    /// The words that whoever speaks a text does not say.
    pub(super) fn words_of(&self, errand: &Errand) -> Option<&Words> {
        let Errand::Turn { job, .. } = errand else { return None };
        self.persona(&job.turn, &job.settings).ok()?.words()
    }

    /// Who gives further answers where nothing is known, and what it is asked. A local engine is not:
    /// other turns would wait for it.
    fn sampler(
        &self,
        job: &Job,
        known: &[Passage],
        entry: &Entry,
        request: &Request,
    ) -> Option<(Entry, Request)> {
        let settings = self.check();
        if settings.samples == 0 {
            return None;
        }
        let (from, mut request) = match &settings.samples_from {
            None => (entry.clone(), request.clone()),
            Some(name) => {
                let from = self.registry().pick(Some(name)).ok()?.into_iter().next()?;
                let persona = self.persona(&job.turn, &job.settings).ok()?;
                let style = self.style(&job.turn, persona).ok()?;
                let (request, _) = self.request(job, known, persona, style, &from).ok()?;
                (from, request)
            }
        };
        request.sampling.temperature = Some(1.0);
        request.sampling.top_p = Some(1.0);
        (!from.health.is_local()).then_some((from, request))
    }

    /// The request to a provider, with as much of the history and then of the passages as its context
    /// holds, and the limit of the answer's length.
    fn request(
        &self,
        job: &Job,
        known: &[Passage],
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
        let brought = brought(&job.turn.context.knowledge);
        let passages: Vec<Passage> = brought.chain(known.iter().cloned()).collect();
        let mut knowledge = passages.as_slice();
        loop {
            let ingredients =
                Ingredients { persona, style, earlier, knowledge, said: said.as_str(), images };
            let prompt = ingredients.prompt(self.prompts(), capabilities)?;
            let choice = &job.turn.choice;
            let sampling =
                choice.sampling.clone().or(&prompt.sampling).or(&choice.surface_sampling);
            let sampling = if persona.check.is_strict() { careful(sampling) } else { sampling };
            let reserved =
                usize::try_from(sampling.max_tokens.unwrap_or(256)).unwrap_or(usize::MAX);
            let request = Request::new(prompt.input, sampling, job.lane.clone());
            let fits = match (entry.provider.count_tokens(&request), capabilities.context_length) {
                (Some(tokens), Some(context)) => tokens + reserved.min(context / 2) <= context,
                _ => true,
            };
            match (earlier, knowledge) {
                ([_, rest @ ..], _) if !fits => earlier = rest,
                // The caller's come first, and are the last to go.
                (_, [rest @ .., _]) if !fits => knowledge = rest,
                _ => return Ok((request, ingredients.limit())),
            }
        }
    }
}

/// The sampling of a persona whose check is strict: never more random than that, whoever asks for it.
fn careful(sampling: Sampling) -> Sampling {
    let temperature = sampling.temperature.map_or(0.0, |wanted| wanted.min(STRICT_TEMPERATURE));
    let top_p = sampling.top_p.map_or(STRICT_TOP_P, |wanted| wanted.min(STRICT_TOP_P));
    Sampling { temperature: Some(temperature), top_p: Some(top_p), ..sampling }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strict_persona_is_never_drawn_more_randomly() {
        let drawn = |temperature, top_p| {
            let sampling = careful(Sampling { temperature, top_p, ..Sampling::default() });
            (sampling.temperature, sampling.top_p)
        };
        assert_eq!(drawn(Some(0.9), Some(0.95)), (Some(0.2), Some(0.5)));
        assert_eq!(drawn(Some(0.1), Some(0.3)), (Some(0.1), Some(0.3)));
        // The provider's own default may be to be greedy.
        assert_eq!(drawn(None, None), (Some(0.0), Some(0.5)));
    }
}
