//! One client's dialogue: its session, its items, and the responses that are being made.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use anima_provider::LaneId;
use serde_json::{Map, Value, json};

use super::{
    super::{
        House, Service,
        error::HttpError,
        wire::{self, End, Failure, Happening, Wire},
    },
    Whom,
    ask::Asked,
    event::{self, ClientEvent, Received},
    fresh,
    item::Item,
    items::Items,
    manner::Manner,
    response::{self, Response},
};
use crate::{
    access::Caller,
    turn::{TurnError, TurnErrorCode, TurnEvent},
};

/// Most responses at a time, those outside of the conversation included.
const MOST_RESPONSES: usize = 8;

/// A dialogue.
pub(super) struct Dialogue {
    house: Arc<House>,
    caller: Caller,
    wire: Wire,
    whom: Whom,
    model: String,
    session: String,
    conversation: String,
    manner: Manner,
    items: Items,
    responses: Vec<Response>,
    /// Events told so far.
    told: u64,
    /// Whether the client knows that no sound is taken.
    refused_audio: bool,
}

impl Dialogue {
    pub(super) fn new(
        house: Arc<House>,
        caller: Caller,
        wire: Wire,
        whom: Whom,
        model: String,
    ) -> Self {
        Self {
            house,
            caller,
            wire,
            whom,
            model,
            session: fresh("sess"),
            conversation: fresh("conv"),
            manner: Manner::default(),
            items: Items::default(),
            responses: Vec::new(),
            told: 0,
            refused_audio: false,
        }
    }

    /// Serves the client to the end.
    pub(super) async fn run(mut self) -> End {
        let created = json!({ "type": "session.created", "session": self.shown_session() });
        if let Err(end) = Box::pin(self.tell(created)).await {
            return end;
        }
        loop {
            let news = poll_fn(|context| next_events(&mut self.responses, context));
            let happening = self.wire.next(news).await;
            if let Err(end) = Box::pin(self.take(happening)).await {
                return end;
            }
        }
    }

    async fn take(
        &mut self,
        happening: Result<Happening<(usize, Vec<TurnEvent>)>, End>,
    ) -> Result<(), End> {
        match happening? {
            Happening::News((index, events)) => self.go_on(index, events).await,
            Happening::Text(text) => {
                let Received { event_id, event } = ClientEvent::parse(&text);
                drop(text);
                let done = match event {
                    Ok(event) => self.obey(event).await,
                    Err(error) => Err(error.into()),
                };
                match done {
                    Ok(()) => Ok(()),
                    Err(Failure::End(end)) => Err(end),
                    Err(Failure::Refused(error)) => {
                        self.tell(event::error(&error, event_id.as_ref())).await
                    }
                }
            }
            Happening::TooFast => {
                self.tell(event::error(&wire::too_fast(), None)).await?;
                Err(End::TooFast)
            }
            Happening::Service(Service::Ended) => Err(End::Restarting),
            // Running responses go on; new ones are refused, and say why.
            Happening::Service(_) => Ok(()),
        }
    }

    async fn obey(&mut self, event: ClientEvent) -> Result<(), Failure> {
        match event {
            ClientEvent::UpdateSession(fields) => {
                if fields["type"] == "transcription" {
                    let message = "nothing is transcribed here: session.type is realtime";
                    return Err(HttpError::unsupported("session.type", message).into());
                }
                self.manner = self.manner.changed(&fields, "session")?;
                let session = self.shown_session();
                self.tell(json!({ "type": "session.updated", "session": session })).await?;
            }
            ClientEvent::CreateItem { item, after } => {
                let item = Item::read(item, "item")?;
                let shown = item.shown();
                let before = self.items.insert(item, after.as_deref())?;
                for kind in ["conversation.item.added", "conversation.item.done"] {
                    let event = json!({ "type": kind, "previous_item_id": before, "item": shown });
                    self.tell(event).await?;
                }
            }
            ClientEvent::RetrieveItem(id) => {
                let item = self.items.get(&id)?.shown();
                self.tell(json!({ "type": "conversation.item.retrieved", "item": item })).await?;
            }
            ClientEvent::DeleteItem(id) => {
                self.items.delete(&id)?;
                self.tell(json!({ "type": "conversation.item.deleted", "item_id": id })).await?;
            }
            ClientEvent::CreateResponse(fields) => self.begin(fields.as_ref()).await?,
            ClientEvent::CancelResponse(id) => self.cancel(id.as_deref()).await?,
            ClientEvent::AppendAudio => {
                if !std::mem::replace(&mut self.refused_audio, true) {
                    return Err(event::no_audio().into());
                }
            }
        }
        Ok(())
    }

    /// Begins a response.
    async fn begin(&mut self, fields: Option<&Value>) -> Result<(), Failure> {
        let mut asked = Asked::read(fields, &self.manner, &self.items)?;
        let busy = self.responses.iter().any(|response| response.in_conversation);
        if asked.in_conversation && busy {
            let message = "the conversation has a response that is being made: cancel it, or wait";
            return Err(
                HttpError::invalid("conversation_already_has_active_response", message).into()
            );
        }
        if self.responses.len() >= MOST_RESPONSES {
            let message = format!("at most {MOST_RESPONSES} responses are made at a time");
            return Err(HttpError::invalid("too_many_responses", message).into());
        }
        if asked.in_conversation {
            self.items.reserve(0)?;
        }
        let lane = LaneId(self.session.clone());
        let stream = asked.begin(&self.house, &self.caller, &self.whom, &lane)?;
        let response = Response::new(asked, stream, &self.conversation);
        let created = response.created();
        self.responses.push(response);
        self.tell(created).await?;
        let limits = self.rate_limits();
        Ok(self.tell(limits).await?)
    }

    async fn cancel(&mut self, id: Option<&str>) -> Result<(), Failure> {
        let found = self.responses.iter().position(|response| match id {
            Some(id) => response.id == id,
            None => response.in_conversation,
        });
        let Some(index) = found else {
            let message = "there is no such response that is being made";
            return Err(HttpError::invalid("response_cancel_not_active", message).into());
        };
        let mut response = self.responses.remove(index);
        let told = response.finish(&response::End::Cancelled, None, &mut self.items);
        // The model is stopped before anything is told.
        drop(response);
        Ok(self.tell_all(told).await?)
    }

    /// Tells what a response did next.
    async fn go_on(&mut self, index: usize, events: Vec<TurnEvent>) -> Result<(), End> {
        let (mut told, mut over) = (Vec::new(), false);
        for event in events {
            let (news, last) = self.responses[index].take(event, &mut self.items);
            told.extend(news);
            over |= last;
        }
        if over {
            self.responses.remove(index);
        }
        self.tell_all(told).await
    }

    async fn tell_all(&mut self, events: Vec<Value>) -> Result<(), End> {
        for event in events {
            self.tell(event).await?;
        }
        Ok(())
    }

    /// Sends an event.
    async fn tell(&mut self, mut event: Value) -> Result<(), End> {
        self.told += 1;
        event["event_id"] = json!(format!("event_{}", self.told));
        self.wire.send(event).await
    }

    fn shown_session(&self) -> Value {
        let mut shown = Map::new();
        shown.insert("type".to_owned(), json!("realtime"));
        shown.insert("object".to_owned(), json!("realtime.session"));
        shown.insert("id".to_owned(), json!(self.session));
        shown.insert("model".to_owned(), json!(self.model));
        self.manner.show(&mut shown);
        Value::Object(shown)
    }

    /// How many events the client may still send, as clients of the API read it.
    fn rate_limits(&mut self) -> Value {
        let limit = self.house.server.messages_per_minute;
        let remaining = self.wire.messages_left().min(limit);
        let reset = f64::from(limit - remaining) * 60.0 / f64::from(limit.max(1));
        json!({ "type": "rate_limits.updated", "rate_limits": [{ "name": "requests",
            "limit": limit, "remaining": remaining, "reset_seconds": reset }] })
    }
}

/// The next events of any response, and which it is.
fn next_events(
    responses: &mut [Response],
    context: &mut Context<'_>,
) -> Poll<(usize, Vec<TurnEvent>)> {
    for (index, response) in responses.iter_mut().enumerate() {
        if let Poll::Ready(events) = response.stream.poll_next(context) {
            let events = events.unwrap_or_else(|| {
                let message = "the turn has no end";
                vec![TurnEvent::Failed(TurnError::new(TurnErrorCode::Internal, message))]
            });
            return Poll::Ready((index, events));
        }
    }
    Poll::Pending
}
