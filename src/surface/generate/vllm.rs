//! vLLM's `POST /generate`: a prompt and how to draw, and back the prompt with what follows it.
//!
//! Ranges and messages are those of vLLM 0.2.7, the last one whose clients are found on this path. A
//! stream is cumulative: each piece is an object with the whole text so far, and ends with a NUL.

mod stream;

use std::{cmp::Ordering, sync::Arc};

use actix_web::{HttpResponse, web::Data};
use anima_provider::{Input, LaneId, Request, Sampling, TextPart};
use serde_json::json;

use super::super::{
    House,
    answers::{Answer, Answers, Asked, Asking, MOST_CHOICES},
    error::HttpError,
    openai::{Target, target},
    parameters::Parameters,
};
use crate::{
    access::Caller,
    settings::unknown_name,
    turn::{
        TurnId,
        pipeline::{Place, Relay},
    },
};

/// Tokens of an answer, where a call does not say.
const MAX_TOKENS: u32 = 16;

/// What a call may have, beside what is handed on to a server.
const KNOWN: [&str; 18] = [
    "prompt",
    "stream",
    "model",
    "n",
    "best_of",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "stop",
    "max_tokens",
    "logprobs",
    "prompt_logprobs",
    "use_beam_search",
    "early_stopping",
];

/// What a server is asked for that has it; a value that changes nothing is dropped.
const HANDED_ON: [&str; 8] = [
    "length_penalty",
    "stop_token_ids",
    "include_stop_str_in_output",
    "ignore_eos",
    "skip_special_tokens",
    "spaces_between_special_tokens",
    "seed",
    "min_tokens",
];

/// Whether a call may have a field of this name.
pub(super) fn knows(name: &str) -> bool {
    KNOWN.contains(&name) || HANDED_ON.contains(&name)
}

/// A call, checked.
struct Call {
    prompt: String,
    asking: Asking,
    /// How many of the answers are given.
    n: usize,
    stream: bool,
}

/// Answers a call.
pub(super) async fn answer(
    house: Data<House>,
    caller: &Caller,
    parameters: Parameters,
    unknown: Option<String>,
) -> Result<HttpResponse, HttpError> {
    let call = Call::read(&house, parameters, unknown)?;
    let place = house.conversation.admit(&caller.take_turn()?)?;
    if call.stream && call.n == usize::try_from(call.asking.each).unwrap_or(usize::MAX) {
        return stream::respond(house, call, place).await;
    }
    let is_stream = call.stream;
    let texts = best(house, call, place).await?;
    let object = json!({ "text": texts });
    if is_stream {
        // Which ones are the best is known when all are there.
        return Ok(HttpResponse::Ok().content_type(stream::KIND).body(format!("{object}\0")));
    }
    Ok(HttpResponse::Ok().json(object))
}

/// The `n` likeliest of the answers, each behind its prompt; those that are all given stay in their
/// order.
async fn best(house: Data<House>, call: Call, place: Place) -> Result<Vec<String>, HttpError> {
    let Call { prompt, asking, n, .. } = call;
    let mut answers = Answers::begin(house, asking, place);
    let mut found = Vec::new();
    loop {
        found.push(answers.whole().await?);
        if !answers.go_on() {
            break;
        }
    }
    if found.len() > n {
        let likelihood =
            |answer: &Answer| answer.logprobs.iter().map(|told| told.token.logprob).sum::<f64>();
        let falling = |one: &Answer, other: &Answer| {
            likelihood(other).partial_cmp(&likelihood(one)).unwrap_or(Ordering::Equal)
        };
        found.sort_by(falling);
        found.truncate(n);
    }
    Ok(found.into_iter().map(|answer| format!("{prompt}{}", answer.text)).collect())
}

impl Call {
    fn read(
        house: &House,
        mut parameters: Parameters,
        unknown: Option<String>,
    ) -> Result<Self, HttpError> {
        let parameters = &mut parameters;
        let prompt = parameters.text("prompt")?.ok_or_else(|| {
            let message = "prompt is required (or context, for the text generator)";
            HttpError::parameter("prompt", message).with_code("missing_required_parameter")
        })?;
        if let Some(name) = unknown {
            let known = KNOWN.iter().chain(&HANDED_ON).copied().collect::<Vec<_>>();
            let message = unknown_name("parameter", &name, known.into_iter());
            return Err(HttpError::parameter(&name, message).with_code("unknown_parameter"));
        }
        let stream = parameters.truth("stream")?.unwrap_or(false);
        let provider = match target(&house.conversation, parameters.text("model")?)? {
            Target::Provider(provider) => provider,
            Target::Persona(name) => {
                let message = format!("the persona {name} goes on with no prompt: name a provider");
                return Err(HttpError::unsupported("model", message));
            }
        };
        refuse_beams(parameters)?;
        let n = parameters.whole("n", 1, MOST_CHOICES)?.unwrap_or(1);
        let best_of = parameters.whole("best_of", 1, MOST_CHOICES)?.unwrap_or(n);
        let sampling = sampling(parameters)?;
        if best_of < n {
            let message = format!(
                "best_of must be greater than or equal to n, got n={n} and best_of={best_of}."
            );
            return Err(HttpError::parameter("best_of", message));
        }
        if best_of > 1 && sampling.temperature.is_some_and(|temperature| temperature < GREEDY) {
            let message = format!("best_of must be 1 when using greedy sampling, got {best_of}.");
            return Err(HttpError::parameter("best_of", message));
        }
        for name in ["logprobs", "prompt_logprobs"] {
            // They are taken, and not told: this path gives texts.
            parameters.whole(name, 0, i64::MAX)?;
        }
        let id = TurnId::generate();
        let parts = vec![TextPart::Template(prompt.clone())];
        let request = Request {
            extra: parameters.handed_on(1)?,
            // By these the best ones are found.
            logprobs: (best_of > n).then_some(0),
            ..Request::new(Input::Text { parts }, sampling, LaneId(id.to_string()))
        };
        let relay = Relay::new(id.clone(), provider, Arc::new(request));
        let each = u32::try_from(best_of).unwrap_or(1);
        let asking = Asking { id, asked: vec![Asked::Provider(relay)], each };
        Ok(Self { prompt, asking, n: usize::try_from(n).unwrap_or(1), stream })
    }
}

/// Temperatures below this are greedy.
const GREEDY: f64 = 1e-5;

/// What belongs to a beam search, which there is not.
fn refuse_beams(parameters: &mut Parameters) -> Result<(), HttpError> {
    if parameters.truth("use_beam_search")? == Some(true) {
        let message = "use_beam_search is not supported: the models here draw one token after the \
            other; send n and a temperature instead, or ask a server that searches beams";
        return Err(HttpError::unsupported("use_beam_search", message));
    }
    match parameters.any("early_stopping") {
        None | Some(serde_json::Value::Bool(false)) => Ok(()),
        Some(_) => {
            let message =
                "early_stopping is not effective and must be False when not using beam search.";
            Err(HttpError::parameter("early_stopping", message))
        }
    }
}

/// How an answer is drawn, by vLLM's ranges.
fn sampling(parameters: &mut Parameters) -> Result<Sampling, HttpError> {
    let refuse = |name: &str, rule: &str, got: f64| {
        HttpError::parameter(name, format!("{name} {rule}, got {got}."))
    };
    let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    let temperature = parameters.number("temperature")?.unwrap_or(1.0);
    if temperature < 0.0 {
        return Err(refuse("temperature", "must be non-negative", temperature));
    }
    let top_k = parameters.whole("top_k", i64::MIN, i64::MAX)?.unwrap_or(-1);
    if top_k < -1 || top_k == 0 {
        let message = format!("top_k must be -1 (disable), or at least 1, got {top_k}.");
        return Err(HttpError::parameter("top_k", message));
    }
    let mut within =
        |name: &str, range: &str, is_within: fn(f64) -> bool| match parameters.number(name)? {
            Some(value) if !is_within(value) => {
                Err(refuse(name, &format!("must be in {range}"), value))
            }
            value => Ok(value),
        };
    let penalty = |value: f64| (-2.0..=2.0).contains(&value);
    let presence_penalty = within("presence_penalty", "[-2, 2]", penalty)?;
    let frequency_penalty = within("frequency_penalty", "[-2, 2]", penalty)?;
    let repetition_penalty =
        within("repetition_penalty", "(0, 2]", |value| value > 0.0 && value <= 2.0)?;
    let top_p = within("top_p", "(0, 1]", |value| value > 0.0 && value <= 1.0)?;
    let min_p = within("min_p", "[0, 1]", |value| (0.0..=1.0).contains(&value))?;
    let max_tokens = parameters.whole("max_tokens", 1, i64::MAX)?.map_or(MAX_TOKENS, count);
    let sampling = Sampling {
        temperature: Some(if temperature < GREEDY { 0.0 } else { temperature }),
        top_p: Some(top_p.unwrap_or(1.0)),
        top_k: Some(count(top_k.max(0))),
        min_p,
        repetition_penalty: Some(repetition_penalty.unwrap_or(1.0)),
        frequency_penalty,
        presence_penalty,
        max_tokens: Some(max_tokens),
        stop: parameters.stop()?,
    };
    sampling
        .validate()
        .map_err(|(name, range)| HttpError::parameter(name, format!("{name} must be {range}")))?;
    Ok(sampling)
}
