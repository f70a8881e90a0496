//! A Redis that is refused, stalls, takes no writes or answers wrongly for a while, again and again,
//! while people talk: each of them is told clearly or answered, and what was accepted is kept.

mod fault;
mod probe;

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::{
    count::Table,
    crash::{talk, tell},
    ledger::Ledger,
    relay::Way,
    row::Row,
    service::{House, PATIENCE, Service},
    size::Size,
    speaker::{Counts, Speaker},
    store::Store,
};
use fault::Fault;
use probe::{Kept, Seen};

/// How soon a turn is refused, and how soon one is taken once Redis is back.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);
const BACK_WITHIN: Duration = Duration::from_secs(3);

/// How long `/readyz` may take to say anything: its probe of the store has 2 s.
const READY_WITHIN: Duration = Duration::from_millis(2500);

/// How much longer everything may take in the small size, whose machine may be busy.
const BUSY: u32 = 8;

/// The names of what is wrong that every `cargo test` tries; the full size tries everything.
const SMALL: [Fault; 4] = [Fault::Refused, Fault::Stalled, Fault::ReadOnly, Fault::OutOfMemory];

mod needs_redis {
    use super::{Fault, SMALL, Size, Store, Way, run};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whatever_is_wrong_with_redis_everybody_is_refused_clearly_or_kept() {
        let size = Size::read();
        if size.of(0, 1) == 0 {
            return run(Store::redis(), &SMALL, size).await;
        }
        let others = [
            Fault::Refused,
            Fault::ReadOnly,
            Fault::OutOfMemory,
            Fault::Misconfigured,
            Fault::NoReplicas,
            Fault::WrongPassword,
        ];
        let ways = [Way::Hole, Way::Slow, Way::Resets, Way::Loading].map(Fault::OnTheWay);
        // They wait more than they work, so they wait together.
        tokio::join!(
            run(Store::redis(), &[Fault::Stalled], size),
            run(Store::redis(), &others, size),
            run(Store::far_redis().await, &ways, size),
        );
    }
}

/// Has each of these things go wrong, as often as the size says.
async fn run(store: Store, faults: &[Fault], size: Size) {
    let mut scene = Scene::begin(store, size).await;
    for fault in faults {
        scene.suffer(*fault).await;
    }
    scene.end();
}

/// People who talk to a service whose Redis is not well now and then.
struct Scene {
    house: House,
    service: Service,
    speakers: Vec<Speaker>,
    counts: Counts,
    /// A session that one asks over HTTP, and what of that was kept.
    kept: Kept,
    size: Size,
    broken: Vec<String>,
    table: Table,
}

impl Scene {
    async fn begin(store: Store, size: Size) -> Self {
        let (house, counts) = (House::new(store, 1000), Counts::default());
        let service = house.start().await;
        let sessions = service.sessions(size.of(3, 6)).await.into_iter().enumerate();
        let speakers = sessions.map(|(number, session)| {
            Speaker::new(session, size.dice().part(number), counts.clone())
        });
        let speakers = speakers.collect();
        let kept = Kept::new(service.session().await);
        let table = Table::new("Redis that is not well, while people talk", size);
        Self { house, service, speakers, counts, kept, size, broken: Vec::new(), table }
    }

    /// One fault, several times, and what it came to.
    async fn suffer(&mut self, fault: Fault) {
        let row = Row::of(5, fault.name());
        let runs = self.size.of(1, 5);
        let (mut seen, mut broken) = (Seen::default(), Vec::new());
        let (accepted, asked) = (self.counts.accepted.get(), self.kept.accepted());
        let (refused, failed) = (self.counts.refused.get(), self.counts.failed.get());
        for _ in 0..runs {
            seen.add(self.once(fault).await);
            for speaker in &mut self.speakers {
                speaker.ledger.check(&self.service.exchanges(&speaker.session).await);
            }
            self.kept.check(&self.service.exchanges(&self.kept.session).await);
        }
        seen.judge(fault, runs, self.size, &mut broken);
        let accepted = self.counts.accepted.get() - accepted + self.kept.accepted() - asked;
        let open = self.speakers.iter().map(|speaker| speaker.ledger.open_ends().len()).sum();
        let wrong = self.wrong();
        let holds = broken.is_empty() && wrong == [0; 5] && open == 0;
        let counted = format!(
            "{runs} runs, {accepted} turns accepted, {} without a session answered, {} refused over \
             HTTP, {} on sockets ({} failed and ran again)",
            seen.stateless,
            seen.refused,
            self.counts.refused.get() - refused,
            self.counts.failed.get() - failed,
        );
        let [lost, doubled, reordered, ..] = wrong;
        let result = format!(
            "{lost} lost, {doubled} doubled, {reordered} reordered; refused in {} ms at most, \
             `/readyz` in {} ms; first success {} ms after its return",
            seen.slowest_refusal.as_millis(),
            seen.slowest_ready.as_millis(),
            seen.slowest_return.as_millis(),
        );
        self.table.counted(fault.name(), format!("{runs} runs"));
        self.broken.append(&mut broken);
        row.turns(accepted, open).tell(counted, result, holds);
    }

    /// Has the fault come while everybody talks, and go.
    async fn once(&mut self, fault: Fault) -> Seen {
        let (hurry, stop) = watch::channel(false);
        let before = self.counts.accepted.get();
        let lives = talk(self.speakers.drain(..), self.service.address, &stop);
        let begun = Instant::now();
        while self.counts.accepted.get() < before + 2 || self.counts.running.get() == 0 {
            assert!(begun.elapsed() < PATIENCE, "nothing is accepted: {:?}", self.counts);
            sleep(Duration::from_millis(2)).await;
        }
        fault.begin(&mut self.house.store);
        let over = Instant::now() + fault.lasts(self.size);
        let mut seen = probe::during(&self.service, &mut self.kept, over).await;
        fault.end(&mut self.house.store);
        let healed = Instant::now();
        self.kept.ask_until_taken(&self.service, &mut seen).await;
        seen.slowest_return = healed.elapsed();
        let ready = async {
            while self.service.status("/readyz").await != 200 {
                assert!(healed.elapsed() < PATIENCE, "it does not become ready again");
                sleep(Duration::from_millis(20)).await;
            }
        };
        ready.await;
        seen.slowest_ready_again = healed.elapsed();
        hurry.send_replace(true);
        self.speakers = lives.join_all().await;
        assert!(self.service.is_alive(), "the service ended: {}", self.house.said());
        seen
    }

    /// Lost, doubled, reordered, changed and wrongly told turns so far.
    fn wrong(&self) -> [usize; 5] {
        let ledgers = || self.speakers.iter().map(|speaker| &speaker.ledger.broken);
        let kept = &self.kept.broken;
        [
            ledgers().chain([kept]).map(|broken| broken.lost.len()).sum(),
            ledgers().chain([kept]).map(|broken| broken.doubled.len()).sum(),
            ledgers().chain([kept]).map(|broken| broken.reordered.len()).sum(),
            ledgers().chain([kept]).map(|broken| broken.changed.len()).sum(),
            ledgers().chain([kept]).map(|broken| broken.told_wrongly.len()).sum(),
        ]
    }

    fn end(mut self) {
        self.table.counted("turns accepted on sockets", self.counts.accepted.get());
        self.table.counted("turns accepted over HTTP", self.kept.accepted());
        let mut ledgers: Vec<Ledger> =
            self.speakers.into_iter().map(|speaker| speaker.ledger).collect();
        ledgers.push(Ledger { broken: self.kept.broken, ..Ledger::default() });
        let open: usize = ledgers.iter().map(|ledger| ledger.open_ends().len()).sum();
        self.table.must_be(0, "accepted without an end", open);
        self.table.never("other answers than were promised", &self.broken);
        tell(&mut self.table, ledgers);
        self.table.end();
    }
}
