//! Connections that are cut anywhere, and turns that are sent again: each is answered once.

use std::{net::SocketAddr, sync::Arc};

use futures::future::OptionFuture;
use serde_json::json;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    book,
    count::{Count, Table},
    crash::tell,
    dice::Dice,
    ledger::Ledger,
    proxy::{Cut, Passed, Proxy},
    row::Row,
    service::{House, Service},
    size::Size,
    socket::{Socket, say},
    store::Store,
};

/// How often a turn is sent again at most.
const RETRIES: usize = 5;

/// How many of a hundred connections are cut.
const CUTS: usize = 30;

/// How many of a hundred times a turn is sent over HTTP at the same time.
const TWICE: usize = 15;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_is_sent_again_over_cut_connections_is_answered_once() {
    run(Store::Embedded).await;
}

mod needs_redis {
    use super::{Store, run};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_turn_that_is_sent_again_over_cut_connections_is_answered_once() {
        run(Store::redis()).await;
    }
}

/// Sends turns over connections that break.
async fn run(store: Store) {
    let size = Size::read();
    let mut table = Table::new(&format!("Connections cut at random bytes, {}", store.name()), size);
    let row = Row::of(2, format!("connections cut at random bytes, {}", store.name()));
    let (people, each) = (size.of(5, 40), size.of(6, 25));
    let house = House::new(store, 1000);
    let service = Arc::new(house.start().await);
    let sessions = service.sessions(people + 1).await;
    let counts = Counts::default();
    // How many bytes a whole turn takes.
    let mut first = Client::new(&service, sessions[people].clone(), size.dice(), counts.clone());
    let whole = first.attempt(Cut::Never).await;
    let clients = sessions[..people].iter().enumerate().map(|(number, session)| {
        let dice = size.dice().part(number);
        let client = Client::new(&service, session.clone(), dice, counts.clone());
        client.ask_all(each, (whole.up, whole.down))
    });
    let mut clients = clients.collect::<JoinSet<_>>().join_all().await;
    clients.push(first);
    for client in &mut clients {
        client.ledger.check(&service.exchanges(&client.session).await);
    }
    let turns = people * each + 1;
    let sum = |count: fn(&Client) -> usize| clients.iter().map(count).sum::<usize>();
    table.counted("turns", turns);
    table.counted("connections", counts.connections.get());
    table.counted("of them cut", counts.cut.get());
    for (stage, count) in STAGES.iter().zip(&counts.cut_at) {
        table.counted(&format!("  cut {stage}"), count.get());
    }
    table.counted("turns sent twice at once, on the socket and over HTTP", counts.twice.get());
    table.counted("turns joined while they ran", sum(|client| client.ledger.joins));
    table.counted("stored answers told again", sum(|client| client.ledger.replays));
    table.must_be(
        turns,
        "turns whose end was told",
        sum(|client| client.ledger.turns.iter().filter(|turn| turn.ended.is_some()).count()),
    );
    table.must_be(turns, "exchanges kept", sum(|client| client.ledger.turns.len()));
    table.must_be(turns, "answers that the provider gave", service.ends("complete").await);
    for outcome in ["interrupted", "failed", "length", "filtered"] {
        table.must_be(0, &format!("answers that ended {outcome}"), service.ends(outcome).await);
    }
    let open = clients.iter().map(|client| client.ledger.open_ends().len()).sum();
    let result = tell(&mut table, clients.into_iter().map(|client| client.ledger).collect());
    let counted = format!(
        "{turns} turns, {} of {} connections cut, {} sent twice at once",
        counts.cut.get(),
        counts.connections.get(),
        counts.twice.get()
    );
    row.turns(turns, open).tell(
        counted,
        result + "; one answer of the provider each",
        table.holds(),
    );
    table.end();
}

/// How far a turn had come, as its client knows it, when the connection was cut.
const STAGES: [&str; 4] =
    ["before the turn was sent", "after it was sent", "after `accepted`", "mid-answer"];

#[derive(Debug, Clone, Default)]
struct Counts {
    connections: Count,
    cut: Count,
    cut_at: [Count; STAGES.len()],
    twice: Count,
}

/// A client that does not give up.
struct Client {
    service: Arc<Service>,
    session: String,
    ledger: Ledger,
    dice: Dice,
    counts: Counts,
}

impl Client {
    fn new(service: &Arc<Service>, session: String, dice: Dice, counts: Counts) -> Self {
        let mut ledger = Ledger::default();
        ledger.say("t0".to_owned(), book::question("slow", 0));
        Self { service: Arc::clone(service), session, ledger, dice, counts }
    }

    async fn ask_all(mut self, turns: usize, whole: (usize, usize)) -> Self {
        for number in 1..=turns {
            for retry in 0..=RETRIES {
                let cut = match (retry < RETRIES && self.dice.percent(CUTS), self.dice.percent(30))
                {
                    (false, _) => Cut::Never,
                    (true, true) => Cut::Up(self.dice.below(whole.0)),
                    (true, false) => Cut::Down(self.dice.below(whole.1)),
                };
                self.attempt(cut).await;
                if self.ledger.turns.last().unwrap().ended.is_some() {
                    break;
                }
            }
            if number < turns {
                let (id, said) = (format!("t{number}"), book::question("slow", number));
                self.ledger.say(id, said);
            }
        }
        self
    }

    /// Sends the newest turn, and listens until it has its end or the connection has.
    async fn attempt(&mut self, cut: Cut) -> Passed {
        let proxy = Proxy::before(self.service.address, cut, self.dice.percent(50)).await;
        let twice = self.dice.percent(TWICE).then(|| self.over_http());
        let (stage, _) = tokio::join!(self.converse(proxy.address), OptionFuture::from(twice));
        self.ledger.cut();
        let passed = proxy.ended().await;
        self.counts.connections.add(1);
        if let Err(stage) = stage {
            assert!(passed.cut, "the service hung up: {passed:?}");
            self.counts.cut.add(1);
            self.counts.cut_at[stage].add(1);
        }
        passed
    }

    /// Sends the newest turn over HTTP and waits for its answer, whole.
    fn over_http(&mut self) -> impl Future<Output = ()> + use<> {
        self.counts.twice.add(1);
        let (service, session) = (Arc::clone(&self.service), self.session.clone());
        let turn = self.ledger.turns.last().unwrap();
        let (frame, answer) = (say(&turn.id, &turn.said), book::answer(&turn.said));
        let time = self.dice.time(150);
        async move {
            sleep(time).await;
            let told = service.post(&session, "turns", &frame).await;
            assert_eq!(told["text"], json!(answer), "{told}");
        }
    }

    /// The error is how far the turn had come when the connection ended.
    async fn converse(&mut self, address: SocketAddr) -> Result<(), usize> {
        let hello = json!({ "session": self.session });
        let (mut socket, welcome) = Socket::open(address, &hello).await.ok_or(0_usize)?;
        assert_eq!(welcome["session"], json!(self.session));
        let turn = self.ledger.turns.last().unwrap();
        let (id, frame) = (turn.id.clone(), say(&turn.id, &turn.said));
        if !socket.send(&frame).await {
            return Err(0_usize);
        }
        let mut stage = 1_usize;
        while self.ledger.turns.last().unwrap().ended.is_none() {
            let frame = socket.next().await.ok_or(stage)?;
            assert!(frame["type"] != "error" && frame["type"] != "failed", "{frame}");
            self.ledger.hear(&frame);
            stage = match frame["type"].as_str() {
                _ if frame["turn"] != *id => stage,
                Some("accepted") => 2,
                Some("sentence") => 3,
                _ => stage,
            };
        }
        Ok(())
    }
}
