//! One stream at a time from a model that answers at once; all arms in turn, in every round, forwards
//! and backwards, so that what the machine does meanwhile meets all of them.

use tokio::time::Instant;

use super::Faults;
use crate::{
    arm::{Arm, Name},
    client::{Seen, Speech, Until},
    clock::microseconds,
    ledger::Record,
    machine::{Meter, Pinning},
    mock::Mock,
    plan::{DRIFT, LatencyPlan, RIG, SENTENCE, STOLEN},
    script::Pace,
    statistics::Samples,
};

/// What an arm did in one round, in microseconds.
#[derive(Debug, Default, Clone)]
pub(crate) struct Part {
    /// Added up to the first token, or up to the first sentence of a turn; both ways.
    pub(crate) added: Samples,
    /// From sending a token to its arrival, every token by itself.
    pub(crate) tokens: Samples,
    /// Until the words were kept.
    pub(crate) kept: Samples,
    /// What was added beside keeping the words.
    pub(crate) beside: Samples,
    rig: f64,
    stolen: f64,
}

/// What an arm did in all rounds.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) name: Name,
    pub(crate) parts: Vec<Part>,
}

impl Course {
    /// The samples of the rounds that stand, together.
    pub(crate) fn pooled(&self, standing: &[usize], of: impl Fn(&Part) -> &Samples) -> Samples {
        let mut all = Samples::default();
        for round in standing {
            all.extend(of(&self.parts[*round]));
        }
        all
    }

    /// The median of what was added, of each round that stands.
    pub(crate) fn medians(&self, standing: &[usize]) -> Vec<f64> {
        standing.iter().map(|round| self.parts[*round].added.median()).collect()
    }

    /// Whether the rig had no time to spare in the middle of the rounds.
    pub(crate) fn is_rig_limited(&self) -> bool {
        // The mock itself runs where the rig runs.
        let busy = self.parts.iter().map(|part| part.rig).collect::<Samples>().median();
        self.name != Name::Direct && busy > RIG
    }
}

/// What was measured.
#[derive(Debug)]
pub(crate) struct Latency {
    pub(crate) courses: Vec<Course>,
    /// The rounds that count.
    pub(crate) standing: Vec<usize>,
    /// Why the others do not; when none did, all count.
    pub(crate) void: Vec<String>,
    pub(crate) faults: Faults,
}

pub(crate) async fn measure(
    arms: &[Arm],
    mock: &Mock,
    plan: &LatencyPlan,
    pinning: Pinning,
) -> Latency {
    let course = |arm: &Arm| Course { name: arm.name, parts: Vec::new() };
    let mut courses: Vec<_> = arms.iter().map(course).collect();
    let mut faults = Faults::default();
    for round in 0..plan.rounds {
        let mut order: Vec<_> = (0..arms.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for place in order {
            let arm = &arms[place];
            arm.thaw();
            let part = part(arm, mock, plan, pinning, &mut faults).await;
            arm.freeze();
            courses[place].parts.push(part);
        }
        eprintln!("latency: round {} of {}", round + 1, plan.rounds);
    }
    let (standing, void) = judge(&courses, plan.rounds);
    Latency { courses, standing, void, faults }
}

async fn part(
    arm: &Arm,
    mock: &Mock,
    plan: &LatencyPlan,
    pinning: Pinning,
    faults: &mut Faults,
) -> Part {
    let mut client = arm.client();
    let mut part = Part::default();
    let (mut meter, mut begun) = (Meter::start(pinning), Instant::now());
    for turn in 0..plan.warm_up + plan.turns {
        if turn == plan.warm_up {
            (meter, begun) = (Meter::start(pinning), Instant::now());
        } else if turn > plan.warm_up && begun.elapsed() > plan.longest {
            break;
        }
        let opened = mock.ledger.open(plan.tokens, SENTENCE, Pace::INSTANT);
        match client.stream(&opened.record, Until::End).await {
            Ok(seen) if turn >= plan.warm_up => part.add(arm.speech, &opened.record, &seen),
            Ok(_) => {}
            Err(fault) => faults.add(arm.name, &fault),
        }
    }
    let (arm, rig) = meter.read_off();
    (part.rig, part.stolen) = (rig.busy, arm.stolen.max(rig.stolen));
    part
}

impl Part {
    fn add(&mut self, speech: Speech, record: &Record, seen: &Seen) {
        let first = if speech == Speech::Turn { record.script.first_sentence() } else { 0 };
        let added = seen.added(record, first);
        self.added.push(added);
        if let Some(accepted) = seen.accepted {
            let kept = microseconds(seen.asked, accepted);
            self.kept.push(kept);
            self.beside.push(added - kept);
        }
        if speech != Speech::Turn {
            for token in 0..record.script.tokens {
                self.tokens.push(seen.way_back(record, token));
            }
        }
    }
}

/// Which rounds stand, and why the others do not.
fn judge(courses: &[Course], rounds: usize) -> (Vec<usize>, Vec<String>) {
    let all: Vec<_> = (0..rounds).collect();
    let direct = courses.iter().find(|course| course.name == Name::Direct);
    let direct = direct.map(|course| course.medians(&all));
    let usual = direct.as_ref().map(|direct| direct.iter().copied().collect::<Samples>().median());
    let (mut standing, mut void) = (Vec::new(), Vec::new());
    for round in all {
        let stolen = courses.iter().map(|course| course.parts[round].stolen).fold(0.0, f64::max);
        let drift = direct.as_ref().zip(usual);
        let drift = drift.map_or(0.0, |(direct, usual)| 100.0 * (direct[round] / usual - 1.0));
        if stolen > STOLEN {
            void.push(format!("round {}: {stolen:.1} % of a processor stolen", round + 1));
        } else if drift.abs() > DRIFT {
            void.push(format!("round {}: the direct way {drift:+.0} % off", round + 1));
        } else {
            standing.push(round);
        }
    }
    if standing.is_empty() {
        standing = (0..rounds).collect();
    }
    (standing, void)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(name: Name, rounds: &[(f64, f64)]) -> Course {
        let part = |(added, stolen): &(f64, f64)| Part {
            added: Samples::from_iter([*added]),
            stolen: *stolen,
            ..Part::default()
        };
        Course { name, parts: rounds.iter().map(part).collect() }
    }

    #[test]
    fn rounds_with_drift_or_theft_are_void() {
        let direct = course(Name::Direct, &[(10.0, 0.0), (10.5, 0.0), (12.0, 0.0), (10.2, 0.0)]);
        let other = course(Name::Litellm, &[(900.0, 0.0), (1.0, 0.0), (5.0, 0.0), (7.0, 2.5)]);
        let (standing, void) = judge(&[direct, other], 4);
        assert_eq!(standing, [0, 1]);
        assert_eq!(void.len(), 2);
    }

    #[test]
    fn when_no_round_stands_all_count_and_it_is_said() {
        let direct = course(Name::Direct, &[(10.0, 9.0), (10.0, 9.0)]);
        let (standing, void) = judge(&[direct], 2);
        assert_eq!((standing.len(), void.len()), (2, 2));
    }
}
