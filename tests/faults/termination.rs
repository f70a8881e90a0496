//! SIGTERM while answers stream: clients are told, nothing is lost, and what did not end runs again.

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{Duration, Instant, sleep},
};

use crate::{
    book,
    count::{Count, Table},
    crash::tell,
    ledger::Ledger,
    row::Row,
    service::{House, PATIENCE, Service, http},
    size::Size,
    socket::{Socket, is_end, say},
    store::Store,
};

/// How long running turns may go on, in milliseconds: some end in it, and some do not.
const DRAIN_MS: usize = 600;

/// Each client of so many listens to an event stream, and the others have sockets.
const STREAMS: usize = 6;

/// How soon `/readyz` says that the service ends, how soon the process is gone, and how soon it is after
/// a second signal.
const UNREADY_WITHIN: Duration = Duration::from_millis(100);
const GONE_WITHIN: Duration = Duration::from_secs(25);
const SECOND_WITHIN: Duration = Duration::from_secs(2);

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
    let row = Row::of(18, format!("{how}, {}", store.name()));
    let (rounds, sockets) =
        (size.of(1, if operator == Operator::Patient { 20 } else { 10 }), size.of(12, 36));
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
        if operator == Operator::Impatient {
            counts.second.add(usize::from(ends_at_the_second_signal(&house).await));
        }
    }
    let all = rounds * sockets;
    let sum = |count: fn(&Listener) -> usize| listeners.iter().map(count).sum::<usize>();
    // Each sixth listens to an event stream.
    let streams = rounds * sockets.div_ceil(STREAMS);
    counts.tell(&mut table, operator, rounds, (all, streams));
    table.must_be(counts.open.get(), "turns that ran again in their old position", {
        sum(|listener| listener.ledger.reruns + listener.ledger.replays)
    });
    let open = sum(|listener| listener.ledger.open_ends().len());
    table.must_be(0, "accepted without an answer at last", open);
    let result = tell(&mut table, listeners.into_iter().map(|listener| listener.ledger).collect());
    let [unready, gone] = [&counts.unready_ms, &counts.gone_ms].map(Count::get);
    let times = match operator {
        Operator::Patient => format!("unready in {unready} ms, gone in {gone} ms at most"),
        Operator::Impatient => "a second signal ended it within 2 s".to_owned(),
    };
    row.turns(all, open).tell(
        format!("{rounds} rounds, {} sockets and {streams} event streams", all - streams),
        format!("{result}; {times}"),
        table.holds(),
    );
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
    /// Event streams whose last event was the end of the turn.
    streams: Count,
    exits: Count,
    /// Rounds in which `/readyz` and `/healthz` said what they should, and the process was gone in time.
    in_time: Count,
    second: Count,
    /// The longest of all rounds, in milliseconds.
    unready_ms: Count,
    gone_ms: Count,
}

impl Counts {
    /// Tells what so many rounds came to, with so many clients in all and on event streams.
    fn tell(
        &self,
        table: &mut Table,
        operator: Operator,
        rounds: usize,
        (all, streams): (usize, usize),
    ) {
        table.counted("clients with an answer on its way", all);
        table.counted("of them on event streams", streams);
        table.counted("turns being told at SIGTERM", self.hit.get());
        table.counted("turns that ended within the time they had", self.ended.get());
        table.counted("turns that failed as `shutting_down`", self.failed.get());
        if operator == Operator::Patient {
            table.must_be(all - streams, "clients told `goaway`", self.goaways.get());
            table.must_be(2 * rounds, "exits with status 0", self.exits.get());
            table.must_be(all - streams, "sockets closed with 1012", self.restarts.get());
            table.must_be(streams, "event streams that ended with the end of their turn", {
                self.streams.get()
            });
            table.must_be(rounds, "unready at once, alive, and gone in time", self.in_time.get());
            table.must_be(self.failed.get(), "turns without an answer", self.open.get());
        } else {
            table.must_be(rounds, "ended at once at a second signal", self.second.get());
            table.counted("clients told `goaway`", self.goaways.get());
            table.counted("turns without an answer", self.open.get());
        }
        table.must_be(all, "turns with an answer, or without one", {
            self.ended.get() + self.open.get()
        });
    }

    /// Takes note of the end of a turn.
    fn note(&self, frame: &Value) {
        self.telling.take(usize::from(is_end(frame)));
        self.ended.add(usize::from(frame["type"] == "finished"));
        if frame["type"] == "failed" {
            assert_eq!(frame["code"], "shutting_down", "{frame}");
            self.failed.add(1);
        }
    }
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
        for (client, session) in service.sessions(sockets).await.into_iter().enumerate() {
            let kind = dice.pick(&["long", "stuck"]);
            let mut listener = Listener { session, ledger: Ledger::default() };
            listener.ledger.say("t1".to_owned(), book::question(kind, 1));
            let (address, counts) = (service.address, self.counts.clone());
            if client.is_multiple_of(STREAMS) {
                listening.spawn(listener.hear_stream(address, counts));
                continue;
            }
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
        let begun = Instant::now();
        service.terminate().await;
        let mut in_time = true;
        if self.operator == Operator::Impatient {
            sleep(dice.time(DRAIN_MS - 200)).await;
            service.kill().await;
        } else {
            in_time = self.becomes_unready(&service, begun).await;
        }
        let listeners = listening.join_all().await;
        self.counts.exits.add(usize::from(service.ended().await));
        raise(&self.counts.gone_ms, begun.elapsed());
        in_time &= begun.elapsed() <= GONE_WITHIN;
        self.counts.in_time.add(usize::from(in_time));
        listeners
    }

    /// Whether `/readyz` says in time that the service ends, while `/healthz` says that it lives.
    async fn becomes_unready(&self, service: &Service, begun: Instant) -> bool {
        let limit = UNREADY_WITHIN * if self.size.of(0, 1) == 1 { 1 } else { 10 };
        loop {
            let status = service.status("/readyz").await;
            let took = begun.elapsed();
            if status == 503 || took > limit {
                raise(&self.counts.unready_ms, took);
                return status == 503 && took <= limit && service.status("/healthz").await == 200;
            }
        }
    }
}

/// Counts up to a time, where that is longer than what there was.
fn raise(longest_ms: &Count, time: Duration) {
    let ms = usize::try_from(time.as_millis()).unwrap();
    longest_ms.add(ms.saturating_sub(longest_ms.get()));
}

/// Whether a service with a turn that goes on ends at once when it is told twice.
async fn ends_at_the_second_signal(house: &House) -> bool {
    let service = house.start().await;
    let mut listener = Listener { session: service.session().await, ledger: Ledger::default() };
    listener.ledger.say("t1".to_owned(), book::question("stuck", 1));
    let _socket = listener.ask(service.address).await.expect("it does not run yet");
    service.terminate().await;
    sleep(Duration::from_millis(50)).await;
    let begun = Instant::now();
    service.terminate().await;
    service.ended().await;
    begun.elapsed() < SECOND_WITHIN
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

    /// Asks on an event stream, and listens to its end.
    async fn hear_stream(mut self, address: std::net::SocketAddr, counts: Counts) -> Self {
        let url = format!("http://{address}/v1/sessions/{}/turns", self.session);
        let turn = &self.ledger.turns[0];
        let body = json!({ "turn": turn.id, "text": turn.said, "turns": 0, "stream": true });
        let response = http().post(url).json(&body).send().await.expect("it does not run yet");
        assert_eq!(response.status(), 200);
        let (mut bytes, mut unread, mut last) = (response.bytes_stream(), Vec::new(), json!({}));
        while let Some(Ok(piece)) = bytes.next().await {
            unread.extend_from_slice(&piece);
            while let Some(end) = unread.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = unread.drain(..end + 2).collect();
                let event = String::from_utf8(event).unwrap();
                let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) else {
                    continue;
                };
                last = serde_json::from_str(data).unwrap();
                self.ledger.hear(&last);
                let accepted = usize::from(last["type"] == "accepted");
                counts.accepted.add(accepted);
                counts.telling.add(accepted);
                counts.note(&last);
            }
        }
        counts.streams.add(usize::from(is_end(&last)));
        counts.telling.take(self.ledger.telling());
        self.ledger.cut();
        self
    }

    /// Listens until the service hangs up.
    async fn hear_out(mut self, mut socket: Socket, counts: Counts) -> Self {
        while let Some(frame) = socket.next().await {
            self.ledger.hear(&frame);
            counts.goaways.add(usize::from(frame["type"] == "goaway"));
            counts.note(&frame);
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
