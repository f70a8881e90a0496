//! The frames of the native protocol: what clients send, and what the service sends.
//!
//! One JSON object with a `type`. Frames of a turn carry `session`, `turn` and `seq`; the others
//! carry no `seq`.

use anima_provider::{Sampling, TokenLogprob, ToolDelta};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    error::HttpError,
    request::{self, TurnFields},
    scalar::Scalar,
};
use crate::{
    history::Exchange,
    session::{Attached, Entry, Playback},
    turn::{Outcome, Sentence, SessionId, TurnError, TurnEvent, TurnId, Verdict},
};

/// What a client sends.
#[derive(Debug)]
pub(super) enum ClientFrame {
    Hello(HelloFields),
    Say(TurnFields),
    Regenerate(TurnFields),
    Speak(TurnFields),
    Spoken { turn: TurnId, sentence: u32 },
    Interrupt { turn: Option<TurnId>, heard: Option<String> },
    Switch { provider: Option<String>, persona: Option<String> },
    History { limit: usize },
    Clear,
    Ping,
}

/// What came in, whether or not it can be obeyed.
#[derive(Debug)]
pub(super) struct Received {
    /// What an error must repeat.
    pub(super) id: Option<Value>,
    /// Its `type`, where it has one.
    pub(super) kind: Option<String>,
    /// What it asks, or what is wrong with it.
    pub(super) frame: Result<ClientFrame, HttpError>,
}

/// What every frame may have.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    id: Scalar,
    #[serde(default, rename = "type")]
    kind: Scalar,
}

/// The fields of `hello`.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(super) struct HelloFields {
    /// Any text: what is no known session gets a fresh one.
    pub(super) session: Option<String>,
    pub(super) resume_from: Option<u64>,
    #[serde(default)]
    #[schema(value_type = Option<Value>)]
    pub(super) epoch: Option<Scalar>,
    pub(super) persona: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) sampling: Option<Sampling>,
    #[serde(default)]
    pub(super) playback: Playback,
    #[serde(default)]
    pub(super) reasoning: bool,
    #[serde(default)]
    pub(super) observe: bool,
}

impl HelloFields {
    /// The log that the client knows; a value that is none of ours matches no log.
    pub(super) fn epoch(&self) -> Option<u64> {
        let epoch = self.epoch.as_ref()?.0.as_ref();
        let number = |epoch: &Value| epoch.as_u64().or_else(|| epoch.as_str()?.parse().ok());
        Some(epoch.and_then(number).unwrap_or(0))
    }
}

#[derive(Deserialize, ToSchema)]
pub(super) struct SpokenFields {
    #[schema(value_type = String)]
    turn: TurnId,
    sentence: u32,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct InterruptFields {
    #[schema(value_type = Option<String>)]
    turn: Option<TurnId>,
    heard: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct SwitchFields {
    provider: Option<String>,
    persona: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct HistoryFields {
    limit: Option<u64>,
}

/// Most exchanges of one `history` frame.
pub(super) const MAX_EXCHANGES: usize = 200;

impl ClientFrame {
    /// Reads a frame. No more of it is kept than its type has a use for.
    pub(super) fn parse(text: &str) -> Received {
        let refused = |error| Received { id: None, kind: None, frame: Err(error) };
        let shapeless =
            || HttpError::invalid("invalid_event", "a frame is a JSON object with a text `type`");
        let Envelope { id, kind } = match request::object(text.as_bytes()) {
            Ok(Some(envelope)) => envelope,
            Ok(None) => return refused(shapeless()),
            Err(error) => return refused(error),
        };
        let kind = match kind.0 {
            Some(Value::String(kind)) => Some(kind),
            _ => None,
        };
        let frame = kind.as_deref().map_or_else(|| Err(shapeless()), |kind| Self::read(kind, text));
        Received { id: id.0, kind, frame }
    }

    fn read(kind: &str, text: &str) -> Result<Self, HttpError> {
        Ok(match kind {
            "hello" => Self::Hello(fields(text)?),
            "say" => Self::Say(fields(text)?),
            "regenerate" => Self::Regenerate(fields(text)?),
            "speak" => Self::Speak(fields(text)?),
            "spoken" => {
                let SpokenFields { turn, sentence } = fields(text)?;
                Self::Spoken { turn, sentence }
            }
            "interrupt" => {
                let InterruptFields { turn, heard } = fields(text)?;
                Self::Interrupt { turn, heard }
            }
            "switch" => {
                let SwitchFields { provider, persona } = fields(text)?;
                Self::Switch { provider, persona }
            }
            "history" => {
                let HistoryFields { limit } = fields(text)?;
                let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(50);
                Self::History { limit: limit.clamp(1, MAX_EXCHANGES) }
            }
            "clear" => Self::Clear,
            "ping" => Self::Ping,
            _ => {
                return Err(HttpError::invalid(
                    "unknown_event_type",
                    "this type of frame is not known",
                ));
            }
        })
    }
}

/// The fields of a frame of known type.
fn fields<T: DeserializeOwned>(text: &str) -> Result<T, HttpError> {
    request::parse(text.as_bytes())
}

/// The frame of an event.
#[derive(Serialize)]
struct EventFrame<'event> {
    #[serde(rename = "type")]
    kind: &'static str,
    session: &'event SessionId,
    turn: &'event TurnId,
    seq: u64,
    #[serde(flatten)]
    fields: EventFields<'event>,
}

/// What else an event's frame has.
#[derive(Serialize)]
#[serde(untagged)]
enum EventFields<'event> {
    Accepted {
        #[serde(skip_serializing_if = "Option::is_none")]
        replay: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        durable: Option<bool>,
    },
    Queued {
        ahead: u32,
    },
    Started {
        provider: &'event str,
        model: &'event str,
    },
    Text {
        text: &'event str,
    },
    /// No session has it: it belongs to answers that are passed through.
    Logprobs {
        tokens: &'event [TokenLogprob],
    },
    /// As above.
    Tool(&'event ToolDelta),
    Sentence(&'event Sentence),
    Verdict(&'event Verdict),
    Finished(&'event Outcome),
    Failed(&'event TurnError),
}

/// The frame of an event, as text. It is written for every reader of a session, so it goes there
/// without a tree of JSON in between.
pub(super) fn event(session: &SessionId, entry: &Entry) -> String {
    let frame = EventFrame {
        kind: event_type(&entry.event),
        session,
        turn: &entry.turn,
        seq: entry.seq,
        fields: event_fields(&entry.event),
    };
    #[expect(clippy::expect_used, reason = "a frame has no keys but names of fields")]
    serde_json::to_string(&frame).expect("a frame is JSON")
}

/// The `type` of an event's frame.
pub(super) fn event_type(event: &TurnEvent) -> &'static str {
    match event {
        TurnEvent::Accepted { .. } => "accepted",
        TurnEvent::Queued { .. } => "queued",
        TurnEvent::Started { .. } => "started",
        TurnEvent::Delta(_) => "delta",
        TurnEvent::Reasoning(_) => "reasoning",
        TurnEvent::Logprobs(_) => "logprobs",
        TurnEvent::Tool(_) => "tool",
        TurnEvent::Sentence(_) => "sentence",
        TurnEvent::Verdict(_) => "verdict",
        TurnEvent::Finished(_) => "finished",
        TurnEvent::Failed(_) => "failed",
    }
}

fn event_fields(event: &TurnEvent) -> EventFields<'_> {
    match event {
        TurnEvent::Accepted { replay, durable } => EventFields::Accepted {
            replay: replay.then_some(true),
            durable: (!durable).then_some(false),
        },
        TurnEvent::Queued { ahead } => EventFields::Queued { ahead: *ahead },
        TurnEvent::Started { provider, model } => EventFields::Started { provider, model },
        TurnEvent::Delta(text) | TurnEvent::Reasoning(text) => EventFields::Text { text },
        TurnEvent::Logprobs(tokens) => EventFields::Logprobs { tokens },
        TurnEvent::Tool(delta) => EventFields::Tool(delta),
        TurnEvent::Sentence(sentence) => EventFields::Sentence(sentence),
        TurnEvent::Verdict(verdict) => EventFields::Verdict(verdict),
        TurnEvent::Finished(outcome) => EventFields::Finished(outcome),
        TurnEvent::Failed(error) => EventFields::Failed(error),
    }
}

/// The answer to the first frame of a socket.
pub(super) fn welcome(
    attached: &Attached,
    providers: &[&str],
    persona: &str,
    provider: &str,
    limits: &Value,
) -> Value {
    json!({
        "type": "welcome",
        "session": attached.session,
        "resumed": attached.resumed,
        "epoch": attached.log.epoch().to_string(),
        "persona": persona,
        "provider": provider,
        "providers": providers,
        "limits": limits,
    })
}

/// An error that leaves the socket open.
pub(super) fn error(error: &HttpError, id: Option<&Value>, turn: Option<&TurnId>) -> Value {
    let mut frame = json!({ "type": "error", "code": error.code(), "message": error.message() });
    if let Some(id) = id {
        frame["id"] = id.clone();
    }
    if let Some(turn) = turn {
        frame["turn"] = json!(turn);
    }
    if let Some(wait) = error.retry_after_ms() {
        frame["retry_after_ms"] = json!(wait);
    }
    frame
}

/// Exchanges as clients are shown them: as many of the newest as `most` bytes hold, at least one. A
/// client that does not read costs no more than this.
pub(super) fn exchanges(exchanges: &[Exchange], most: usize) -> Vec<Value> {
    let mut bytes = 0;
    let mut shown: Vec<_> = exchanges
        .iter()
        .rev()
        .map(exchange)
        .enumerate()
        .take_while(|(index, exchange)| {
            bytes += exchange.to_string().len();
            *index == 0 || bytes <= most
        })
        .map(|(_, exchange)| exchange)
        .collect();
    shown.reverse();
    shown
}

/// An exchange as clients are shown it.
pub(super) fn exchange(exchange: &Exchange) -> Value {
    json!({
        "turn": exchange.turn,
        "position": exchange.position,
        "said": match &exchange.task {
            crate::turn::Task::Answer { said, .. } => Some(said.as_str()),
            crate::turn::Task::Speak { .. } => None,
        },
        "state": exchange.state,
        "asked_at": exchange.asked_at,
        "text": exchange.answer.outcome.as_ref().map(|outcome| outcome.text.as_str()),
        "heard": exchange.heard(),
        "reason": exchange.answer.outcome.as_ref().map(|outcome| outcome.reason),
        "sentences": exchange.answer.sentences,
        "verdicts": exchange.answer.verdicts,
        "provider": exchange.answer.provider,
        "model": exchange.answer.model,
        "error": exchange.answer.error,
    })
}
