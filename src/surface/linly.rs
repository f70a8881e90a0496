//! `POST /`: the call of Linly-Talker's server. Its second API, which is another program, is in
//! [`talker`].
//!
//! Shapes from Linly-Talker's `LLM/Linly-api-fast.py`: a JSON object of any content type, of which
//! only `prompt` is required; the answer is `{"response", "status": 200, "time"}`, and `check`, what
//! the check says of it. What that server ignores is honoured here: `history` is shown to the model,
//! and with `session` the turn is remembered.

pub(super) mod talker;

use std::sync::Arc;

use actix_web::{HttpResponse, ResponseError, web};
use anima_provider::{LaneId, Sampling};
use arc_swap::ArcSwapOption;
use jiff::Zoned;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    House,
    body::Body,
    checked::Checked,
    error::{self, HttpError},
    request, rest,
};
use crate::{
    access::Caller,
    history::{Replaces, SessionSettings},
    session::{CommandError, Submission},
    turn::{
        Choice, Context, Earlier, SessionId, Task, Turn, TurnEvent, TurnId, UserText, pipeline::Job,
    },
};

/// The provider that callers of both APIs get, until one of them or a restart changes it. `None` is
/// the service's own default.
#[derive(Clone, Default)]
pub(super) struct Selected(Arc<ArcSwapOption<String>>);

impl Selected {
    fn get(&self) -> Option<String> {
        self.0.load().as_deref().cloned()
    }

    fn set(&self, provider: Option<String>) {
        self.0.store(provider.map(Arc::new));
    }
}

/// The request body; unknown fields are ignored, as callers send many.
#[derive(Debug, Deserialize)]
struct Call {
    prompt: String,
    #[serde(default)]
    history: Value,
    #[serde(default)]
    max_length: Option<f64>,
    #[serde(default)]
    top_p: Option<f64>,
    #[serde(default)]
    temperature: Option<f64>,
    /// Ours: the conversation that the turn belongs to.
    #[serde(default)]
    session: Option<SessionId>,
}

/// Answers a call.
pub(super) async fn answer(house: web::Data<House>, caller: Caller, body: Body) -> HttpResponse {
    match respond(&house, &caller, body).await {
        Ok(Answered { text, checked }) => {
            let time = Zoned::now().strftime("%Y-%m-%d %H:%M:%S").to_string();
            let check = checked.report();
            let answer = json!({ "response": text, "status": 200, "time": time, "check": check });
            HttpResponse::Ok().json(answer)
        }
        Err(error) => {
            // The dialect repeats the status in the body.
            let status = error.status_code().as_u16();
            error
                .builder()
                .json(json!({ "response": "", "status": status, "error": error.message() }))
        }
    }
}

/// An answer, and what the check says of it.
struct Answered {
    text: String,
    checked: Checked,
}

async fn respond(house: &House, caller: &Caller, body: Body) -> Result<Answered, HttpError> {
    if !house.directory.is_open() {
        return Err(CommandError::ShuttingDown.into());
    }
    let call: Call = request::json(body, house.server.max_message_bytes).await?;
    let session = call.session.clone();
    let turn = turn(call, house.linly.get())?;
    match session {
        Some(session) => {
            let session = house.directory.open(&session.of(caller.tenant()));
            let submission = Submission {
                turn: turn.clone(),
                replaces: Replaces::Nothing,
                heard: None,
                claim: caller.take_turn(),
            };
            let submitted = session.submit(submission).await?;
            let told = rest::collect(session.log(), &turn.id, submitted.from).await?;
            let checked = Checked::of(told.sentences, told.verdicts);
            Ok(Answered { text: told.outcome.text, checked })
        }
        None => stateless(house, caller, turn).await,
    }
}

/// Answers a turn that belongs to no session; it lives as long as its response.
async fn stateless(house: &House, caller: &Caller, turn: Turn) -> Result<Answered, HttpError> {
    house.conversation.vet(&turn, &SessionSettings::default())?;
    let shown = house.conversation.turns_shown(&turn, &SessionSettings::default())?;
    let mut earlier = turn.context.supplied.clone().unwrap_or_default();
    earlier.drain(..earlier.len().saturating_sub(shown));
    let lane = LaneId(turn.id.to_string());
    let place = house.conversation.admit(&caller.take_turn()?)?;
    let job = Job { turn, earlier, settings: SessionSettings::default(), lane };
    let mut stream = house.conversation.run(job, place);
    let mut checked = Checked::default();
    while let Some(events) = stream.next().await {
        for event in events {
            checked.observe(&event);
            match event {
                TurnEvent::Finished(outcome) => {
                    return Ok(Answered { text: outcome.text, checked });
                }
                TurnEvent::Failed(error) => return Err(error.into()),
                _ => {}
            }
        }
    }
    Err(error::internal("the turn has no end"))
}

/// The turn that a call describes.
fn turn(call: Call, provider: Option<String>) -> Result<Turn, HttpError> {
    let out_of_range =
        |name: &str, range: &str| HttpError::parameter(name, format!("{name} must be {range}"));
    // 0 means the default to Linly-Talker's server, as it does for every falsy value.
    let max_tokens = match call.max_length.unwrap_or(0.0) {
        0.0 => None,
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range is checked before"
        )]
        length if (1.0..=f64::from(u32::MAX)).contains(&length) => Some(length as u32),
        _ => return Err(out_of_range("max_length", "at least 1")),
    };
    let sampling = Sampling {
        temperature: call.temperature,
        top_p: call.top_p,
        max_tokens,
        ..Sampling::default()
    };
    sampling.validate().map_err(|(name, range)| out_of_range(name, range))?;
    let supplied: Option<Vec<_>> =
        call.history.as_array().map(|pairs| pairs.iter().filter_map(earlier).collect());
    // An empty list is what callers without a memory send: the session's own memory stands.
    let supplied = supplied.filter(|supplied| !supplied.is_empty());
    Ok(Turn {
        id: TurnId::generate(),
        task: Task::Answer { said: UserText::parse(call.prompt)?, images: Vec::new() },
        context: Context { supplied, ..Context::default() },
        choice: Choice {
            provider,
            sampling,
            surface_sampling: surface_sampling(),
            ..Choice::default()
        },
    })
}

/// How Linly-Talker's server draws when a call does not say.
fn surface_sampling() -> Sampling {
    Sampling {
        temperature: Some(0.84),
        top_k: Some(20),
        repetition_penalty: Some(1.15),
        ..Sampling::default()
    }
}

/// An exchange of `history`: a pair of question and answer; anything else is passed over.
fn earlier(pair: &Value) -> Option<Earlier> {
    let [said, heard] = pair.as_array()?.as_slice() else { return None };
    Some(Earlier {
        said: said.as_str()?.to_owned(),
        heard: heard.as_str()?.to_owned(),
        emotion: None,
    })
}
