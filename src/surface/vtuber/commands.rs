//! What a client's messages do.

use serde::Deserialize;
use serde_json::{Value, json};
use tracing::debug;

use super::{
    super::{
        error::HttpError,
        request::{self, Purpose, TurnFields},
        wire::{End, Failure},
    },
    histories::{self, Whose},
    talk::{Talk, error, no_group},
};
use crate::{
    history::SessionSettings,
    session::CommandError,
    turn::{SessionId, TurnId},
};

/// A message; each type has a use for some of it.
#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: Option<String>,
    text: Option<String>,
    images: Option<Vec<Picture>>,
    display_text: Option<DisplayText>,
    history_uid: Option<String>,
    file: Option<String>,
}

/// A picture from a camera or a screen.
#[derive(Deserialize)]
struct Picture {
    data: String,
}

#[derive(Deserialize)]
struct DisplayText {
    #[serde(default)]
    text: String,
}

impl Talk {
    /// Does what a message asks. An error is told and leaves the socket open.
    pub(super) async fn obey(&mut self, text: &str) -> Result<(), End> {
        let message = match request::object::<Message>(text.as_bytes()) {
            Ok(Some(message)) => message,
            Ok(None) => return self.wire.send(error("a message is a JSON object")).await,
            Err(refused) => return self.refuse(&refused).await,
        };
        match self.react(message).await {
            Ok(()) => Ok(()),
            Err(Failure::End(end)) => Err(end),
            Err(Failure::Refused(refused)) => self.refuse(&refused).await,
        }
    }

    async fn react(&mut self, message: Message) -> Result<(), Failure> {
        match message.kind.as_deref().unwrap_or_default() {
            "text-input" => {
                let images = message.images.unwrap_or_default();
                let images = images.into_iter().map(|picture| picture.data).collect();
                self.say_to(message.text.unwrap_or_default(), images).await?;
            }
            "ai-speak-signal" => self.speak_of_itself().await?,
            "interrupt-signal" => self.cut_in(message.text).await?,
            "audio-play-start" => {
                let text = message.display_text.map(|shown| shown.text).unwrap_or_default();
                let played = self.chain.as_mut().and_then(|chain| chain.begin_to_play(&text));
                self.note_played(played).await;
            }
            "frontend-playback-complete" => {
                let played = self.chain.as_mut().and_then(super::chain::Chain::finish_playing);
                if played.is_some() {
                    self.note_played(played).await;
                    self.chain = None;
                    self.over().await?;
                }
            }
            "create-new-history" => self.begin_history().await?,
            "fetch-history-list" => self.list_histories().await?,
            "fetch-and-set-history" => self.open_history(message.history_uid).await?,
            "delete-history" => self.delete_history(message.history_uid).await?,
            "fetch-configs" => self.list_configurations().await?,
            "switch-config" => self.switch(message.file).await?,
            "fetch-backgrounds" => {
                let files = self.backgrounds().await;
                self.wire.send(json!({ "type": "background-files", "files": files })).await?;
            }
            "request-init-config" => {
                let configuration = self.configuration();
                self.wire.send(configuration).await?;
            }
            "request-group-info" => self.wire.send(no_group()).await?,
            "add-client-to-group" | "remove-client-from-group" => {
                let text = "there are no groups here: every window has its own conversation";
                let told = json!({ "type": "group-operation-result", "success": false,
                    "message": text });
                self.wire.send(told).await?;
            }
            "heartbeat" => self.wire.send(json!({ "type": "heartbeat-ack" })).await?,
            "mic-audio-end" => {
                // The client waits for an answer to what it has recorded.
                let text = "nobody listens here: speech is not recognized, please type";
                self.wire.send(error(text)).await?;
                self.control("conversation-chain-end").await?;
            }
            // Sound comes in many pieces, of which the last one is answered.
            "mic-audio-data" | "raw-audio-data" => {}
            // Its own server passes over what it does not know, too.
            _ => debug!("A client sent a message of unknown type"),
        }
        Ok(())
    }

    /// The person said something.
    async fn say_to(&mut self, text: String, images: Vec<String>) -> Result<(), Failure> {
        let images = images.into_iter().map(anima_provider::Image).collect();
        let fields = TurnFields { text: Some(text), images, ..TurnFields::default() };
        let submission = fields.submission(Purpose::Say, &self.caller)?;
        if self.seat.is_none() {
            self.sit_down(&self.new_session(), true).await?;
        }
        let Some(seat) = &self.seat else { return Ok(()) };
        seat.session.submit(submission).await?;
        Ok(())
    }

    /// Nobody has said anything for a while.
    async fn speak_of_itself(&mut self) -> Result<(), Failure> {
        let Some(text) = self.house.stage.proactive().map(str::to_owned) else { return Ok(()) };
        // It does not cut in on itself.
        if self.chain.is_none() { self.say_to(text, Vec::new()).await } else { Ok(()) }
    }

    /// The person cuts in: `heard` are the sentences that the client has begun to play.
    async fn cut_in(&mut self, heard: Option<String>) -> Result<(), Failure> {
        let (Some(chain), Some(seat)) = (self.chain.take(), &self.seat) else { return Ok(()) };
        match seat.session.interrupt(Some(chain.turn.clone()), heard).await {
            // It has been settled meanwhile.
            Err(CommandError::TurnNotFound) => Ok(()),
            told => Ok(told.map(drop)?),
        }
    }

    /// The client has played everything up to this sentence.
    async fn note_played(&self, sentence: Option<u32>) {
        let (Some(sentence), Some(chain), Some(seat)) = (sentence, &self.chain, &self.seat) else {
            return;
        };
        let turn: TurnId = chain.turn.clone();
        if let Err(error) = seat.session.spoken(turn, sentence).await {
            debug!(error = %error, "What was heard could not be kept");
        }
    }

    /// A new session of the visitor, who is one of the caller's.
    fn new_session(&self) -> SessionId {
        self.visitor.session(self.caller.tenant())
    }

    /// Whose histories are listed.
    fn whose(&self) -> Whose<'_> {
        let (tenant, visitor) = (self.caller.tenant(), &self.visitor);
        Whose { tenant, visitor, persona: &self.persona }
    }

    async fn begin_history(&mut self) -> Result<(), Failure> {
        let id = self.new_session();
        self.sit_down(&id, true).await?;
        let told = json!({ "type": "new-history-created", "history_uid": id });
        Ok(self.wire.send(told).await?)
    }

    async fn list_histories(&mut self) -> Result<(), Failure> {
        self.wire.drained().await?;
        let (store, hidden) = (self.house.directory.store(), self.house.stage.proactive());
        let histories = histories::list(store, &self.whose(), hidden).await;
        let histories = histories.map_err(HttpError::from)?;
        Ok(self.wire.send(json!({ "type": "history-list", "histories": histories })).await?)
    }

    async fn open_history(&mut self, uid: Option<String>) -> Result<(), Failure> {
        let id = self.owned(uid).await?;
        self.sit_down(&id, false).await?;
        let Some(seat) = &self.seat else { return Ok(()) };
        let exchanges = seat.session.recent(histories::MOST_EXCHANGES).await?;
        let (name, avatar) = self.name_and_avatar();
        let hidden = self.house.stage.proactive();
        let messages = histories::shown(&exchanges, &name, &avatar, hidden);
        self.wire.drained().await?;
        Ok(self.wire.send(json!({ "type": "history-data", "messages": messages })).await?)
    }

    async fn delete_history(&mut self, uid: Option<String>) -> Result<(), Failure> {
        let told = uid.clone();
        let deleted = match self.owned(uid).await {
            Ok(id) => {
                if self.seat.as_ref().is_some_and(|seat| *seat.session.id() == id) {
                    (self.seat, self.chain) = (None, None);
                }
                self.house.directory.delete(self.house.directory.open(&id)).await.is_ok()
            }
            Err(_) => false,
        };
        let told = json!({ "type": "history-deleted", "success": deleted, "history_uid": told });
        Ok(self.wire.send(told).await?)
    }

    /// A session of this visitor that is there.
    async fn owned(&self, uid: Option<String>) -> Result<SessionId, HttpError> {
        let nothing = || HttpError::parameter("history_uid", "there is no such history");
        let id = self.caller.tenant().session(uid.unwrap_or_default()).map_err(|_| nothing())?;
        if self.visitor.owns(&id) && self.house.directory.is_known(&id).await? {
            Ok(id)
        } else {
            Err(nothing())
        }
    }

    async fn list_configurations(&mut self) -> Result<(), Failure> {
        let lineup = self.house.conversation.lineup();
        let personas = lineup.prompts().personas();
        let configs: Vec<Value> = personas
            .map(|persona| json!({ "filename": persona.name, "name": persona.title }))
            .collect();
        Ok(self.wire.send(json!({ "type": "config-files", "configs": configs })).await?)
    }

    /// Lets another persona speak; the client begins a new history with it.
    async fn switch(&mut self, name: Option<String>) -> Result<(), Failure> {
        let name = name.unwrap_or_default();
        let wanted = SessionSettings { persona: Some(name.clone()), provider: None };
        let conversation = &self.house.conversation;
        let switched = conversation.with_changes(&SessionSettings::default(), wanted);
        if let Err(refused) = switched {
            // The client has let go of its model and waits for one.
            let configuration = self.configuration();
            self.wire.send(configuration).await?;
            return Err(HttpError::from(refused).into());
        }
        self.persona.clone_from(&name);
        (self.seat, self.chain) = (None, None);
        let configuration = self.configuration();
        self.wire.send(configuration).await?;
        let message = format!("Switched to config: {name}");
        Ok(self.wire.send(json!({ "type": "config-switched", "message": message })).await?)
    }

    /// The names of the pictures that can be behind the avatar.
    async fn backgrounds(&self) -> Vec<String> {
        let Some(folder) = self.house.stage.folder("backgrounds") else { return Vec::new() };
        let Ok(mut entries) = tokio::fs::read_dir(folder).await else { return Vec::new() };
        let mut names = Vec::new();
        while let Ok(Some(entry)) = entries.next_entry().await {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
            if matches!(ending.as_deref(), Some("jpg" | "jpeg" | "png" | "gif" | "webp")) {
                names.push(name);
            }
        }
        names.sort();
        names.truncate(500);
        names
    }
}
