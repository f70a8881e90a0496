//! What a client's frames do.

use serde_json::{Value, json};
use tracing::Instrument;

use super::{Place, Socket, Wishes};
use crate::{
    history::SessionSettings,
    session::{Hello, Replayed, Session},
    surface::{
        access::asker,
        error::HttpError,
        frames::{self, ClientFrame, HelloFields, Received},
        request::{Purpose, TurnFields},
        seat::Seat,
        wire::{End, Failure},
    },
    telemetry::trace,
    turn::{TurnId, UserText},
};

/// Most bytes of exchanges in one frame.
const MAX_HISTORY: usize = 128 * 1024;

impl Socket {
    /// Does what a frame asks. An error is told and leaves the socket open.
    pub(super) async fn obey(&mut self, text: &str) -> Result<(), End> {
        let Received { id, kind, frame } = ClientFrame::parse(text);
        let turn = frame.as_ref().ok().and_then(turn_of);
        match self.react(kind.as_deref(), frame).await {
            Ok(None) => Ok(()),
            Ok(Some(answer)) => self.wire.send(answer).await,
            Err(Failure::End(end)) => Err(end),
            Err(Failure::Refused(error)) => {
                self.wire.send(frames::error(&error, id.as_ref(), turn.as_ref())).await
            }
        }
    }

    async fn react(
        &mut self,
        kind: Option<&str>,
        frame: Result<ClientFrame, HttpError>,
    ) -> Result<Option<Value>, Failure> {
        // The first frame starts the session, whatever its type and whether it can be obeyed.
        if self.place.is_none() && kind.is_some_and(|kind| kind != "hello") {
            self.welcome(HelloFields::default()).await?;
        }
        let frame = match (frame?, self.place.is_some()) {
            (ClientFrame::Hello(_), true) => {
                return Err(HttpError::invalid(
                    "already_started",
                    "the session has already started",
                )
                .into());
            }
            (ClientFrame::Hello(fields), false) => {
                return self.welcome(fields).await.map(|()| None);
            }
            (frame, _) => frame,
        };
        let Some(place) = &self.place else { return Ok(None) };
        let session = place.seat.session.clone();
        match frame {
            ClientFrame::Ping => return Ok(Some(json!({ "type": "pong" }))),
            ClientFrame::History { limit } => {
                self.wire.drained().await?;
                let exchanges = session.recent(limit).await?;
                let exchanges = frames::exchanges(&exchanges, MAX_HISTORY);
                return Ok(Some(json!({ "type": "history", "exchanges": exchanges })));
            }
            _ if place.wishes.observes => {
                return Err(HttpError::invalid("observer", "this socket only watches").into());
            }
            _ => {}
        }
        match frame {
            ClientFrame::Say(fields) => self.submit(&session, fields, Purpose::Say).await,
            ClientFrame::Speak(fields) => self.submit(&session, fields, Purpose::Speak).await,
            ClientFrame::Regenerate(fields) => {
                self.submit(&session, fields, Purpose::Regenerate).await
            }
            ClientFrame::Spoken { turn, sentence } => {
                session.spoken(turn, sentence).await?;
                Ok(None)
            }
            ClientFrame::Interrupt { turn, heard } => {
                let told = session.interrupt(turn, heard).await?;
                // The end of the turn comes before the answer to the interrupt.
                self.send_news().await?;
                Ok(Some(json!({ "type": "heard", "turn": told.turn, "text": told.text })))
            }
            ClientFrame::Switch { provider, persona } => {
                let settings = session.configure(SessionSettings { persona, provider }).await?;
                let lineup = self.house.conversation.lineup();
                let (persona, provider) = lineup.chosen(&settings);
                Ok(Some(json!({ "type": "switched", "persona": persona, "provider": provider })))
            }
            ClientFrame::Clear => {
                session.clear().await?;
                self.send_news().await?;
                Ok(Some(json!({ "type": "cleared" })))
            }
            ClientFrame::Hello(_) | ClientFrame::Ping | ClientFrame::History { .. } => Ok(None),
        }
    }

    /// Takes a place in a session: the one asked for when it is known, else a fresh one.
    async fn welcome(&mut self, fields: HelloFields) -> Result<(), Failure> {
        let sampling = fields.sampling.clone().unwrap_or_default();
        if let Err((param, range)) = sampling.validate() {
            return Err(HttpError::parameter(
                &format!("sampling.{param}"),
                format!("{param} must be {range}"),
            )
            .into());
        }
        let mut known = None;
        let tenant = self.caller.tenant();
        if let Some(id) = fields.session.as_ref().and_then(|id| tenant.session(id.as_str()).ok()) {
            known =
                self.house.directory.is_known(&id).await.map_err(HttpError::from)?.then_some(id);
        }
        let hello = Hello {
            observes: fields.observe,
            playback: fields.playback,
            resume_from: fields.resume_from.filter(|_| known.is_some()),
            epoch: fields.epoch(),
            settings: SessionSettings { persona: fields.persona, provider: fields.provider },
        };
        let session = self.house.directory.open(&known.unwrap_or_else(|| tenant.new_session()));
        let attached = session.attach(hello).await?;
        let lineup = self.house.conversation.lineup();
        let (persona, provider) = lineup.chosen(&attached.settings);
        let providers: Vec<_> = lineup.registry().names().collect();
        let limits = json!({
            "max_message_bytes": self.house.server.max_message_bytes,
            "max_text_bytes": UserText::MAX_BYTES,
            "messages_per_minute": self.house.server.messages_per_minute,
        });
        let welcome = frames::welcome(&attached, &providers, persona, provider, &limits);
        self.place = Some(Place {
            seat: Seat::new(session, attached),
            wishes: Wishes { observes: fields.observe, reasoning: fields.reasoning, sampling },
        });
        Ok(self.wire.send(welcome).await?)
    }

    /// Hands a turn over; its frames come through the log.
    async fn submit(
        &mut self,
        session: &Session,
        mut fields: TurnFields,
        purpose: Purpose,
    ) -> Result<Option<Value>, Failure> {
        let span = trace::asked(fields.traceparent.take().as_deref(), asker(&self.caller));
        let mut submission = fields.submission(purpose, &self.caller)?;
        let Some(place) = &mut self.place else { return Ok(None) };
        let sampling = std::mem::take(&mut submission.turn.choice.sampling);
        submission.turn.choice.sampling = sampling.or(&place.wishes.sampling);
        let submitted = session.submit(submission).instrument(span).await?;
        if submitted.replayed == Replayed::Joined {
            // A client that joins is told the turn from its beginning.
            place.seat.go_back(submitted.from);
        }
        Ok(None)
    }
}

/// The turn that a frame names.
fn turn_of(frame: &ClientFrame) -> Option<TurnId> {
    match frame {
        ClientFrame::Say(fields) | ClientFrame::Regenerate(fields) | ClientFrame::Speak(fields) => {
            fields.turn.clone()
        }
        ClientFrame::Spoken { turn, .. } => Some(turn.clone()),
        ClientFrame::Interrupt { turn, .. } => turn.clone(),
        _ => None,
    }
}
