//! Barge-ins at random instants: what the service says was heard is what the next prompt shows.

use std::{net::SocketAddr, sync::Arc};

use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{Duration, Instant},
};

use crate::{
    book,
    count::{Count, Table},
    dice::Dice,
    row::Row,
    service::{House, Service},
    size::Size,
    socket::{Socket, is_end, say},
    store::Store,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_heard_at_a_barge_in_is_what_the_next_prompt_shows() {
    let size = Size::read();
    let mut table = Table::new("Barge-ins at random instants", size);
    let row = Row::of(2, "barge-ins at random instants");
    let (people, each) = (size.of(4, 20), size.of(5, 25));
    let house = House::new(Store::Embedded, 1000);
    let service = Arc::new(house.start().await);
    let counts = Counts::default();
    let sessions = service.sessions(people).await.into_iter().enumerate();
    let talks = sessions.map(|(number, session)| {
        let (service, counts) = (Arc::clone(&service), counts.clone());
        let dice = size.dice().part(number);
        async move {
            let mut talker =
                Talker::join(service.address, session, number % 2 == 1, dice, counts).await;
            for number in 1..=each {
                talker.barge_in(&service, number).await;
            }
            talker.compare(&service).await
        }
    });
    let wrong = talks.collect::<JoinSet<_>>().join_all().await.concat();
    table.must_be(people * each, "barge-ins", counts.barge_ins.get());
    table.counted("of them while the turn was running", counts.running.get());
    for (way, count) in WAYS.iter().zip(&counts.by) {
        table.counted(&format!("  by {way}"), count.get());
    }
    table.counted("with a `heard` text of the client", counts.told.get());
    table.counted("with `spoken` acknowledgements", counts.acknowledged.get());
    table.counted("where nothing was heard", counts.nothing.get());
    table.must_be(people * each, "prompts compared with what was heard", counts.prompts.get());
    table.never("other than the rule, the prompt or the history", &wrong);
    let counted = format!("{} barge-ins", counts.barge_ins.get());
    let result = format!("{} not as heard in prompt or history", wrong.len());
    row.tell(counted, result, table.holds());
    table.end();
}

/// How somebody cuts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Frame,
    Rest,
    NextTurn,
}

const WAYS: [&str; 3] = ["`interrupt` on the socket", "`interrupt` over HTTP", "the next turn"];

#[derive(Debug, Clone, Default)]
struct Counts {
    barge_ins: Count,
    running: Count,
    by: [Count; WAYS.len()],
    told: Count,
    acknowledged: Count,
    nothing: Count,
    prompts: Count,
}

/// Somebody who cuts in on every answer.
struct Talker {
    session: String,
    socket: Socket,
    /// The client says that it acknowledges what it has played.
    acknowledges: bool,
    dice: Dice,
    counts: Counts,
    /// The frames of the turn that is talked about.
    frames: Vec<Value>,
    /// What has to have been heard of each turn.
    heard: Vec<(String, String)>,
    wrong: Vec<String>,
}

impl Talker {
    async fn join(
        address: SocketAddr,
        session: String,
        acknowledges: bool,
        dice: Dice,
        counts: Counts,
    ) -> Self {
        let playback = if acknowledges { "acknowledged" } else { "none" };
        let hello = json!({ "session": session, "playback": playback });
        let (socket, _) = Socket::open(address, &hello).await.unwrap();
        let (frames, heard, wrong) = (Vec::new(), Vec::new(), Vec::new());
        Self { session, socket, acknowledges, dice, counts, frames, heard, wrong }
    }

    /// One answer, one barge-in, and a question whose answer tells what the model was shown.
    async fn barge_in(&mut self, service: &Service, number: usize) {
        let (id, asked) = (format!("t{number}"), book::question("long", number));
        self.frames.clear();
        assert!(self.socket.send(&say(&id, &asked)).await);
        self.listen_for(|frame| frame["type"] == "accepted").await;
        if self.dice.percent(15) {
            self.listen_for(is_end).await;
        } else {
            let time = self.dice.time(350);
            self.listen(time).await;
        }
        let acknowledged = self.acknowledge(&id).await;
        let told = self.dice.percent(50).then(|| self.claim(&asked));
        let way = self.dice.pick(&[Way::Frame, Way::Rest, Way::NextTurn]);
        self.counts.barge_ins.add(1);
        self.counts.by[way as usize].add(1);
        self.counts.told.add(usize::from(told.is_some()));
        self.counts.acknowledged.add(usize::from(acknowledged.is_some()));

        let answered = self.cut_in(service, way, told.as_deref()).await;
        let probe = book::question("probe", number);
        let mut frame =
            json!({ "type": "say", "turn": format!("p{number}"), "text": probe, "turns": 1 });
        if let (Way::NextTurn, Some(told)) = (way, &told) {
            frame["heard"] = json!(told);
        }
        assert!(self.socket.send(&frame).await);
        let shown = self.answer_of(&format!("p{number}")).await;

        let end = self.frames.iter().find(|frame| is_end(frame) && frame["turn"] == *id);
        let end = end.unwrap_or_else(|| panic!("{id} has no end"));
        let text = end["text"].as_str().unwrap();
        let expected = match (&told, acknowledged) {
            (Some(told), _) => common(text, told),
            (None, Some(sentences)) => self.sentences(&id)[..=sentences].concat(),
            (None, None) if self.acknowledges => String::new(),
            (None, None) => text.to_owned(),
        };
        let interrupted = end["reason"] == "interrupted";
        self.counts.running.add(usize::from(interrupted));
        self.counts.nothing.add(usize::from(expected.is_empty()));
        self.counts.prompts.add(1);
        // What the service said itself, by its answer and by the end of the turn it stopped.
        let said = [answered, interrupted.then(|| end["heard"].clone())];
        let prompt = if expected.is_empty() {
            format!("shown  end {asked}\n{probe}")
        } else {
            format!("shown user: {asked}\nassistant: {expected} end {probe}")
        };
        if said.iter().flatten().any(|said| *said != json!(expected)) || shown != prompt {
            let case = format!("{way:?}, told {told:?}, acknowledged {acknowledged:?}, {end}");
            self.wrong.push(format!("{case}: {said:?} and {shown:?}, not {expected:?}"));
        }
        self.heard.push((id, expected));
    }

    /// Interrupts, unless the next turn does; gives what the service says was heard.
    async fn cut_in(&mut self, service: &Service, way: Way, told: Option<&str>) -> Option<Value> {
        let mut call = json!({});
        if let Some(told) = told {
            call["heard"] = json!(told);
        }
        match way {
            Way::Frame => {
                call["type"] = json!("interrupt");
                assert!(self.socket.send(&call).await);
                Some(self.listen_for(|frame| frame["type"] == "heard").await["text"].clone())
            }
            Way::Rest => {
                Some(service.post(&self.session, "interrupt", &call).await["heard"].clone())
            }
            Way::NextTurn => None,
        }
    }

    /// Acknowledges some of the sentences that have come; gives the last of them.
    async fn acknowledge(&mut self, id: &str) -> Option<usize> {
        let come = self.sentences(id).len();
        let often = if self.acknowledges { 70 } else { 20 };
        let last = (come > 0 && self.dice.percent(often)).then(|| self.dice.below(come))?;
        let first = self.dice.below(last + 1);
        for sentence in [first, last] {
            let spoken = json!({ "type": "spoken", "turn": id, "sentence": sentence });
            assert!(self.socket.send(&spoken).await);
        }
        // A call over HTTP could overtake it.
        assert!(self.socket.send(&json!({ "type": "ping" })).await);
        self.listen_for(|frame| frame["type"] == "pong").await;
        Some(last)
    }

    /// What a client may say was heard: some of the answer, more or less exactly.
    fn claim(&mut self, asked: &str) -> String {
        let answer = book::answer(asked);
        let some = self.dice.below(answer.chars().count() + 1);
        let some: String = answer.chars().take(some).collect();
        match self.dice.below(6) {
            0 => String::new(),
            1 => format!("{some}咦"),
            2 => format!("{answer}还有"),
            3 => "完全是别的".to_owned(),
            _ => some,
        }
    }

    /// The sentences of a turn that have come.
    fn sentences(&self, id: &str) -> Vec<&str> {
        let its = |frame: &&Value| frame["type"] == "sentence" && frame["turn"] == *id;
        self.frames.iter().filter(its).map(|frame| frame["text"].as_str().unwrap()).collect()
    }

    /// The whole answer of a turn.
    async fn answer_of(&mut self, id: &str) -> String {
        let end = self.listen_for(|frame| is_end(frame) && frame["turn"] == *id).await;
        assert_eq!(end["reason"], "complete", "{end}");
        end["text"].as_str().unwrap().to_owned()
    }

    async fn listen_for(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let frame = self.socket.next().await.expect("the service hung up");
            assert!(frame["type"] != "error" && frame["type"] != "failed", "{frame}");
            self.frames.push(frame.clone());
            if wanted(&frame) {
                return frame;
            }
        }
    }

    async fn listen(&mut self, time: Duration) {
        let end = Instant::now() + time;
        let left = || end.saturating_duration_since(Instant::now());
        while let Ok(frame) = self.socket.next_within(left()).await {
            self.frames.push(frame.expect("the service hung up"));
        }
    }

    /// Compares the history with what was heard; gives everything that was wrong.
    async fn compare(mut self, service: &Service) -> Vec<String> {
        let exchanges = service.exchanges(&self.session).await;
        for (id, heard) in &self.heard {
            let exchange = exchanges.iter().find(|exchange| exchange["turn"] == **id).unwrap();
            if exchange["heard"] != json!(heard) {
                self.wrong.push(format!("{heard:?} was heard, not as in {exchange}"));
            }
        }
        self.wrong
    }
}

/// What two texts have in common from their beginning on.
fn common(one: &str, other: &str) -> String {
    one.chars()
        .zip(other.chars())
        .take_while(|(one, other)| one == other)
        .map(|(one, _)| one)
        .collect()
}
