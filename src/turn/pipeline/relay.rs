//! The pass-through: the caller's own request to a model, and the model's own words back.

use std::sync::Arc;

use anima_provider::{Capabilities, Input, Request};
use tracing::Instrument;

use super::{
    Conversation, Lineup, Place, TurnStream, checking::Checking, errand::Errand, request::Prepared,
    turn_span,
};
use crate::{
    history::SessionSettings,
    registry::Entry,
    turn::{
        TurnError, TurnErrorCode, TurnId,
        check::{Check, Grounds},
        prompt::Ingredients,
        stages::Stages,
    },
};

/// A request that is passed through: no persona, no style, no memory, and an answer that is not cut. It is
/// checked where the caller asks for that, which changes nothing of it.
#[derive(Debug, Clone)]
pub struct Relay {
    /// What it is called in logs and to its caller.
    pub id: TurnId,
    /// The provider to ask, by name or alias; `None` is the default.
    pub provider: Option<String>,
    /// What is asked; shared, as it may hold whole pictures and be asked several times.
    pub request: Arc<Request>,
    /// What is asked in its place of those who cannot take the request's input.
    pub otherwise: Option<Arc<Input>>,
    /// What the answer is held against beside the messages; `None`: nothing is checked.
    pub checked_by: Option<Arc<Vec<String>>>,
}

impl Relay {
    /// The same request for everybody.
    pub fn new(id: TurnId, provider: Option<String>, request: Arc<Request>) -> Self {
        Self { id, provider, request, otherwise: None, checked_by: None }
    }

    /// The request as this provider gets it.
    ///
    /// # Errors
    /// When it cannot do something that is asked for; another one may.
    pub(super) fn prepare(
        &self,
        lineup: &Lineup,
        entry: &Entry,
        grounds: Option<&Arc<Grounds>>,
    ) -> Result<Prepared, TurnError> {
        let capabilities = entry.provider.capabilities();
        let mut request = Request::clone(&self.request);
        if let Some(otherwise) =
            self.otherwise.as_ref().filter(|_| !capabilities.takes(&request.input))
        {
            request.input = Input::clone(otherwise);
        }
        if let Some(feature) = capabilities.lacks(&request) {
            let message =
                format!("the provider {} does not support {feature}", entry.provider.name());
            return Err(TurnError::new(TurnErrorCode::Unsupported, message));
        }
        let stages = Stages::for_relay(capabilities.verbatim);
        let Some(grounds) = grounds else {
            return Ok(Prepared { request, stages, checking: Checking::none() });
        };
        if capabilities.verbatim {
            let stages = stages.annotated(Check::absent("as_given"));
            return Ok(Prepared { request, stages, checking: Checking::none() });
        }
        let checking = Checking::new(lineup, entry, &request.lane, None);
        let check = Check::new(Some(Arc::clone(grounds)), checking.help(), checking.patience());
        Ok(Prepared { request, stages: stages.annotated(check), checking })
    }
}

/// The style by which a model that only takes conversations goes on with a text.
const CONTINUE: &str = "continue";

impl Conversation {
    /// What a model that only takes conversations is asked, so that it goes on with `text`. `None` where
    /// the prompts have no words for that.
    pub fn continuation(&self, text: &str) -> Option<Input> {
        let lineup = self.lineup();
        let (persona, _) = lineup.chosen(&SessionSettings::default());
        let prompts = lineup.prompts();
        let ingredients = Ingredients {
            persona: prompts.persona(persona).ok()?,
            style: prompts.style(CONTINUE).ok()?,
            earlier: &[],
            knowledge: &[],
            said: text,
            images: &[],
        };
        let capabilities = Capabilities { chat: true, ..Capabilities::default() };
        Some(ingredients.prompt(prompts, &capabilities).ok()?.input)
    }

    /// Passes a request through. As with [`Conversation::run`], dropping the stream stops it; the
    /// commit point is the first thing that the caller gets to see. Must be called on a runtime.
    pub fn relay(self: &Arc<Self>, relay: Relay, place: Place) -> TurnStream {
        place.spend();
        let span = turn_span(&relay.id);
        let asked = self.lineup().registry().pick(relay.provider.as_deref());
        let is_far = asked.is_ok_and(|asked| asked.iter().all(|entry| !entry.health.is_local()));
        let turn = |events| {
            let errand = Errand::Relay(relay);
            Arc::clone(self).tell(errand, place, events).instrument(span)
        };
        // It lives no longer than the response, whose task may as well do it: to wake another one
        // for each token costs more than what is done with it. A local model reads its prompt
        // here, which takes too long for that.
        if is_far { TurnStream::of_reader(turn) } else { TurnStream::spawn(self.runtime(), turn) }
    }
}
