//! SIGTERM while answers stream: clients are told, nothing is lost, and what did not end runs again.

use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Duration, Instant, sleep},
};

use crate::{
    book,
    count::{Count, Table},
    crash::tell,
    ledger::Ledger,
    service::{House, PATIENCE, Service},
    size::Size,
    socket::{Socket, is_end, say},
    store::Store,
};

/// How long running turns may go on, in milliseconds: some end in it, and some do not.
const DRAIN_MS: usize = 600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_termination_under_load_loses_nothing() {
    run(Store::Embedded, Operator::Patient).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_termination_that_is_cut_short_loses_nothing() {
    run(Store::Embedded, Operator::Impatient).await;
}

mod needs_redis {
    use super::{Operator, Store, run};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_termination_under_load_loses_nothing() {
        run(Store::redis(), Operator::Patient).await;
    }
}

/// Who ends the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    /// Waits for its end.
    Patient,
    /// Kills it while turns still have time.
    Impatient,
}

/// Ends a service while people listen to it, again and again.
async fn run(store: Store, operator: Operator) {
    let size = Size::read();
    let how = match operator {
        Operator::Patient => "SIGTERM under load",
        Operator::Impatient => "SIGTERM under load, and SIGKILL before the end",
    };
    let mut table = Table::new(&format!("{how}, {}", store.name()), size);
    let (rounds, sockets) = (size.of(1, 4), size.of(12, 50));
    let house = House::new(store, i64::try_from(DRAIN_MS).unwrap());
    let counts = Counts::default();
    let mut listeners = Vec::new();
    for number in 0..rounds {
        let service = house.start().await;
        let round = Round { size, number, operator, counts: &counts };
        let mut come = round.terminate(service, sockets).await;
        let service = house.start().await;
        for listener in &mut come {
            listener.ledger.check(&service.exchanges(&listener.session).await);
        }
        let address = service.address;
        let open = come.iter().filter(|listener| !listener.ledger.open_ends().is_empty());
        counts.open.add(open.count());
        let again = come.into_iter().map(|listener| listener.ask_again(address));
        for mut listener in again.collect::<JoinSet<_>>().join_all().await {
            listener.ledger.check(&service.exchanges(&listener.session).await);
            listeners.push(listener);
        }
        service.terminate().await;
        counts.exits.add(usize::from(service.ended().await));
    }
    let all = rounds * sockets;
    let sum = |count: fn(&Listener) -> usize| listeners.iter().map(count).sum::<usize>();
    table.counted("sockets with an answer on its way", all);
    table.counted("turns being told at SIGTERM", counts.hit.get());
    table.counted("turns that ended within the time they had", counts.ended.get());
    table.counted("turns that failed as `shutting_down`", counts.failed.get());
    if operator == Operator::Patient {
        table.must_be(all, "clients told `goaway`", counts.goaways.get());
        table.must_be(2 * rounds, "exits with status 0", counts.exits.get());
        table.must_be(all, "sockets closed with 1012", counts.restarts.get());
        table.must_be(counts.failed.get(), "turns without an answer", counts.open.get());
    } else {
        table.counted("clients told `goaway`", counts.goaways.get());
        table.counted("turns without an answer", counts.open.get());
    }
    table.must_be(all, "turns with an answer, or without one", {
        counts.ended.get() + counts.open.get()
    });
    table.must_be(counts.open.get(), "turns that ran again in their old position", {
        sum(|listener| listener.ledger.reruns + listener.ledger.replays)
    });
    table.must_be(0, "accepted without an answer at last", {
        sum(|listener| listener.ledger.open_ends().len())
    });
    tell(&mut table, listeners.into_iter().map(|listener| listener.ledger).collect());
    table.end();
}

#[derive(Debug, Clone, Default)]
struct Counts {
    accepted: Count,
    /// Turns that are being told now.
    telling: Count,
    /// Turns that were being told at the signal.
    hit: Count,
    ended: Count,
    failed: Count,
    /// Turns whose end nobody was told, or that failed.
    open: Count,
    goaways: Count,
    restarts: Count,
    exits: Count,
}

struct Round<'counts> {
    size: Size,
    number: usize,
    operator: Operator,
    counts: &'counts Counts,
}

impl Round<'_> {
    /// Ends the service while everybody listens.
    async fn terminate(&self, mut service: Service, sockets: usize) -> Vec<Listener> {
        let mut dice = self.size.dice().part(self.number);
        let mut listening = JoinSet::new();
        for session in service.sessions(sockets).await {
            let kind = dice.pick(&["long", "stuck"]);
            let mut listener = Listener { session, ledger: Ledger::default() };
            listener.ledger.say("t1".to_owned(), book::question(kind, 1));
            let (address, counts) = (service.address, self.counts.clone());
            listening.spawn(async move {
                let socket = listener.ask(address).await.expect("it does not run yet");
                counts.accepted.add(1);
                counts.telling.add(1);
                listener.hear_out(socket, counts).await
            });
        }
        let begun = Instant::now();
        while self.counts.accepted.get() < (self.number + 1) * sockets {
            assert!(begun.elapsed() < PATIENCE, "not all are accepted: {:?}", self.counts);
            sleep(Duration::from_millis(1)).await;
        }
        sleep(dice.time(100)).await;
        self.counts.hit.add(self.counts.telling.get());
        service.terminate().await;
        if self.operator == Operator::Impatient {
            sleep(dice.time(DRAIN_MS - 200)).await;
            service.kill().await;
        }
        let listeners = listening.join_all().await;
        self.counts.exits.add(usize::from(service.ended().await));
        listeners
    }
}

/// A client with one question.
struct Listener {
    session: String,
    ledger: Ledger,
}

impl Listener {
    /// Asks, and waits until the turn is accepted.
    async fn ask(&mut self, address: std::net::SocketAddr) -> Option<Socket> {
        let hello = json!({ "session": self.session });
        let (mut socket, _) = Socket::open(address, &hello).await?;
        let turn = &self.ledger.turns[0];
        socket.send(&say(&turn.id, &turn.said)).await.then_some(())?;
        while !self.ledger.turns[0].telling {
            let frame = socket.next().await?;
            assert_ne!(frame["type"], "error", "{frame}");
            self.ledger.hear(&frame);
        }
        Some(socket)
    }

    /// Listens until the service hangs up.
    async fn hear_out(mut self, mut socket: Socket, counts: Counts) -> Self {
        while let Some(frame) = socket.next().await {
            self.ledger.hear(&frame);
            counts.goaways.add(usize::from(frame["type"] == "goaway"));
            counts.telling.take(usize::from(is_end(&frame)));
            counts.ended.add(usize::from(frame["type"] == "finished"));
            if frame["type"] == "failed" {
                assert_eq!(frame["code"], "shutting_down", "{frame}");
                counts.failed.add(1);
            }
        }
        counts.restarts.add(usize::from(socket.closed == Some(1012)));
        counts.telling.take(self.ledger.telling());
        self.ledger.cut();
        self
    }

    /// Asks for the answer once more, where there was none.
    async fn ask_again(mut self, address: std::net::SocketAddr) -> Self {
        if self.ledger.turns[0].ended.is_none() {
            let mut socket = self.ask(address).await.unwrap();
            while self.ledger.turns[0].telling {
                self.ledger.hear(&socket.next().await.unwrap());
            }
        }
        self
    }
}
