//! Somebody who asks over HTTP again and again, and watches what is answered and when.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{BACK_WITHIN, BUSY, READY_WITHIN, REFUSED_WITHIN, fault::Fault};
use crate::{
    book,
    ledger::Broken,
    service::{PATIENCE, Service},
    size::Size,
};

/// What was answered while something was wrong, and how late at most.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Turns without a session, all of which have to be answered.
    pub(crate) stateless: usize,
    pub(crate) refused: usize,
    pub(crate) slowest_refusal: Duration,
    pub(crate) slowest_ready: Duration,
    pub(crate) slowest_return: Duration,
    pub(crate) slowest_ready_again: Duration,
    /// Outages that `/readyz` told.
    unready: usize,
    wrong: Vec<String>,
}

impl Seen {
    pub(crate) fn add(&mut self, other: Self) {
        self.stateless += other.stateless;
        self.refused += other.refused;
        self.unready += other.unready.min(1);
        self.slowest_refusal = self.slowest_refusal.max(other.slowest_refusal);
        self.slowest_ready = self.slowest_ready.max(other.slowest_ready);
        self.slowest_return = self.slowest_return.max(other.slowest_return);
        self.slowest_ready_again = self.slowest_ready_again.max(other.slowest_ready_again);
        self.wrong.extend(other.wrong);
    }

    /// Adds what is not as it has to be to `broken`.
    pub(crate) fn judge(&self, fault: Fault, runs: usize, size: Size, broken: &mut Vec<String>) {
        let name = fault.name();
        broken.extend(self.wrong.iter().map(|wrong| format!("{name}: {wrong}")));
        let slack = if size.of(0, 1) == 1 { 1 } else { BUSY };
        for (what, took, limit) in [
            ("a refusal", self.slowest_refusal, REFUSED_WITHIN),
            ("`/readyz`", self.slowest_ready, READY_WITHIN),
            ("the first success", self.slowest_return, BACK_WITHIN),
            ("being ready again", self.slowest_ready_again, BACK_WITHIN),
        ] {
            if took > limit * slack {
                broken.push(format!("{name}: {what} took {took:?}"));
            }
        }
        if fault.is_outage() && (self.unready < runs || self.refused < runs) {
            let Self { unready, refused, .. } = self;
            broken.push(format!("{name}: unready {unready} times, {refused} refused"));
        }
        if self.stateless < runs {
            broken.push(format!("{name}: {} turns without a session", self.stateless));
        }
    }
}

/// Asks in all ways until it is over.
pub(crate) async fn during(service: &Service, kept: &mut Kept, over: Instant) -> Seen {
    let (mut stateful, mut stateless, mut ready) =
        (Seen::default(), Seen::default(), Seen::default());
    let with_session = async {
        while Instant::now() < over {
            kept.ask(service, &mut stateful).await;
            sleep(Duration::from_millis(50)).await;
        }
    };
    let without_session = async {
        let mut number = 0;
        while Instant::now() < over {
            number += 1;
            let said = book::question("quick", number);
            let (status, _, answer) = service.call("/", &json!({ "prompt": said })).await;
            if status == 200 && answer["response"] == json!(book::answer(&said)) {
                stateless.stateless += 1;
            } else {
                stateless.wrong.push(format!("without a session: {status} {answer}"));
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let readiness = async {
        while Instant::now() < over {
            let begun = Instant::now();
            let status = service.status("/readyz").await;
            ready.slowest_ready = ready.slowest_ready.max(begun.elapsed());
            match status {
                503 => ready.unready += 1,
                200 => {}
                other => ready.wrong.push(format!("/readyz: {other}")),
            }
            if service.status("/healthz").await != 200 {
                ready.wrong.push("it is not healthy".to_owned());
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::join!(with_session, without_session, readiness);
    let mut seen = stateful;
    seen.unready = ready.unready;
    seen.add(stateless);
    seen.unready = ready.unready;
    seen.slowest_ready = ready.slowest_ready;
    seen.wrong.append(&mut ready.wrong);
    seen
}

/// One session that is asked over HTTP, and what was taken of that.
pub(crate) struct Kept {
    pub(crate) session: String,
    /// Id, question, and whether an answer came.
    asked: Vec<(String, String, bool)>,
    pub(crate) broken: Broken,
}

impl Kept {
    pub(crate) fn new(session: String) -> Self {
        Self { session, asked: Vec::new(), broken: Broken::default() }
    }

    pub(crate) fn accepted(&self) -> usize {
        self.asked.iter().filter(|asked| asked.2).count()
    }

    /// Takes a new turn, which has to be answered, or refused with a time to come back.
    pub(crate) async fn ask(&mut self, service: &Service, seen: &mut Seen) -> bool {
        let number = self.asked.len();
        let (id, said) = (format!("h{number}"), book::question("quick", number));
        let turn = json!({ "turn": id, "text": said, "turns": 0 });
        let path = format!("/v1/sessions/{}/turns", self.session);
        let begun = Instant::now();
        let (status, wait, answer) = service.call(&path, &turn).await;
        let answered = status == 200;
        let clear = answer["error"]["code"] == "store_unavailable"
            && wait.is_some_and(|wait| (1..=30).contains(&wait));
        if status == 503 && clear {
            seen.refused += 1;
            seen.slowest_refusal = seen.slowest_refusal.max(begun.elapsed());
        } else if !answered || answer["text"] != json!(book::answer(&said)) {
            seen.wrong.push(format!("{status}, Retry-After {wait:?}: {answer}"));
        }
        self.asked.push((id, said, answered));
        answered
    }

    /// Takes new turns until one is answered.
    pub(crate) async fn ask_until_taken(&mut self, service: &Service, seen: &mut Seen) {
        let begun = Instant::now();
        // The refusals after its return count with the time until the first success.
        let mut after = Seen::default();
        while !self.ask(service, &mut after).await {
            assert!(begun.elapsed() < PATIENCE, "nothing is taken any more");
            sleep(Duration::from_millis(20)).await;
        }
        seen.refused += after.refused;
        seen.wrong.append(&mut after.wrong);
    }

    /// Compares what is there with what was answered.
    pub(crate) fn check(&mut self, exchanges: &[Value]) {
        self.broken = Broken::default();
        let mut positions = Vec::new();
        for (id, said, answered) in &self.asked {
            let mut there = exchanges.iter().filter(|exchange| exchange["turn"] == **id);
            let first = there.next();
            if there.next().is_some() {
                self.broken.doubled.push(id.clone());
            }
            match first {
                None if *answered => self.broken.lost.push(id.clone()),
                Some(exchange) if *answered => {
                    positions.push(exchange["position"].as_u64());
                    let text = json!(book::answer(said));
                    if exchange["text"] != text || exchange["said"] != json!(said) {
                        self.broken.changed.push(exchange.to_string());
                    }
                }
                _ => {}
            }
        }
        if !positions.is_sorted() {
            self.broken.reordered.push(format!("{positions:?}"));
        }
        let known = |exchange: &&Value| self.asked.iter().any(|asked| exchange["turn"] == *asked.0);
        let strangers = exchanges.iter().filter(|exchange| !known(exchange));
        self.broken.doubled.extend(strangers.map(Value::to_string));
    }
}
