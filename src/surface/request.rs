//! Reading requests: JSON of any content type, and the turn that both the WebSocket and its REST
//! twin take.

use anima_provider::{Image, Sampling};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use utoipa::ToSchema;

use super::{body::Body, error::HttpError};
use crate::{
    access::Caller,
    history::Replaces,
    session::Submission,
    turn::{Choice, Context, Task, Turn, TurnId, UserText},
};

/// Most images of one turn.
const MAX_IMAGES: usize = 8;

/// Reads a body as JSON, whatever its content type says.
pub(super) async fn json<T: DeserializeOwned>(body: Body, limit: usize) -> Result<T, HttpError> {
    whole(&body.read(limit).await?)
}

/// The same where no body at all means nothing in particular.
pub(super) async fn optional_json<T: DeserializeOwned + Default>(
    body: Body,
    limit: usize,
) -> Result<T, HttpError> {
    let bytes = body.read(limit).await?;
    if bytes.is_empty() { Ok(T::default()) } else { whole(&bytes) }
}

/// Parses a body, which has to be a JSON object.
pub(super) fn whole<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, HttpError> {
    let shapeless = || HttpError::invalid("invalid_type", "the body has to be a JSON object");
    object(bytes)?.ok_or_else(shapeless)
}

/// Parses a JSON object; serde would take an array for one, too. `None` is another JSON value.
pub(super) fn object<T: DeserializeOwned>(bytes: &[u8]) -> Result<Option<T>, HttpError> {
    if bytes.trim_ascii_start().starts_with(b"{") {
        return parse(bytes).map(Some);
    }
    parse::<IgnoredAny>(bytes).map(|_| None)
}

/// Parses JSON; the error says where it is wrong.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, HttpError> {
    if std::str::from_utf8(bytes).is_err() {
        return Err(HttpError::invalid("invalid_encoding", "the text is not UTF-8"));
    }
    if bytes.is_empty() {
        return Err(HttpError::invalid("invalid_json", "the text is empty, and no JSON"));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let message = error.to_string();
        // What is no value of an enum counts as a wrong syntax for serde_json.
        let is_no_variant = message.starts_with("expected value")
            && serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
        if error.is_data() || is_no_variant {
            HttpError::invalid("invalid_type", message.chars().take(200).collect::<String>())
        } else {
            let message =
                format!("not valid JSON at line {} column {}", error.line(), error.column());
            HttpError::invalid("invalid_json", message)
        }
    })
}

/// The fields that a turn has on the native surfaces.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(super) struct TurnFields {
    #[schema(value_type = Option<String>)]
    pub(super) turn: Option<TurnId>,
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) images: Vec<Image>,
    pub(super) heard: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) persona: Option<String>,
    pub(super) style: Option<String>,
    pub(super) sampling: Option<Sampling>,
    pub(super) turns: Option<u32>,
    #[serde(default)]
    pub(super) knowledge: Vec<String>,
    /// What continues the caller's trace; on a WebSocket there are no headers.
    pub(super) traceparent: Option<String>,
}

/// What a turn is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Purpose {
    /// Answer the text.
    #[default]
    Say,
    /// Answer the last exchange again.
    Regenerate,
    /// Speak the text.
    Speak,
}

impl TurnFields {
    /// The turn that the fields describe, on this caller's account.
    pub(super) fn submission(
        self,
        purpose: Purpose,
        caller: &Caller,
    ) -> Result<Submission, HttpError> {
        let missing = || HttpError::parameter("text", "text is required");
        let sampling = self.sampling.unwrap_or_default();
        if let Err((param, range)) = sampling.validate() {
            return Err(HttpError::parameter(
                &format!("sampling.{param}"),
                format!("{param} must be {range}"),
            ));
        }
        let acceptable = |image: &Image| image.0.starts_with("data:image/");
        if self.images.len() > MAX_IMAGES || !self.images.iter().all(acceptable) {
            return Err(HttpError::parameter("images", "at most 8 images as data:image/… URLs"));
        }
        let task = match purpose {
            Purpose::Say => Task::Answer {
                said: UserText::parse(self.text.ok_or_else(missing)?)?,
                images: self.images,
            },
            Purpose::Speak => {
                Task::Speak { text: UserText::parse(self.text.ok_or_else(missing)?)? }
            }
            // The session puts the words of the last exchange here.
            Purpose::Regenerate => Task::Answer { said: UserText::parse("-")?, images: Vec::new() },
        };
        Ok(Submission {
            turn: Turn {
                id: self.turn.unwrap_or_else(TurnId::generate),
                task,
                context: Context { supplied: None, turns: self.turns, knowledge: self.knowledge },
                choice: Choice {
                    provider: self.provider,
                    persona: self.persona,
                    style: self.style,
                    sampling,
                    surface_sampling: Sampling::default(),
                },
            },
            replaces: if purpose == Purpose::Regenerate {
                Replaces::Last
            } else {
                Replaces::Nothing
            },
            heard: self.heard,
            claim: caller.take_turn(),
        })
    }
}
