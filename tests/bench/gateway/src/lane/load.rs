//! Many streams in their pace: what a token costs the processor, and how many streams are good.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use tokio::{
    task::LocalSet,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use super::Faults;
use crate::{
    arm::{Arm, Name},
    client::{Client, Seen, Speech, Until},
    clock::microseconds,
    ledger::{Ledger, Record},
    machine::{Meter, Pinning, Use},
    mock::Mock,
    plan::{GAP, LATE, LoadPlan, RIG, SENTENCE},
    script::Script,
    statistics::{Samples, number},
};

/// How long streams that have begun may take after the window before they count as failed.
const GRACE: Duration = Duration::from_secs(8);

/// What an arm did under load.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) streams: usize,
    /// Processor time for a thousand tokens, in milliseconds.
    pub(crate) cost: f64,
    /// Its own processor time, in percent of one processor.
    pub(crate) share: f64,
    /// Resident memory at the end of the window, in MiB.
    pub(crate) memory: f64,
    /// Tokens that the mock sent in a second.
    pub(crate) rate: f64,
    /// Added up to the first token or sentence, in microseconds.
    pub(crate) added: Samples,
    /// From the token to its arrival, in microseconds.
    pub(crate) way_back: Samples,
    pub(crate) good: usize,
    /// Streams that began in the window.
    pub(crate) all: usize,
    pub(crate) arm: Use,
    pub(crate) rig: Use,
}

impl Load {
    /// The share of good streams in percent.
    pub(crate) fn goodput(&self) -> f64 {
        100.0 * number(self.good) / number(self.all)
    }

    pub(crate) fn is_rig_limited(&self) -> bool {
        self.rig.busy > RIG
    }

    /// Whether the arm had no time to spare: it used nearly all of its processor by itself.
    pub(crate) fn is_saturated(&self) -> bool {
        self.share > 95.0
    }
}

/// What all places write down.
#[derive(Debug, Default)]
struct Notes {
    /// Whether a stream that begins now counts.
    open: Cell<bool>,
    stop: Cell<bool>,
    all: Cell<usize>,
    good: Cell<usize>,
    samples: RefCell<(Samples, Samples)>,
    faults: RefCell<Faults>,
}

/// Asks for one stream after the other.
struct Asker {
    client: Client,
    name: Name,
    speech: Speech,
    ledger: Arc<Ledger>,
    plan: LoadPlan,
    notes: Rc<Notes>,
}

impl Asker {
    /// Asks until it is told to stop; begins after this share of a stream's length, so that not
    /// everybody begins together.
    async fn ask(mut self, share: f64) {
        let LoadPlan { tokens, pace, .. } = self.plan;
        let length = pace.first + pace.every * u32::try_from(tokens).unwrap_or(u32::MAX);
        sleep(length.mul_f64(share)).await;
        while !self.notes.stop.get() {
            let opened = self.ledger.open(tokens, SENTENCE, pace);
            let counts = self.notes.open.get();
            self.notes.all.set(self.notes.all.get() + usize::from(counts));
            match self.client.stream(&opened.record, Until::End).await {
                Ok(seen) if counts => {
                    let ends = ends(self.speech, self.name, &opened.record.script);
                    self.notes.add(ends, &opened.record, &seen);
                }
                Ok(_) => {}
                Err(fault) => {
                    self.notes.faults.borrow_mut().add(self.name, &fault);
                    // Whoever is refused does not come back at once.
                    sleep(pace.every).await;
                }
            }
        }
    }
}

/// Lets the arm go, loads it as planned, and stops it again.
pub(crate) async fn measure(
    arm: &Arm,
    mock: &Mock,
    plan: &LoadPlan,
    pinning: Pinning,
    faults: &mut Faults,
) -> anyhow::Result<Load> {
    arm.thaw();
    let notes = Rc::new(Notes::default());
    let places = LocalSet::new();
    for place in 0..plan.streams {
        let share = number(place) / number(plan.streams);
        let asker = Asker {
            client: arm.client(),
            name: arm.name,
            speech: arm.speech,
            ledger: Arc::clone(&mock.ledger),
            plan: *plan,
            notes: Rc::clone(&notes),
        };
        places.spawn_local(asker.ask(share));
    }
    let window = async {
        sleep(plan.settle).await;
        let (meter, begun) = (Meter::start(pinning), Instant::now());
        let (used, sent) = (arm.processor_time()?, mock.ledger.sent());
        notes.open.set(true);
        sleep_until(begun + plan.window).await;
        notes.open.set(false);
        let used = arm.processor_time()?.saturating_sub(used);
        let sent = mock.ledger.sent() - sent;
        let (seconds, (arm_use, rig)) = (begun.elapsed().as_secs_f64(), meter.read_off());
        let memory = number(usize::try_from(arm.resident()?)?) / 1024.0;
        notes.stop.set(true);
        anyhow::Ok((used, sent, seconds, arm_use, rig, memory))
    };
    let (used, sent, seconds, arm_use, rig, memory) = places.run_until(window).await?;
    // Streams that do not end in time are not good, and end here.
    let _ = timeout_at(Instant::now() + GRACE, places).await;
    arm.freeze();
    let notes = Rc::into_inner(notes).context("a place is still taken")?;
    faults.join(notes.faults.into_inner());
    let (added, way_back) = notes.samples.into_inner();
    Ok(Load {
        streams: plan.streams,
        cost: Duration::from_nanos(used).as_secs_f64() * 1e6 / number(sent),
        share: 100.0 * Duration::from_nanos(used).as_secs_f64() / seconds,
        memory,
        rate: number(sent) / seconds,
        added,
        way_back,
        good: notes.good.get(),
        all: notes.all.get(),
        arm: arm_use,
        rig,
    })
}

impl Notes {
    /// Notes a stream in which something was to arrive at these `ends`.
    fn add(&self, ends: impl Iterator<Item = (usize, usize)>, record: &Record, seen: &Seen) {
        let (added, way_back) = &mut *self.samples.borrow_mut();
        let mut good = true;
        let mut before: Option<usize> = None;
        let pace = record.script.pace.every.as_secs_f64() * 1e6;
        for (last, release) in ends {
            let way = microseconds(record.sent(release), seen.arrivals[last]);
            way_back.push(way);
            match before {
                None => {
                    // The wait for the first token of the next sentence is not ours.
                    let first = microseconds(seen.asked, record.received()) + way;
                    added.push(first);
                    good &= first <= LATE;
                }
                Some(before) => {
                    let gap = microseconds(seen.arrivals[before], seen.arrivals[last]);
                    good &= gap <= pace * (number(last - before) + GAP - 1.0);
                }
            }
            before = Some(last);
        }
        self.good.set(self.good.get() + usize::from(good));
    }
}

/// The tokens after which something is to arrive, each with the token that releases it. Anima looks
/// at the beginning of the next sentence before it lets one go; other arms do not.
fn ends(speech: Speech, name: Name, script: &Script) -> impl Iterator<Item = (usize, usize)> {
    let ahead = usize::from(name.is_ours());
    let (length, tokens) = (script.sentence, script.tokens);
    (0..tokens).filter_map(move |token| match speech {
        Speech::Turn if (token + 1).is_multiple_of(length) || token + 1 == tokens => {
            Some((token, (token + ahead).min(tokens - 1)))
        }
        Speech::Turn => None,
        _ => Some((token, token)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Pace;

    #[test]
    fn sentences_of_anima_are_released_by_the_token_behind_them() {
        let script = Script { id: 1, tokens: 5, sentence: 2, pace: Pace::INSTANT };
        assert_eq!(
            ends(Speech::Turn, Name::Turn, &script).collect::<Vec<_>>(),
            [(1, 2), (3, 4), (4, 4)]
        );
        let at_once = ends(Speech::Turn, Name::TurnFastapi, &script);
        assert_eq!(at_once.collect::<Vec<_>>(), [(1, 1), (3, 3), (4, 4)]);
        let each: Vec<_> = (0..5).map(|token| (token, token)).collect();
        assert_eq!(ends(Speech::Completions, Name::Anima, &script).collect::<Vec<_>>(), each);
    }
}
