//! From what is asked to what the engine is told.

use anima_provider::{ProviderError, Sampling};
use mistralrs::{SamplingParams, StopTokens};

/// Most tokens of an answer where nobody says.
const DEFAULT_MAX_TOKENS: u32 = 512;

/// The engine enlarges its cache by so many tokens at a time.
const CACHE_STEP: usize = 512;

/// How one answer is drawn.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What the engine is told; `max_len` is always set.
    pub(crate) parameters: SamplingParams,
    /// Most tokens of the answer.
    pub(crate) max_tokens: usize,
    /// Texts at which the answer ends, which the engine is not told.
    pub(crate) stop: Vec<String>,
}

/// What holds for every answer of a model.
#[derive(Debug)]
pub(crate) struct Limits {
    /// What the settings say, and where they do not, the makers of the model.
    pub(crate) defaults: Sampling,
    /// Tokens of prompt and answer that the model was made for.
    pub(crate) trained_length: usize,
    /// Tokens of prompt and answer as capped by the settings.
    pub(crate) context_length: usize,
    /// End tokens that the engine does not know.
    pub(crate) end_tokens: Vec<u32>,
}

impl Limits {
    /// Plans the answer to a prompt of `prompt_tokens`.
    ///
    /// Strongest first: the request, the settings, the makers of the model, then temperature 0.7
    /// and top-p 0.9.
    pub(crate) fn plan(
        &self,
        asked: Sampling,
        prompt_tokens: usize,
    ) -> Result<Plan, ProviderError> {
        asked.validate().map_err(|(name, range)| ProviderError::InvalidRequest {
            message: format!("{name} must be {range}"),
        })?;
        let context_length = self.usable(prompt_tokens);
        let Some(room @ 1..) = context_length.checked_sub(prompt_tokens) else {
            return Err(ProviderError::ContextOverflow { prompt_tokens, context_length });
        };
        let sampling = asked.or(&self.defaults);
        let wanted = sampling.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
        let max_tokens = usize::try_from(wanted).unwrap_or(usize::MAX).min(room);
        let mut parameters = parameters(&sampling);
        parameters.max_len = Some(max_tokens);
        if !self.end_tokens.is_empty() {
            parameters.stop_toks = Some(StopTokens::Ids(self.end_tokens.clone()));
        }
        Ok(Plan { parameters, max_tokens, stop: sampling.stop })
    }

    /// Plans a text of exactly `tokens`, whatever the settings say of drawing.
    pub(crate) fn plan_whole(
        &self,
        prompt_tokens: usize,
        tokens: usize,
    ) -> Result<Plan, ProviderError> {
        let context_length = self.usable(prompt_tokens);
        // One more, because the end is a token, too.
        let max_tokens = tokens + 1;
        if prompt_tokens + max_tokens > context_length {
            let prompt_tokens = prompt_tokens + max_tokens;
            return Err(ProviderError::ContextOverflow { prompt_tokens, context_length });
        }
        let parameters = SamplingParams {
            max_len: Some(max_tokens),
            stop_toks: (!self.end_tokens.is_empty())
                .then(|| StopTokens::Ids(self.end_tokens.clone())),
            ..SamplingParams::deterministic()
        };
        Ok(Plan { parameters, max_tokens, stop: Vec::new() })
    }

    /// Tokens that a prompt of this length and its answer may have together.
    ///
    /// The engine's cache begins with whole steps for the prompt and fails when it would grow over
    /// the length that the model was made for, so what is left of the last step is not usable.
    fn usable(&self, prompt_tokens: usize) -> usize {
        let begins_with = prompt_tokens.div_ceil(CACHE_STEP).max(1) * CACHE_STEP;
        let grows_to = if begins_with >= self.trained_length {
            self.trained_length
        } else {
            self.trained_length / CACHE_STEP * CACHE_STEP
        };
        grows_to.min(self.context_length)
    }
}

/// Translates `sampling`, which may be empty.
fn parameters(sampling: &Sampling) -> SamplingParams {
    let penalties = SamplingParams {
        frequency_penalty: sampling.frequency_penalty.map(single),
        presence_penalty: sampling.presence_penalty.map(single),
        repetition_penalty: sampling.repetition_penalty.map(single),
        ..SamplingParams::neutral()
    };
    let unsaid = sampling.temperature.is_none() && sampling.top_p.is_none();
    let temperature = sampling.temperature.unwrap_or(if unsaid { 0.7 } else { 1.0 });
    if temperature == 0.0 || sampling.top_k == Some(1) {
        return SamplingParams { temperature: Some(0.0), top_k: Some(1), ..penalties };
    }
    let top_p = sampling.top_p.or(unsaid.then_some(0.9)).filter(|top_p| *top_p < 1.0);
    let min_p = sampling.min_p.filter(|min_p| *min_p > 0.0);
    SamplingParams {
        temperature: Some(temperature),
        top_k: sampling
            .top_k
            .filter(|top_k| *top_k > 0)
            .and_then(|top_k| usize::try_from(top_k).ok()),
        // Without top-p the engine leaves min-p out.
        top_p: top_p.or(min_p.map(|_| 0.999)),
        // The engine takes 1 for "off"; it means: only the likeliest token.
        min_p: min_p.map(|min_p| min_p.min(0.999)),
        ..penalties
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the engine's penalties are single precision; the range is checked"
)]
fn single(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(trained_length: usize, context_length: usize) -> Limits {
        Limits {
            defaults: Sampling::default(),
            trained_length,
            context_length,
            end_tokens: Vec::new(),
        }
    }

    #[test]
    fn temperature_zero_is_greedy_and_keeps_penalties() {
        let sampling = Sampling {
            temperature: Some(0.0),
            top_p: Some(0.5),
            repetition_penalty: Some(1.5),
            ..Sampling::default()
        };
        let plan = limits(1024, 1024).plan(sampling, 10).unwrap().parameters;
        assert_eq!((plan.temperature, plan.top_k, plan.top_p), (Some(0.0), Some(1), None));
        assert_eq!(plan.repetition_penalty, Some(1.5));
    }

    #[test]
    fn nothing_said_means_a_little_randomness() {
        let plan = limits(1024, 1024).plan(Sampling::default(), 10).unwrap();
        assert_eq!((plan.parameters.temperature, plan.parameters.top_p), (Some(0.7), Some(0.9)));
        assert_eq!(plan.max_tokens, 512);
    }

    #[test]
    fn min_p_works_without_top_p_and_top_k_zero_means_all() {
        let sampling = Sampling {
            temperature: Some(1.0),
            min_p: Some(0.1),
            top_k: Some(0),
            ..Sampling::default()
        };
        let plan = limits(1024, 1024).plan(sampling, 10).unwrap().parameters;
        assert_eq!((plan.top_p, plan.min_p, plan.top_k), (Some(0.999), Some(0.1), None));
    }

    #[test]
    fn the_request_is_stronger_than_the_settings() {
        let mut limits = limits(1024, 1024);
        limits.defaults =
            Sampling { temperature: Some(0.2), max_tokens: Some(7), ..Sampling::default() };
        let asked =
            Sampling {
                temperature: Some(0.5), stop: vec!["。".to_owned()], ..Sampling::default()
            };
        let plan = limits.plan(asked, 10).unwrap();
        assert_eq!((plan.parameters.temperature, plan.max_tokens), (Some(0.5), 7));
        assert_eq!(plan.stop, ["。"]);
    }

    #[test]
    fn the_answer_ends_where_the_context_does() {
        for (trained, capped, prompt, room) in [
            (1024, 1024, 1000, Some(24)),
            (1024, 1024, 1023, Some(1)),
            (1024, 1024, 1024, None),
            (1024, 100, 99, Some(1)),
            (1024, 100, 100, None),
            (700, 700, 500, Some(12)),
            (700, 700, 600, Some(100)),
            (256, 256, 200, Some(56)),
        ] {
            let plan = limits(trained, capped)
                .plan(Sampling { max_tokens: Some(512), ..Sampling::default() }, prompt);
            assert_eq!(plan.ok().map(|plan| plan.max_tokens), room, "{trained} {capped} {prompt}");
        }
    }
}
