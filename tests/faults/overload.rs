//! Five times as many people as there are places: those who were let in are answered as before, and the
//! others are told at once when to come back.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    book,
    count::{Count, Table},
    row::Row,
    service::{House, Service},
    size::Size,
    socket::{Socket, is_end, say},
    store::Store,
};

/// Turns at a time.
const PLACES: usize = 16;

/// How soon somebody who was refused tries again, whatever was said: the load has to last.
const AGAIN: Duration = Duration::from_millis(300);

/// How soon the excess is refused, and probes are answered.
const AT_ONCE: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_times_the_load_is_refused_at_once_and_the_goodput_stays() {
    let size = Size::read();
    let mut table = Table::new("Five times as many turns as there are places", size);
    let row = Row::of(16, "five-fold overload");
    let house = House::new(Store::Embedded, 1000);
    house.write("config/faults.toml", &format!("[server]\nmax_turns = {PLACES}\n"));
    let service = Arc::new(house.start().await);
    let (calm, storm) = (size.of(2, 10), size.of(3, 60));
    let before = load(&service, PLACES, Duration::from_secs(calm as u64)).await;
    let during = load(&service, 5 * PLACES, Duration::from_secs(storm as u64)).await;
    let after = load(&service, PLACES, Duration::from_secs(calm as u64)).await;
    let full = size.of(0, 1) == 1;
    let share = 100 * during.answered.get() * calm / (before.answered.get() * storm).max(1);
    table.counted("answered at the capacity", before.answered.get());
    table.counted("of the goodput at the capacity, in percent", share);
    table.counted("answered on sockets", during.on_sockets.get());
    table.counted("refused", during.refused.get());
    let slowest = during.slowest();
    // The clients are on the same processors, and hold each other up.
    let refused_within = percentile(slowest.refusals.clone());
    table.counted("99th percentile of a refusal, in ms", refused_within.as_millis());
    table.counted("slowest refusal, in ms", slowest.refusal.as_millis());
    table.counted("slowest probe, in ms", slowest.probe.as_millis());
    table.counted("99th percentile of an answer before, in ms", before.percentile().as_millis());
    table.counted("and after", after.percentile().as_millis());
    table.counted("different times to come back", slowest.waits.len());
    let dropped = [&before, &during, &after].map(|load| load.dropped.get()).iter().sum();
    table.must_be(0, "accepted and not answered", dropped);
    let wrong = [&before, &during, &after].map(Load::wrong).concat();
    table.never("neither an answer nor a clear refusal", &wrong);
    table.must_be(1, "refused, with times that differ", {
        usize::from(during.refused.get() > PLACES && slowest.waits.len() > 1)
    });
    // Nobody is measured beside other programs, so the small size only looks that there is goodput.
    let least = if full { 90 } else { 20 };
    table.must_be(1, "enough goodput", usize::from(share >= least));
    let limit = if full { AT_ONCE } else { 30 * AT_ONCE };
    table.must_be(1, "refused at once", usize::from(refused_within <= limit));
    table.must_be(1, "probes answered at once", usize::from(slowest.probe <= limit));
    let calm_again = !full || after.percentile() <= before.percentile() * 3 / 2;
    table.must_be(1, "as quick as before afterwards", usize::from(calm_again));
    let answered = [&before, &during, &after].map(|load| load.answered.get()).iter().sum();
    row.turns(answered, dropped).tell(
        format!(
            "{} clients on sockets and HTTP for {storm} s, {} answered, {} refused",
            5 * PLACES,
            during.answered.get(),
            during.refused.get()
        ),
        format!(
            "goodput {share} % (90 %), {dropped} accepted and dropped; 99 of 100 refused within {} ms (100 ms), \
             the slowest in {} ms; slowest probe {} ms (100 ms); 99th percentile {} ms before, {} ms after",
            refused_within.as_millis(),
            slowest.refusal.as_millis(),
            slowest.probe.as_millis(),
            before.percentile().as_millis(),
            after.percentile().as_millis()
        ),
        table.holds(),
    );
    table.end();
}

/// The longest that anything took, and the times to come back.
#[derive(Debug, Default, Clone)]
struct Slowest {
    refusal: Duration,
    refusals: Vec<Duration>,
    probe: Duration,
    waits: BTreeSet<u64>,
}

/// What came of some load.
#[derive(Debug, Default, Clone)]
struct Load {
    answered: Count,
    on_sockets: Count,
    refused: Count,
    dropped: Count,
    slowest: Arc<Mutex<Slowest>>,
    answers: Arc<Mutex<Vec<Duration>>>,
    wrong: Arc<Mutex<Vec<String>>>,
}

impl Load {
    fn slowest(&self) -> Slowest {
        self.slowest.lock().unwrap().clone()
    }

    fn wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap().clone()
    }

    fn is_wrong(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    fn percentile(&self) -> Duration {
        percentile(self.answers.lock().unwrap().clone())
    }

    fn is_answered(&self, after: Duration) {
        self.answered.add(1);
        self.answers.lock().unwrap().push(after);
    }

    /// A refusal, with the time in milliseconds to come back.
    async fn is_refused(&self, after: Duration, wait_ms: u64) {
        self.refused.add(1);
        {
            let mut slowest = self.slowest.lock().unwrap();
            slowest.refusal = slowest.refusal.max(after);
            slowest.refusals.push(after);
            slowest.waits.insert(wait_ms);
        }
        if !(1000..=30_000).contains(&wait_ms) {
            self.is_wrong(format!("to come back in {wait_ms} ms"));
        }
        sleep(AGAIN).await;
    }

    async fn ask_over_http(self, service: Arc<Service>, session: String, end: Instant) {
        let mut number = 0;
        while Instant::now() < end {
            number += 1;
            let said = book::question("paced", number);
            let turn = json!({ "turn": format!("t{number}"), "text": said, "turns": 0 });
            let begun = Instant::now();
            let path = format!("/v1/sessions/{session}/turns");
            let (status, wait, answer) = service.call(&path, &turn).await;
            if status == 200 && answer["text"] == json!(book::answer(&said)) {
                self.is_answered(begun.elapsed());
            } else if status == 429 && answer["error"]["code"] == "overloaded" {
                self.is_refused(begun.elapsed(), wait.unwrap_or_default() * 1000).await;
            } else {
                self.is_wrong(format!("{status} {answer}"));
            }
        }
    }

    async fn ask_on_a_socket(self, service: Arc<Service>, session: String, end: Instant) {
        let hello = json!({ "session": session });
        let (mut socket, _) = Socket::open(service.address, &hello).await.unwrap();
        let mut number = 0;
        while Instant::now() < end {
            number += 1;
            let said = book::question("paced", number);
            let begun = Instant::now();
            assert!(socket.send(&say(&format!("t{number}"), &said)).await, "the service hung up");
            loop {
                let frame = socket.next().await.expect("the service hung up");
                if frame["type"] == "error" && frame["code"] == "overloaded" {
                    let wait = frame["retry_after_ms"].as_u64().unwrap_or_default();
                    self.is_refused(begun.elapsed(), wait).await;
                    break;
                }
                if frame["type"] == "error" {
                    self.is_wrong(frame.to_string());
                    break;
                }
                if is_end(&frame) {
                    if frame["text"] == json!(book::answer(&said)) {
                        self.on_sockets.add(1);
                        self.is_answered(begun.elapsed());
                    } else {
                        self.dropped.add(1);
                        self.is_wrong(frame.to_string());
                    }
                    break;
                }
            }
        }
    }

    async fn watch(self, service: Arc<Service>, end: Instant) {
        while Instant::now() < end {
            for probe in ["/healthz", "/metrics"] {
                let begun = Instant::now();
                if service.status(probe).await != 200 {
                    self.is_wrong(format!("{probe} is not there"));
                }
                let mut slowest = self.slowest.lock().unwrap();
                slowest.probe = slowest.probe.max(begun.elapsed());
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// What 99 of 100 of these are at most.
fn percentile(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() * 99 / 100).copied().unwrap_or_default()
}

/// Has so many people talk for a while, half of them on sockets.
async fn load(service: &Arc<Service>, people: usize, time: Duration) -> Load {
    let load = Load::default();
    let sessions = service.sessions(people).await;
    let end = Instant::now() + time;
    let mut asking = JoinSet::new();
    for (number, session) in sessions.into_iter().enumerate() {
        let (load, service) = (load.clone(), Arc::clone(service));
        if number % 2 == 0 {
            asking.spawn(load.ask_on_a_socket(service, session, end));
        } else {
            asking.spawn(load.ask_over_http(service, session, end));
        }
    }
    asking.spawn(load.clone().watch(Arc::clone(service), end));
    sleep_until(end).await;
    asking.join_all().await;
    load
}
