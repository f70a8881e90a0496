//! One client: it follows the session of the person whose words it shows.

use std::{sync::Arc, time::Duration};

use tokio::{task::yield_now, time::timeout};
use tracing::debug;

use super::{
    super::{
        House, Service,
        error::HttpError,
        request,
        seat::Seat,
        wire::{self, End, Failure, Happening, Wire},
    },
    calls,
    frames::{self, Message},
    user::User,
};
use crate::{
    access::Caller,
    avatars::spoken_length,
    session::{Entry, Hello},
    turn::{EndReason, Sentence, Task, TurnEvent, TurnId},
};

/// Events taken from the log at a time.
const BATCH: usize = 8;
/// How long the store may take to tell what the person said; then the client is not shown it.
const QUESTION: Duration = Duration::from_secs(1);
/// What Fay shows while it has nothing to say yet.
const THINKING: &str = "思考中...";

/// A client.
pub(super) struct Talk {
    house: Arc<House>,
    caller: Caller,
    wire: Wire,
    /// Where it finds sounds.
    base: String,
    user: User,
    /// Its place in the session: it only watches, and acknowledges nothing.
    seat: Seat,
    wants_sound: bool,
    /// The answer that it is told.
    told: Option<Told>,
}

/// An answer on its way to a client.
struct Told {
    turn: TurnId,
    /// Sentences so far.
    count: u32,
}

impl Talk {
    /// Serves a client to the end.
    pub(super) async fn serve(house: Arc<House>, caller: Caller, wire: Wire, base: String) -> End {
        let user = User::default();
        let seat = match sit_down(&house, &caller, &user).await {
            Ok(seat) => seat,
            Err(error) => {
                debug!(error = %error, "A client of Fay got no place");
                return End::Restarting;
            }
        };
        let talk = Self { house, caller, wire, base, user, seat, wants_sound: true, told: None };
        talk.run().await
    }

    async fn run(mut self) -> End {
        loop {
            if let Err(end) = Box::pin(self.tell_news()).await {
                return end;
            }
            let happening = self.wire.next(self.seat.changed()).await;
            if let Err(end) = Box::pin(self.take(happening)).await {
                return end;
            }
        }
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

    /// Does what a message asks. An error is told and leaves the socket open.
    async fn obey(&mut self, text: &str) -> Result<(), End> {
        let message = match request::whole::<Message>(text.as_bytes()) {
            Ok(message) => message,
            Err(refused) => return self.refuse(&refused).await,
        };
        match self.react(message).await {
            Ok(()) => Ok(()),
            Err(Failure::End(end)) => Err(end),
            Err(Failure::Refused(refused)) => self.refuse(&refused).await,
        }
    }

    async fn react(&mut self, message: Message) -> Result<(), Failure> {
        self.wants_sound = message.wants_sound().unwrap_or(self.wants_sound);
        if let Some(name) = &message.username {
            let user = User::parse(name, "Username")?;
            if user != self.user {
                self.seat = sit_down(&self.house, &self.caller, &user).await?;
                (self.user, self.told) = (user, None);
            }
        }
        let Some(asked) = message.data else { return Ok(()) };
        match asked.key.as_str() {
            "question" => {
                let said = asked.value.ok_or_else(|| HttpError::missing("Value"))?;
                calls::say(&self.seat.session, &self.caller, said).await?;
            }
            "interrupt" => calls::interrupt(&self.seat.session).await?,
            other => debug!("A client of Fay sent data of the unknown key {other:?}"),
        }
        Ok(())
    }

    /// Tells what has happened in the session since last time.
    async fn tell_news(&mut self) -> Result<(), End> {
        loop {
            let entries = self.seat.news(BATCH)?;
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
        match &entry.event {
            // A stored answer that is told again was shown when it was new.
            TurnEvent::Accepted { replay: false, .. } => {
                self.told = Some(Told { turn: entry.turn.clone(), count: 0 });
                if let Some(said) = self.said(&entry.turn).await {
                    self.wire.send(frames::question(&self.user, &said)).await?;
                }
                self.wire.send(frames::log(&self.user, THINKING)).await
            }
            TurnEvent::Sentence(sentence) if self.tells(&entry.turn) => self.say(sentence).await,
            TurnEvent::Finished(outcome) if self.tells(&entry.turn) => {
                self.end().await?;
                if outcome.reason == EndReason::Interrupted {
                    self.wire.send(frames::log(&self.user, "")).await?;
                }
                Ok(())
            }
            TurnEvent::Failed(failure) if self.tells(&entry.turn) => {
                self.wire.send(frames::log(&self.user, &failure.message)).await?;
                self.end().await
            }
            _ => Ok(()),
        }
    }

    fn tells(&self, turn: &TurnId) -> bool {
        self.told.as_ref().is_some_and(|told| told.turn == *turn)
    }

    /// What the person said in a turn, where that can be told in time.
    async fn said(&self, turn: &TurnId) -> Option<String> {
        let store = self.house.directory.store();
        let asking = store.exchange(self.seat.session.id(), turn);
        match timeout(QUESTION, asking).await.ok()?.ok()??.task {
            Task::Answer { said, .. } => Some(said.as_str().to_owned()),
            Task::Speak { .. } => None,
        }
    }

    async fn say(&mut self, sentence: &Sentence) -> Result<(), End> {
        let Some(told) = &mut self.told else { return Ok(()) };
        told.count = sentence.index + 1;
        let turn = told.turn.clone();
        self.wire.send(frames::text(&self.user, sentence, sentence.index == 0)).await?;
        if !self.wants_sound || sentence.speech.trim().is_empty() {
            return Ok(());
        }
        let sound = (self.base.as_str(), spoken_length(&sentence.speech));
        self.wire.send(frames::audio(&self.user, &turn, sentence, sound)).await
    }

    /// Nothing more comes of the answer.
    async fn end(&mut self) -> Result<(), End> {
        let Some(Told { turn, count }) = self.told.take() else { return Ok(()) };
        self.wire.send(frames::text_end(&self.user, count == 0)).await?;
        if self.wants_sound {
            self.wire.send(frames::audio_end(&self.user, &turn, count)).await?;
        }
        Ok(())
    }

    /// Tells an error, in the line that tells how things stand.
    async fn refuse(&mut self, refused: &HttpError) -> Result<(), End> {
        let line = format!("[!] {}", refused.message());
        self.wire.send(frames::log(&self.user, &line)).await
    }
}

/// Takes a place in the session of a person.
async fn sit_down(house: &House, caller: &Caller, user: &User) -> Result<Seat, HttpError> {
    let session = house.directory.open(&user.session(caller.tenant())?);
    let attached = session.attach(Hello { observes: true, ..Hello::default() }).await?;
    Ok(Seat::new(session, attached))
}
