//! `POST /v1/completions`: texts that are gone on with.
//!
//! A model that is tuned for conversations gets each prompt as the message of a user, in the template
//! that it was tuned on; one that is not gets it as it stands. `raw` decides where a caller knows
//! better.

mod chunk;
mod likelihood;

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    web::{Bytes, Data},
};
use anima_provider::{Input, Message, Request, Role, TextPart};
use jiff::Timestamp;
use serde_json::json;

use super::{
    super::{
        House,
        answers::{Answers, Asked},
        body::Body,
        parameters::Parameters,
    },
    HttpError,
    body::{self, CallBody, Subject, TextOrTokens},
    call::{Call, Manner, Target},
    chunk::cost,
    finish_reason, format, stream,
};
use crate::{
    access::Caller,
    session::CommandError,
    turn::pipeline::{Place, Relay},
};
use chunk::TextWriter;
use likelihood::Likelihoods;

/// Most prompts of a call.
const MOST_PROMPTS: usize = 16;

impl Subject for TextOrTokens {
    const FIELD: &'static str = "prompt";
}

/// A call for texts.
struct Completion {
    call: Call,
    /// What the answers begin with, by question; empty where prompts are not repeated.
    echoes: Vec<String>,
}

/// Goes on with a text.
pub(super) async fn complete(
    house: Data<House>,
    caller: Caller,
    body: Body,
) -> Result<HttpResponse, HttpError> {
    if !house.directory.is_open() {
        return Err(CommandError::ShuttingDown.into());
    }
    let bytes = body.read(house.server.max_message_bytes).await?;
    let completion = read(&house, &bytes)?;
    let place = house.conversation.admit(&caller.take_turn()?)?;
    if completion.call.stream {
        let Completion { call, echoes } = completion;
        let writer = TextWriter::new(
            format!("cmpl-{}", call.asking.id),
            Timestamp::now().as_second(),
            call.with_usage,
            (echoes, call.asking.each),
        );
        stream::tell(house, call, place, writer).await
    } else {
        whole(house, completion, place).await
    }
}

fn read(house: &House, bytes: &Bytes) -> Result<Completion, HttpError> {
    let CallBody { subject, mut parameters } = CallBody::<TextOrTokens>::read(bytes)?;
    let parameters = &mut parameters;
    let conversation = &house.conversation;
    let manner = Manner::read(conversation, parameters)?;
    let prompts = body::texts(subject, "prompt", MOST_PROMPTS)?;
    let (echo, raw) = (parameters.truth("echo")?.unwrap_or(false), parameters.truth("raw")?);
    if parameters.text("suffix")?.is_some_and(|suffix| !suffix.is_empty()) {
        let message = "suffix is not supported: models here go on with a text and fill no gaps; \
            put what follows into the prompt";
        return Err(HttpError::unsupported("suffix", message));
    }
    if parameters.any("anima").is_some() {
        let message = "texts are not checked: ask for the next message, by /v1/chat/completions";
        return Err(HttpError::unsupported("anima", message));
    }
    let logprobs = logprobs(parameters, echo)?;
    let request = Request {
        output: format::read(parameters)?,
        logprobs,
        extra: parameters.handed_on(manner.choices)?,
        ..Request::new(text(String::new()), parameters.sampling()?, manner.lane.clone())
    };
    let asked = prompts.iter().map(|prompt| {
        let request = request.clone();
        match &manner.target {
            Target::Provider(provider) => {
                Ok(Asked::Provider(relay(&manner, provider.clone(), request, prompt, raw)))
            }
            Target::Persona(name) if raw == Some(true) => {
                let message = format!("the persona {name} answers people: for raw name a provider");
                Err(HttpError::unsupported("raw", message))
            }
            Target::Persona(name) => {
                let request = Request { input: message(prompt.clone()), ..request };
                let asked = manner.persona(conversation, name, request);
                asked.map_err(|error| error.with_param("prompt"))
            }
        }
    });
    let asked = asked.collect::<Result<_, _>>()?;
    let echoes = if echo { prompts } else { Vec::new() };
    Ok(Completion { call: manner.call(asked), echoes })
}

/// What a provider is asked.
fn relay(
    manner: &Manner,
    provider: Option<String>,
    request: Request,
    prompt: &str,
    raw: Option<bool>,
) -> Relay {
    let prompt = prompt.to_owned();
    let (input, otherwise) = match raw {
        Some(true) => (text(prompt), None),
        Some(false) => (message(prompt), None),
        None => (message(prompt.clone()), Some(Arc::new(text(prompt)))),
    };
    let request = Arc::new(Request { input, ..request });
    Relay { otherwise, ..Relay::new(manner.id.clone(), provider, request) }
}

/// A prompt as it stands; what a caller writes is meant, special tokens included.
fn text(prompt: String) -> Input {
    Input::Text { parts: vec![TextPart::Template(prompt)] }
}

/// A prompt as what a user says.
fn message(prompt: String) -> Input {
    Input::Chat { system: None, messages: vec![Message::new(Role::User, prompt)] }
}

/// How many of the likeliest tokens are told in each place.
fn logprobs(parameters: &mut Parameters, echo: bool) -> Result<Option<u8>, HttpError> {
    let most = parameters.whole("logprobs", 0, 20)?;
    if most.is_some() && echo {
        let message = "logprobs are told of the answer and not of the prompt: leave echo out";
        return Err(HttpError::unsupported("logprobs", message));
    }
    Ok(most.and_then(|most| u8::try_from(most).ok()))
}

async fn whole(
    house: Data<House>,
    completion: Completion,
    place: Place,
) -> Result<HttpResponse, HttpError> {
    let Completion { call, echoes } = completion;
    let id = call.asking.id.to_string();
    let mut answers = Answers::begin(house, call.asking, place);
    let mut choices = Vec::new();
    let model = loop {
        let answer = answers.whole().await?;
        let echo = echoes.get(answers.asking.question(answers.choice));
        let mut likelihoods = Likelihoods::default();
        let mut choice = json!({
            "index": answers.choice,
            "text": format!("{}{}", echo.map_or("", String::as_str), answer.text),
            "logprobs": likelihoods.take(&answer.logprobs),
            "finish_reason": finish_reason(answer.reason),
        });
        if let Some(checked) = &answer.checked {
            choice["anima"] = checked.report();
        }
        choices.push(choice);
        if !answers.go_on() {
            break answer.model;
        }
    };
    let mut whole = json!({
        "id": format!("cmpl-{id}"),
        "object": "text_completion",
        "created": Timestamp::now().as_second(),
        "model": model,
        "choices": choices,
    });
    if let Some(usage) = answers.usage() {
        whole["usage"] = cost(usage);
    }
    Ok(HttpResponse::Ok().insert_header(("x-request-id", id)).json(whole))
}
