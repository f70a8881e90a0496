//! Kills during turns: what was accepted is there afterwards, once, in order and whole.

use std::net::SocketAddr;

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Duration, Instant, sleep},
};

use crate::{
    count::Table,
    ledger::{Broken, Ledger},
    row::Row,
    service::{House, PATIENCE, Service},
    size::Size,
    speaker::{Counts, Speaker},
    store::Store,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_survives_kills_during_turns() {
    run(Store::Embedded, Victim::Service).await;
}

mod needs_redis {
    use super::{Store, Victim, run};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_accepted_survives_kills_during_turns() {
        run(Store::redis(), Victim::Service).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_accepted_survives_kills_of_the_store() {
        run(Store::redis(), Victim::Store).await;
    }
}

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    /// The service, which is then started again.
    Service,
    /// The server of its store, which is then started again; the service goes on.
    Store,
}

/// Kills the victim again and again while people talk, and counts what is left.
async fn run(store: Store, victim: Victim) {
    let size = Size::read();
    let whose = match victim {
        Victim::Service => format!("Kills during turns, {}", store.name()),
        Victim::Store => format!("Kills of {} during turns", store.name()),
    };
    let table = Table::new(&whose, size);
    let row = Row::of(1, whose);
    // A service that has to leave what it was answering to itself for a while takes longer.
    let main = store.is_its_own() || victim == Victim::Store;
    let (kills, wanted) = (size.of(2, if main { 20 } else { 10 }), if main { 5000 } else { 1000 });
    let mut run = Run::begin(store, size.of(60, wanted), size.of(6, 60), size).await;
    for kill in 1..=kills {
        run.kill(victim, kill, kills).await;
    }
    run.end(table, row, kills).await;
}

/// People who talk to a service that is killed now and then.
struct Run {
    house: House,
    service: Service,
    speakers: Vec<Speaker>,
    counts: Counts,
    size: Size,
    /// How many turns are to be accepted.
    wanted: usize,
    /// Turns that were being told when the service was killed.
    hit: usize,
}

impl Run {
    async fn begin(store: Store, wanted: usize, people: usize, size: Size) -> Self {
        let (house, counts) = (House::new(store, 1000), Counts::default());
        let service = house.start().await;
        let sessions = service.sessions(people).await.into_iter().enumerate();
        let speakers = sessions.map(|(number, session)| {
            Speaker::new(session, size.dice().part(number), counts.clone())
        });
        let speakers = speakers.collect();
        Self { house, service, speakers, counts, size, wanted, hit: 0 }
    }

    /// Lets everybody talk, kills the victim while turns are being told, and looks what is left.
    async fn kill(&mut self, victim: Victim, kill: usize, kills: usize) {
        let (hurry, stop) = watch::channel(false);
        let lives = talk(self.speakers.drain(..), self.service.address, &stop);
        let mut dice = self.size.dice().part(usize::MAX - kill);
        reach(&self.counts, self.wanted * kill / (kills + 1)).await;
        sleep(dice.time(60)).await;
        let begun = Instant::now();
        while self.counts.running.get() == 0 {
            assert!(begun.elapsed() < PATIENCE, "no turn is being told");
            sleep(Duration::from_millis(1)).await;
        }
        self.hit += self.counts.running.get();
        match victim {
            Victim::Service => self.restart().await,
            Victim::Store => {
                self.house.store.parts().0.kill();
                sleep(dice.time(500)).await;
                self.house.store.parts().0.restart();
                // Nobody has lost the connection, so everybody is heard out.
                sleep(dice.time(500)).await;
                hurry.send_replace(true);
            }
        }
        self.speakers = lives.join_all().await;
        self.compare().await;
    }

    async fn restart(&mut self) {
        self.service.kill().await;
        self.service = self.house.start().await;
    }

    /// Compares every ledger with the store.
    async fn compare(&mut self) {
        for speaker in &mut self.speakers {
            speaker.ledger.check(&self.service.exchanges(&speaker.session).await);
        }
    }

    /// Lets everybody finish, kills the service once more, and tells the counts.
    async fn end(mut self, mut table: Table, row: Row, kills: usize) {
        let (hurry, stop) = watch::channel(false);
        let lives = talk(self.speakers.drain(..), self.service.address, &stop);
        reach(&self.counts, self.wanted).await;
        hurry.send_replace(true);
        self.speakers = lives.join_all().await;
        self.restart().await;
        self.compare().await;
        let its_own = self.house.store.is_its_own();
        let ledgers: Vec<Ledger> =
            self.speakers.into_iter().map(|speaker| speaker.ledger).collect();
        let sum = |count: fn(&Ledger) -> usize| ledgers.iter().map(count).sum::<usize>();
        let kept = sum(|ledger| ledger.turns.len());
        table.counted("sessions, each with a socket of its own", ledgers.len());
        table.counted("turns accepted", self.counts.accepted.get());
        table.counted("kills during turns (SIGKILL), and one of the service at the end", kills);
        table.counted("turns hit by a kill while they were being told", self.hit);
        table.counted("seen without an end after a kill", sum(|ledger| ledger.incomplete));
        table.counted("turns that ran again in their old position", sum(|ledger| ledger.reruns));
        table.counted("stored answers told again", sum(|ledger| ledger.replays));
        let (refused, failed) = (self.counts.refused.get(), self.counts.failed.get());
        table.counted("refused and sent again", refused);
        table.counted("failed and sent again", failed);
        if its_own {
            table.must_be(0, "refused or failed", refused + failed);
        }
        let open = |ledger: &Ledger| ledger.open_ends().len();
        let (accepted, without_end) = (self.counts.accepted.get(), sum(open));
        table.must_be(0, "accepted without an end", without_end);
        let (told, silent) = (self.counts.notices.get(), self.counts.silent.get());
        table.counted("clients that came back to other events, and were told so", told);
        table.must_be(0, "clients that were not", silent);
        table.must_be(kept, "exchanges kept", self.counts.accepted.get());
        let result = tell(&mut table, ledgers);
        row.turns(accepted, without_end).tell(
            format!("{kills} kills, {} turns hit by them, {accepted} accepted", self.hit),
            result,
            table.holds(),
        );
        if told > 0 {
            Row::of(3, "clients that come back to a service that was started again").tell(
                format!("{told} times"),
                format!("{told} told so, {silent} not"),
                table.holds(),
            );
        }
        table.end();
    }
}

/// Tells what must not have happened; gives the short form of it.
pub(crate) fn tell(table: &mut Table, ledgers: Vec<Ledger>) -> String {
    let mut all = Broken::default();
    for Ledger { broken, .. } in ledgers {
        all.lost.extend(broken.lost);
        all.doubled.extend(broken.doubled);
        all.reordered.extend(broken.reordered);
        all.changed.extend(broken.changed);
        all.told_wrongly.extend(broken.told_wrongly);
    }
    table.never("lost", &all.lost);
    table.never("doubled", &all.doubled);
    table.never("reordered or moved", &all.reordered);
    table.never("other words or answer than the client was told", &all.changed);
    table.never("ended twice, or not in order", &all.told_wrongly);
    let (lost, doubled, reordered) = (all.lost.len(), all.doubled.len(), all.reordered.len());
    format!("{lost} lost, {doubled} doubled, {reordered} reordered")
}

pub(crate) fn talk(
    speakers: impl Iterator<Item = Speaker>,
    address: SocketAddr,
    stop: &watch::Receiver<bool>,
) -> JoinSet<Speaker> {
    speakers.map(|speaker| speaker.talk(address, stop.clone())).collect()
}

/// Waits until so many turns were accepted.
async fn reach(counts: &Counts, accepted: usize) {
    let (mut before, mut at) = (counts.accepted.get(), Instant::now());
    while before < accepted {
        sleep(Duration::from_millis(2)).await;
        if counts.accepted.get() > before {
            (before, at) = (counts.accepted.get(), Instant::now());
        }
        assert!(at.elapsed() < PATIENCE, "nothing is accepted any more: {counts:?}");
    }
}
