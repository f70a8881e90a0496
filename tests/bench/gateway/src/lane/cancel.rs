//! A client breaks off within an answer; how long until the model's server knows?

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Faults;
use crate::{
    arm::Arm,
    client::{Fault, Speech, Until},
    clock::microseconds,
    mock::Mock,
    script::Pace,
    statistics::Samples,
};

/// When tokens come.
const PACE: Pace = Pace { first: Duration::from_millis(5), every: Duration::from_millis(5) };
/// Tokens of an answer, of which only the first few are waited for.
const TOKENS: usize = 1000;
/// Tokens of a sentence, after which a turn is cut into.
const SENTENCE: usize = 4;
/// How long the model's server may be kept busy before that counts as never closed.
const PATIENCE: Duration = Duration::from_secs(4);

/// From breaking off to the closed connection, in microseconds.
pub(crate) async fn measure(arm: &Arm, mock: &Mock, times: usize, faults: &mut Faults) -> Samples {
    arm.thaw();
    let mut client = arm.client();
    let mut samples = Samples::default();
    let until = if arm.speech == Speech::Turn { SENTENCE } else { 3 };
    for _ in 0..times {
        let opened = mock.ledger.open(TOKENS, SENTENCE, PACE);
        let seen = match client.stream(&opened.record, Until::Token(until)).await {
            Ok(seen) => seen,
            Err(fault) => {
                faults.add(arm.name, &fault);
                continue;
            }
        };
        let begun = Instant::now();
        while opened.record.closed() == 0 && begun.elapsed() < PATIENCE {
            sleep(Duration::from_millis(1)).await;
        }
        match (seen.broke_off, opened.record.closed()) {
            (Some(broke_off), closed) if closed > 0 => {
                samples.push(microseconds(broke_off, closed));
            }
            _ => faults.add(arm.name, &Fault::Broken("the model was never told".to_owned())),
        }
    }
    arm.freeze();
    samples
}
