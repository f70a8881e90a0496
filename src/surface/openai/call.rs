//! A call: everything that was asked for, checked once and not looked at again.

use std::sync::Arc;

use anima_provider::{LaneId, Request};
use serde_json::Value;

use super::{
    super::House, HttpError, body::CallBody, format, messages, parameters::Parameters, persona,
    tools,
};
use crate::{
    history::SessionSettings,
    settings::unknown_name,
    turn::{
        Turn, TurnError, TurnErrorCode, TurnId,
        pipeline::{Conversation, Job, Place, Relay, TurnStream},
    },
};

/// Most answers to one call.
const MOST_CHOICES: i64 = 10;

/// A call.
pub(super) struct Call {
    /// What it and its answer are called.
    pub(super) id: TurnId,
    /// What is asked.
    asked: Asked,
    /// How many answers are wanted.
    pub(super) choices: u32,
    /// Whether they are streamed.
    pub(super) stream: bool,
    /// Whether a stream tells at its end what it cost.
    pub(super) with_usage: bool,
}

enum Asked {
    /// A provider, which gets the call as it is.
    Provider(Relay),
    /// A persona.
    Persona(Box<Job>),
}

/// Who a model's name means.
enum Target {
    Provider(Option<String>),
    Persona(String),
}

impl Call {
    /// Reads a body.
    ///
    /// # Errors
    /// What is wrong with it, and in which parameter.
    pub(super) fn read(house: &House, bytes: &[u8]) -> Result<Self, HttpError> {
        let CallBody { messages, mut parameters } = CallBody::read(bytes)?;
        let parameters = &mut parameters;
        let conversation = &house.conversation;
        let target = target(conversation, parameters.text("model")?)?;
        let stream = parameters.truth("stream")?.unwrap_or(false);
        let with_usage = stream_usage(parameters, stream)?;
        let choices = parameters.whole("n", 1, MOST_CHOICES)?.unwrap_or(1);
        let id = TurnId::generate();
        let user = parameters.text("user")?;
        let lane = LaneId(user.map_or_else(|| id.to_string(), |user| format!("user {user}")));
        let (tools, tool_choice) = tools::read(parameters)?;
        let request = Request {
            output: format::read(parameters)?,
            logprobs: logprobs(parameters)?,
            extra: parameters.handed_on()?,
            tools,
            tool_choice,
            ..Request::new(messages::input(messages)?, parameters.sampling()?, lane)
        };
        let asked = match target {
            Target::Provider(provider) => {
                let request = Arc::new(request);
                Asked::Provider(Relay { id: id.clone(), provider, request })
            }
            Target::Persona(name) => {
                let lane = request.lane.clone();
                let turn = persona::turn(id.clone(), name, request)?;
                Asked::Persona(Box::new(job(conversation, turn, lane)?))
            }
        };
        let choices = u32::try_from(choices).unwrap_or(1);
        Ok(Self { id, asked, choices, stream, with_usage })
    }

    /// The persona that is asked.
    pub(super) fn persona(&self) -> Option<&str> {
        match &self.asked {
            Asked::Provider(_) => None,
            Asked::Persona(job) => job.turn.choice.persona.as_deref(),
        }
    }

    /// Begins one of its answers.
    pub(super) fn begin(&self, conversation: &Arc<Conversation>, place: Place) -> TurnStream {
        match &self.asked {
            Asked::Provider(relay) => conversation.relay(relay.clone(), place),
            Asked::Persona(job) => conversation.run(Job::clone(job), place),
        }
    }
}

fn target(conversation: &Conversation, model: Option<String>) -> Result<Target, HttpError> {
    let Some(name) = model else { return Ok(Target::Provider(None)) };
    let lineup = conversation.lineup();
    let (registry, prompts) = (lineup.registry(), lineup.prompts());
    if let Ok(provider) = registry.resolve(&name) {
        return Ok(Target::Provider(Some(provider.to_owned())));
    }
    if prompts.persona(&name).is_ok() {
        return Ok(Target::Persona(name));
    }
    Err(unknown_model(conversation, &name))
}

/// Nobody has this name; the message says who has the nearest.
pub(super) fn unknown_model(conversation: &Conversation, name: &str) -> HttpError {
    let lineup = conversation.lineup();
    let (registry, prompts) = (lineup.registry(), lineup.prompts());
    let personas = prompts.personas().map(|persona| persona.name.as_str());
    let aliases = registry.aliases().map(|(alias, _)| alias);
    let known: Vec<_> = registry.names().chain(aliases).chain(personas).collect();
    let message = unknown_name("model", name, known.into_iter());
    HttpError::from(TurnError::new(TurnErrorCode::NotFound, message)).with_param("model")
}

/// Whether the stream tells what it cost.
fn stream_usage(parameters: &mut Parameters, stream: bool) -> Result<bool, HttpError> {
    let name = "stream_options";
    let Some(options) = parameters.any(name) else { return Ok(false) };
    if !options.is_object() {
        return Err(HttpError::wrong_type(name, "an object"));
    }
    if !stream {
        return Err(HttpError::parameter(name, "stream_options is for streams: set stream"));
    }
    match &options["include_usage"] {
        Value::Null => Ok(false),
        Value::Bool(wanted) => Ok(*wanted),
        _ => Err(HttpError::wrong_type("stream_options.include_usage", "true or false")),
    }
}

fn logprobs(parameters: &mut Parameters) -> Result<Option<u8>, HttpError> {
    let wanted = parameters.truth("logprobs")?.unwrap_or(false);
    let most = parameters.whole("top_logprobs", 0, 20)?;
    if most.is_some_and(|most| most > 0) && !wanted {
        let message = "top_logprobs needs logprobs to be true";
        return Err(HttpError::parameter("top_logprobs", message));
    }
    Ok(wanted.then(|| u8::try_from(most.unwrap_or(0)).unwrap_or(0)))
}

/// A turn with as much of the conversation as its persona looks back on.
fn job(conversation: &Conversation, turn: Turn, lane: LaneId) -> Result<Job, HttpError> {
    let settings = SessionSettings::default();
    conversation.vet(&turn, &settings)?;
    let shown = conversation.turns_shown(&turn, &settings)?;
    let mut earlier = turn.context.supplied.clone().unwrap_or_default();
    earlier.drain(..earlier.len().saturating_sub(shown));
    Ok(Job { turn, earlier, settings, lane })
}
