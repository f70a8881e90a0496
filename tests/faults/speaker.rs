//! A person who talks and talks: new questions, the same ones again, and cutting in.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::{
    book,
    count::Count,
    dice::Dice,
    ledger::Ledger,
    service::PATIENCE,
    socket::{Socket, say},
};

/// What all speakers count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    /// Turns that were accepted for the first time.
    pub(crate) accepted: Count,
    /// Turns that are being told now.
    pub(crate) running: Count,
    /// Turns that were not taken just then, and were sent again.
    pub(crate) refused: Count,
    /// Turns that failed, and were sent again.
    pub(crate) failed: Count,
    /// Clients that came back to other events than they knew and were told so.
    pub(crate) notices: Count,
    /// Clients that were not told.
    pub(crate) silent: Count,
}

/// Somebody in a session of his own.
pub(crate) struct Speaker {
    pub(crate) session: String,
    pub(crate) ledger: Ledger,
    dice: Dice,
    counts: Counts,
    epoch: Option<String>,
    said: usize,
}

impl Speaker {
    pub(crate) fn new(session: String, dice: Dice, counts: Counts) -> Self {
        Self { session, ledger: Ledger::default(), dice, counts, epoch: None, said: 0 }
    }

    /// Talks until the connection ends; or, when told to stop, until every turn has its end.
    pub(crate) async fn talk(mut self, address: SocketAddr, stop: watch::Receiver<bool>) -> Self {
        let before = self.ledger.telling();
        if let Some(mut socket) = self.join(address).await {
            while self.speak(&mut socket, &stop).await == Some(true) {}
        }
        assert_eq!(before, 0, "nothing was told before");
        self.counts.running.take(self.ledger.telling());
        self.ledger.cut();
        self
    }

    /// Comes back to the session, wherever it broke off.
    async fn join(&mut self, address: SocketAddr) -> Option<Socket> {
        let mut hello = json!({ "session": self.session });
        if let Some(epoch) = &self.epoch {
            hello["epoch"] = json!(epoch);
            hello["resume_from"] = json!(self.ledger.last_seq);
        }
        let (socket, welcome) = Socket::open(address, &hello).await?;
        assert_eq!(welcome["session"], json!(self.session));
        let epoch = welcome["epoch"].as_str().unwrap().to_owned();
        // A service that was started again has lost its events, and says so.
        let before = self.epoch.replace(epoch.clone());
        let other = before.as_ref().is_some_and(|before| *before != epoch);
        let resumed = welcome["resumed"] == true;
        self.counts.notices.add(usize::from(other && !resumed));
        self.counts.silent.add(usize::from(other && resumed));
        assert!(resumed || before != Some(epoch), "{welcome}");
        Some(socket)
    }

    /// One turn; `None` when the connection has ended, `false` when there is nothing more to say.
    async fn speak(&mut self, socket: &mut Socket, stop: &watch::Receiver<bool>) -> Option<bool> {
        let stopping = *stop.borrow();
        let open = self.ledger.open_ends();
        let turn = match open.first() {
            Some(first) if stopping || self.dice.percent(70) => *first,
            // The one that was said last may still be running.
            _ if stopping => {
                let Some(last) = self.ledger.turns.iter().position(|turn| turn.telling) else {
                    return Some(false);
                };
                self.hear_out(socket, last).await?;
                return Some(true);
            }
            _ => self.choose(),
        };
        self.ask(socket, turn).await?;
        match self.dice.below(10) {
            _ if stopping => self.hear_out(socket, turn).await?,
            // The next turn cuts in, if this one still runs then.
            0..3 => {
                let time = self.dice.time(150);
                self.listen(socket, time).await?;
            }
            3 => {
                let time = self.dice.time(150);
                self.listen(socket, time).await?;
                let interrupt = json!({ "type": "interrupt", "turn": self.ledger.turns[turn].id });
                socket.send(&interrupt).await.then_some(())?;
                self.hear_out(socket, turn).await?;
            }
            _ => self.hear_out(socket, turn).await?,
        }
        Some(true)
    }

    /// A turn that is new, or one that has ended and is asked for again.
    fn choose(&mut self) -> usize {
        let ended = |at: &usize| self.ledger.turns[*at].ended.is_some();
        let ended: Vec<usize> = (0..self.ledger.turns.len()).filter(ended).collect();
        if !ended.is_empty() && self.dice.percent(8) {
            return self.dice.pick(&ended);
        }
        self.said += 1;
        let question = book::question(book::kind(&mut self.dice), self.said);
        self.ledger.say(format!("t{}", self.said), question)
    }

    /// Sends a turn until it is accepted.
    async fn ask(&mut self, socket: &mut Socket, turn: usize) -> Option<()> {
        let (id, said) = (self.ledger.turns[turn].id.clone(), self.ledger.turns[turn].said.clone());
        let frame = say(&id, &said);
        let begun = Instant::now();
        loop {
            socket.send(&frame).await.then_some(())?;
            loop {
                let was_known = self.ledger.turns[turn].accepted;
                let heard = self.hear(socket.next().await?);
                if heard["turn"] == *id && heard["type"] == "accepted" {
                    self.counts.accepted.add(usize::from(!was_known));
                    return Some(());
                }
                if heard["type"] == "error" {
                    assert!(heard["retry_after_ms"].is_u64(), "{heard}");
                    assert!(begun.elapsed() < PATIENCE, "still refused: {heard}");
                    break;
                }
            }
            self.counts.refused.add(1);
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Listens until the turn has its end. One that failed runs again later.
    async fn hear_out(&mut self, socket: &mut Socket, turn: usize) -> Option<()> {
        while self.ledger.turns[turn].telling {
            self.hear(socket.next().await?);
        }
        Some(())
    }

    /// Listens for a while.
    async fn listen(&mut self, socket: &mut Socket, time: Duration) -> Option<()> {
        let end = Instant::now() + time;
        while let Ok(frame) =
            socket.next_within(end.saturating_duration_since(Instant::now())).await
        {
            self.hear(frame?);
        }
        Some(())
    }

    fn hear(&mut self, frame: Value) -> Value {
        let before = self.ledger.telling();
        self.ledger.hear(&frame);
        let now = self.ledger.telling();
        self.counts.running.add(now);
        self.counts.running.take(before);
        self.counts.failed.add(usize::from(frame["type"] == "failed"));
        frame
    }
}
