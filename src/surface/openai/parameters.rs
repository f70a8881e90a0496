//! What the parameters of a call mean: how its answer is drawn, and what a server is asked for.

use anima_provider::Sampling;
use serde_json::{Map, Value};

use super::{super::parameters::Parameters, HttpError};

/// What has a meaning here, beside what is [`HANDED_ON`] and what is [`REFUSED`].
const KNOWN: [&str; 35] = [
    "anima",
    "model",
    "stream",
    "stream_options",
    "n",
    "user",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "frequency_penalty",
    "presence_penalty",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "do_sample",
    "tools",
    "tool_choice",
    "response_format",
    "guided_json",
    "guided_regex",
    "guided_choice",
    "structured_outputs",
    "logprobs",
    "top_logprobs",
    "best_of",
    "modalities",
    "num_beams",
    "beam_width",
    "suffix",
    "echo",
    "raw",
    "encoding_format",
    "dimensions",
];

/// What servers know and the local engine does not, each with the value that changes nothing and is
/// therefore dropped.
const HANDED_ON: [(&str, &str); 19] = [
    ("seed", "null"),
    ("logit_bias", "{}"),
    ("parallel_tool_calls", "true"),
    ("reasoning_effort", "null"),
    ("verbosity", "null"),
    ("thinking", "null"),
    ("enable_thinking", "null"),
    ("chat_template", "null"),
    ("chat_template_kwargs", "{}"),
    ("min_tokens", "0"),
    ("ignore_eos", "false"),
    ("stop_token_ids", "[]"),
    ("include_stop_str_in_output", "false"),
    ("skip_special_tokens", "true"),
    ("spaces_between_special_tokens", "true"),
    ("use_beam_search", "false"),
    ("length_penalty", "1"),
    ("early_stopping", "false"),
    ("guided_grammar", "null"),
];

/// Why there are no more candidates than answers.
const NO_BEAMS: &str = "is not supported: there is no beam search here, and no choice among more \
    answers than are given; ask for n answers, or name a provider of kind openai whose server has \
    use_beam_search";

/// What would change the answer and cannot be done here, with the way out.
const REFUSED: [(&str, &str); 4] = [
    ("functions", "functions are the old form of tools: send tools"),
    ("function_call", "function_call is the old form of tool_choice: send tools and tool_choice"),
    ("audio", "there is no audio here: ask for text"),
    ("web_search_options", "nobody searches the web here: leave web_search_options out"),
];

impl Parameters {
    /// Whether a parameter of this name has a meaning.
    pub(in crate::surface) fn knows(name: &str) -> bool {
        KNOWN.contains(&name)
            || HANDED_ON.iter().any(|(known, _)| *known == name)
            || REFUSED.iter().any(|(known, _)| *known == name)
    }

    /// How the answer is drawn.
    pub(in crate::surface) fn sampling(&mut self) -> Result<Sampling, HttpError> {
        let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        // The second one is the name that it had before; callers of either mean the same.
        let limit = self.whole("max_completion_tokens", 1, i64::MAX)?;
        let limit = limit.or(self.whole("max_tokens", 1, i64::MAX)?);
        let mut sampling = Sampling {
            temperature: self.number("temperature")?,
            top_p: self.number("top_p")?,
            // All tokens are −1 to vLLM, and 0 to us.
            top_k: self.whole("top_k", -1, i64::MAX)?.map(|top_k| count(top_k.max(0))),
            min_p: self.number("min_p")?,
            repetition_penalty: self.number("repetition_penalty")?,
            frequency_penalty: self.number("frequency_penalty")?,
            presence_penalty: self.number("presence_penalty")?,
            max_tokens: limit.map(count),
            stop: self.stop()?,
        };
        if self.truth("do_sample")? == Some(false) {
            sampling.temperature = Some(0.0);
        }
        sampling.validate().map_err(|(name, range)| {
            HttpError::parameter(name, format!("{name} must be {range}"))
        })?;
        Ok(sampling)
    }

    /// What is asked of a server, without what changes nothing. `choices` answers are wanted.
    ///
    /// # Errors
    /// When there is something that nobody here can do.
    pub(in crate::surface) fn handed_on(
        &mut self,
        choices: u32,
    ) -> Result<Map<String, Value>, HttpError> {
        for (name, way_out) in REFUSED {
            if self.any(name).is_some() {
                return Err(HttpError::unsupported(name, way_out));
            }
        }
        let text = |kind: &Value| kind == "text";
        if let Some(kinds) = self.any("modalities")
            && !kinds.as_array().is_some_and(|kinds| kinds.iter().all(text))
        {
            return Err(HttpError::unsupported(
                "modalities",
                "there is text here and nothing else",
            ));
        }
        for (name, most) in [("best_of", choices), ("num_beams", 1), ("beam_width", 1)] {
            if self.whole(name, 1, i64::MAX)?.is_some_and(|number| number > i64::from(most)) {
                return Err(HttpError::unsupported(name, format!("{name} {NO_BEAMS}")));
            }
        }
        let mut further = Map::new();
        for (name, neutral) in HANDED_ON {
            if let Some(value) = self.any(name)
                && !is_neutral(&value, neutral)
            {
                further.insert(name.to_owned(), value);
            }
        }
        Ok(further)
    }
}

fn is_neutral(value: &Value, neutral: &str) -> bool {
    let is_same_number = || Some(value.as_f64()?.total_cmp(&neutral.parse().ok()?).is_eq());
    is_same_number().unwrap_or_else(|| {
        serde_json::from_str(neutral).is_ok_and(|neutral: Value| neutral == *value)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parameters(values: &Value) -> Parameters {
        let mut parameters = Parameters::default();
        for (name, value) in values.as_object().unwrap() {
            assert!(Parameters::knows(name), "{name}");
            parameters.put(name.clone(), value.clone());
        }
        parameters
    }

    #[test]
    fn sampling_is_read_under_all_its_names() {
        let sampling = parameters(&json!({
            "temperature": 0.5, "top_p": null, "top_k": -1, "max_tokens": 7,
            "max_completion_tokens": 9_000_000_000_u64, "stop": "。",
        }))
        .sampling()
        .unwrap();
        let expected = Sampling {
            temperature: Some(0.5),
            top_k: Some(0),
            max_tokens: Some(u32::MAX),
            stop: vec!["。".to_owned()],
            ..Sampling::default()
        };
        assert_eq!(sampling, expected);
        let greedy = parameters(&json!({ "do_sample": false, "temperature": 1 })).sampling();
        assert_eq!(greedy.unwrap().temperature, Some(0.0));
    }

    #[test]
    fn what_changes_nothing_is_dropped_and_the_rest_is_handed_on() {
        let neutral = json!({
            "seed": null, "logit_bias": {}, "parallel_tool_calls": true, "length_penalty": 1.0,
            "use_beam_search": false, "best_of": 1, "stop_token_ids": [], "modalities": ["text"],
        });
        assert!(parameters(&neutral).handed_on(1).unwrap().is_empty());
        let asked = json!({ "seed": 0, "length_penalty": 1.5, "ignore_eos": true });
        assert_eq!(Value::Object(parameters(&asked).handed_on(1).unwrap()), asked);
    }
}
