//! One client's conversation: what it is told, and when.

use std::{future::pending, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tokio::task::yield_now;
use uuid::Uuid;

use super::{
    super::{
        House, Service,
        error::HttpError,
        seat::Seat,
        wire::{self, End, Happening, Wire},
    },
    chain::{Chain, Step},
    visitor::Visitor,
};
use crate::{
    access::Caller,
    avatars::wave::{SLICE, Wave},
    history::SessionSettings,
    session::{Entry, Hello, Playback},
    turn::{EndReason, Sentence, SessionId, TurnEvent},
};

/// Events taken from the log at a time.
const BATCH: usize = 8;

/// A client's conversation.
pub(super) struct Talk {
    pub(super) house: Arc<House>,
    pub(super) caller: Caller,
    pub(super) wire: Wire,
    pub(super) visitor: Visitor,
    /// What the client calls itself.
    pub(super) client: Uuid,
    /// Who the client talks to.
    pub(super) persona: String,
    /// The session; nowhere before something is said or a history is opened.
    pub(super) seat: Option<Seat>,
    /// The turn that the client goes through.
    pub(super) chain: Option<Chain>,
}

impl Talk {
    pub(super) fn new(house: Arc<House>, caller: Caller, wire: Wire, visitor: Visitor) -> Self {
        let lineup = house.conversation.lineup();
        let persona = lineup.chosen(&SessionSettings::default()).0.to_owned();
        let client = Uuid::new_v4();
        Self { house, caller, wire, visitor, client, persona, seat: None, chain: None }
    }

    /// Serves the client to the end.
    pub(super) async fn run(mut self) -> End {
        if let Err(end) = Box::pin(self.greet()).await {
            return end;
        }
        loop {
            if let Err(end) = Box::pin(self.tell_news()).await {
                return end;
            }
            let happening = self.wire.next(news(&mut self.seat, &mut self.chain)).await;
            if let Err(end) = Box::pin(self.take(happening)).await {
                return end;
            }
        }
    }

    /// What the client's own server says first. It starts no microphone, since nobody would listen.
    async fn greet(&mut self) -> Result<(), End> {
        let text = "Connection established";
        self.wire.send(json!({ "type": "full-text", "text": text })).await?;
        let configuration = self.configuration();
        self.wire.send(configuration).await?;
        self.wire.send(no_group()).await
    }

    async fn take(&mut self, happening: Result<Happening<()>, End>) -> Result<(), End> {
        match happening? {
            Happening::Text(text) => self.obey(&text).await,
            Happening::TooFast => {
                self.refuse(&wire::too_fast()).await?;
                Err(End::TooFast)
            }
            Happening::Service(Service::Ended) => {
                self.tell_news().await?;
                Err(End::Restarting)
            }
            Happening::News(()) | Happening::Service(_) => Ok(()),
        }
    }

    /// Tells what has happened in the session since last time, and whatever waited for its sound.
    async fn tell_news(&mut self) -> Result<(), End> {
        loop {
            self.go_on().await?;
            let Some(seat) = &mut self.seat else { return Ok(()) };
            if seat.is_lost() {
                // The same conversation was opened once more, in another window for example.
                (self.seat, self.chain) = (None, None);
                let message = "this conversation was opened elsewhere; what you say begins another";
                self.wire.send(error(message)).await?;
                return self.over().await;
            }
            let entries = seat.news(BATCH)?;
            if entries.is_empty() {
                return Ok(());
            }
            for entry in entries {
                self.on_event(&entry).await?;
            }
            yield_now().await;
        }
    }

    async fn on_event(&mut self, entry: &Entry) -> Result<(), End> {
        if let TurnEvent::Accepted { .. } = &entry.event {
            self.chain = Some(Chain::new(entry.turn.clone()));
            self.control("conversation-chain-start").await?;
            return self.wire.send(json!({ "type": "full-text", "text": "Thinking..." })).await;
        }
        let Some(chain) = self.chain.as_mut().filter(|chain| chain.turn == entry.turn) else {
            // The client has cut in on it, and wants nothing more of it.
            return Ok(());
        };
        match &entry.event {
            TurnEvent::Sentence(sentence) => {
                chain.add(sentence.clone(), self.house.stage.speech.as_ref());
            }
            TurnEvent::Finished(outcome) if outcome.reason == EndReason::Interrupted => {
                // Somebody else has cut in.
                self.chain = None;
                let text = "conversation-interrupted";
                self.wire.send(json!({ "type": "interrupt-signal", "text": text })).await?;
                self.control("conversation-chain-end").await?;
            }
            TurnEvent::Finished(_) => chain.end(),
            TurnEvent::Failed(failure) => {
                chain.end();
                self.wire.send(error(&failure.message)).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Sends what is ready of the turn.
    async fn go_on(&mut self) -> Result<(), End> {
        while let Some(step) = self.chain.as_mut().and_then(Chain::step) {
            match step {
                Step::Say(sentence, wave) => self.say(&sentence, &wave).await?,
                Step::Sent => self.wire.send(json!({ "type": "backend-synth-complete" })).await?,
                Step::Over => {
                    self.chain = None;
                    self.over().await?;
                }
            }
        }
        Ok(())
    }

    /// The turn is over for the client.
    pub(super) async fn over(&mut self) -> Result<(), End> {
        self.wire.send(json!({ "type": "force-new-message" })).await?;
        self.control("conversation-chain-end").await
    }

    async fn say(&mut self, sentence: &Sentence, wave: &Wave) -> Result<(), End> {
        let (name, avatar) = self.name_and_avatar();
        let stage = &self.house.stage;
        let expressions = stage.expressions(&self.persona, sentence.emotion, &sentence.actions);
        let actions = match expressions.as_slice() {
            [] => Value::Null,
            expressions => json!({ "expressions": expressions }),
        };
        self.wire
            .send(json!({
                "type": "audio",
                "audio": BASE64_STANDARD.encode(&wave.bytes),
                "volumes": wave.volumes,
                "slice_length": SLICE.as_millis(),
                "display_text": { "text": sentence.text, "name": name, "avatar": avatar },
                "actions": actions,
                "forwarded": false,
            }))
            .await
    }

    pub(super) async fn control(&mut self, text: &str) -> Result<(), End> {
        self.wire.send(json!({ "type": "control", "text": text })).await
    }

    /// Tells an error; the client shows its message.
    pub(super) async fn refuse(&mut self, refused: &HttpError) -> Result<(), End> {
        self.wire.send(error(refused.message())).await
    }

    /// Who the client talks to, and what that looks like.
    pub(super) fn configuration(&self) -> Value {
        json!({
            "type": "set-model-and-conf",
            "model_info": self.house.stage.model(&self.persona),
            "conf_name": self.name_and_avatar().0,
            "conf_uid": self.persona,
            "client_uid": self.client.simple().to_string(),
        })
    }

    /// The name of who speaks, for people, and its picture.
    pub(super) fn name_and_avatar(&self) -> (String, String) {
        let lineup = self.house.conversation.lineup();
        let persona = lineup.prompts().persona(&self.persona);
        let name = persona.map_or_else(|_| self.persona.clone(), |persona| persona.title.clone());
        (name, self.house.stage.avatar(&self.persona).to_owned())
    }

    /// Takes the place in a session.
    ///
    /// # Errors
    /// When the session cannot be had.
    pub(super) async fn sit_down(&mut self, id: &SessionId, is_new: bool) -> Result<(), HttpError> {
        let session = self.house.directory.open(id);
        let persona = is_new.then(|| self.persona.clone());
        let hello = Hello {
            playback: Playback::Acknowledged,
            settings: SessionSettings { persona, provider: None },
            ..Hello::default()
        };
        let attached = session.attach(hello).await?;
        let lineup = self.house.conversation.lineup();
        lineup.chosen(&attached.settings).0.clone_into(&mut self.persona);
        self.chain = None;
        self.seat = Some(Seat::new(session, attached));
        Ok(())
    }
}

/// Nobody is in a group here.
pub(super) fn no_group() -> Value {
    json!({ "type": "group-update", "members": [], "is_owner": false })
}

/// An error as the client shows it.
pub(super) fn error(message: &str) -> Value {
    json!({ "type": "error", "message": message })
}

/// Ends when there may be something to tell.
async fn news(seat: &mut Option<Seat>, chain: &mut Option<Chain>) {
    let session = async {
        match seat {
            Some(seat) => seat.changed().await,
            None => pending().await,
        }
    };
    let turn = async {
        match chain {
            Some(chain) => chain.ready().await,
            None => pending().await,
        }
    };
    tokio::select! {
        () = session => {}
        () = turn => {}
    }
}
