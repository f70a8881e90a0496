//! A call: everything that was asked for, checked once and not looked at again.

use std::sync::Arc;

use anima_provider::{LaneId, Request};
use serde_json::Value;

use super::{
    super::{
        House,
        answers::{Asked, Asking, MOST_CHOICES},
        parameters::Parameters,
    },
    HttpError,
    beside::Beside,
    body::CallBody,
    format,
    messages::{self, WireMessage},
    persona, tools,
};
use crate::{
    history::SessionSettings,
    settings::unknown_name,
    turn::{
        Turn, TurnError, TurnErrorCode, TurnId,
        pipeline::{Conversation, Job, Relay},
    },
};

/// A call for answers, and how they are told.
pub(super) struct Call {
    /// What is asked.
    pub(super) asking: Asking,
    /// Whether the answers are streamed.
    pub(super) stream: bool,
    /// Whether a stream tells at its end what it cost.
    pub(super) with_usage: bool,
}

/// Who a model's name means.
pub(in crate::surface) enum Target {
    /// A provider; `None` is the default.
    Provider(Option<String>),
    /// A persona.
    Persona(String),
}

/// What a call says of its answers, whatever it asks.
pub(super) struct Manner {
    pub(super) id: TurnId,
    pub(super) target: Target,
    /// How many answers there are to each question.
    pub(super) choices: u32,
    /// Whose call it is, for fair queueing.
    pub(super) lane: LaneId,
    stream: bool,
    with_usage: bool,
}

impl Manner {
    /// Reads what the calls of all paths may say.
    pub(super) fn read(
        conversation: &Conversation,
        parameters: &mut Parameters,
    ) -> Result<Self, HttpError> {
        let target = target(conversation, parameters.text("model")?)?;
        let stream = parameters.truth("stream")?.unwrap_or(false);
        let with_usage = stream_usage(parameters, stream)?;
        let choices = parameters.whole("n", 1, MOST_CHOICES)?.unwrap_or(1);
        let choices = u32::try_from(choices).unwrap_or(1);
        let id = TurnId::generate();
        let user = parameters.text("user")?;
        let lane = LaneId(user.map_or_else(|| id.to_string(), |user| format!("user {user}")));
        Ok(Self { id, target, choices, lane, stream, with_usage })
    }

    /// The call that asks this.
    pub(super) fn call(self, asked: Vec<Asked>) -> Call {
        let Self { id, choices, stream, with_usage, .. } = self;
        Call { asking: Asking { id, asked, each: choices }, stream, with_usage }
    }

    /// What a persona is asked by this request.
    pub(super) fn persona(
        &self,
        conversation: &Conversation,
        name: &str,
        request: Request,
    ) -> Result<Asked, HttpError> {
        let lane = request.lane.clone();
        let turn = persona::turn(self.id.clone(), name.to_owned(), request)?;
        Ok(Asked::Persona(Box::new(job(conversation, turn, lane)?)))
    }
}

impl Call {
    /// Reads a call for the next message of a conversation.
    ///
    /// # Errors
    /// What is wrong with it, and in which parameter.
    pub(super) fn read(house: &House, body: CallBody<WireMessage>) -> Result<Self, HttpError> {
        let CallBody { subject, mut parameters } = body;
        let parameters = &mut parameters;
        let conversation = &house.conversation;
        let manner = Manner::read(conversation, parameters)?;
        let (tools, tool_choice) = tools::read(parameters)?;
        let beside = Beside::read(parameters)?;
        let request = Request {
            output: format::read(parameters)?,
            logprobs: logprobs(parameters)?,
            extra: parameters.handed_on(manner.choices)?,
            tools,
            tool_choice,
            ..Request::new(messages::input(subject)?, parameters.sampling()?, manner.lane.clone())
        };
        let mut asked = match &manner.target {
            Target::Provider(provider) => {
                Asked::Provider(Relay::new(manner.id.clone(), provider.clone(), Arc::new(request)))
            }
            Target::Persona(name) => manner.persona(conversation, name, request)?,
        };
        if let Some(beside) = beside {
            beside.apply(&mut asked)?;
        }
        Ok(manner.call(vec![asked]))
    }
}

/// Whom a name means, where there is one.
///
/// # Errors
/// When nobody is called so.
pub(in crate::surface) fn target(
    conversation: &Conversation,
    model: Option<String>,
) -> Result<Target, HttpError> {
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
///
/// # Errors
/// When something that it names does not exist.
pub(in crate::surface) fn job(
    conversation: &Conversation,
    turn: Turn,
    lane: LaneId,
) -> Result<Job, HttpError> {
    let settings = SessionSettings::default();
    conversation.vet(&turn, &settings)?;
    let shown = conversation.turns_shown(&turn, &settings)?;
    let mut earlier = turn.context.supplied.clone().unwrap_or_default();
    earlier.drain(..earlier.len().saturating_sub(shown));
    Ok(Job { turn, earlier, settings, lane })
}
