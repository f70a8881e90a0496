//! What RFC 6455 asks of a server, asked of a route that gives back what it gets.
//!
//! The route stands on everything that the others stand on, and is there in tests alone. The cases
//! are tables; a client that may break every rule sends them and compares all that comes back, to the
//! end of the connection. The same route is what Autobahn's test suite is let loose on.

mod autobahn;
mod client;
mod closing;
mod control;
mod echo;
mod fragments;
mod framing;
mod limits;
mod utf8;

use client::Case;
use echo::Echo;

/// Largest message of the route, in bytes.
const LIMIT: usize = 128 * 1024;

/// Runs the cases and tells all that went wrong at once.
fn hold(cases: &[Case]) {
    let echo = Echo::start(LIMIT, super::MAX_FRAGMENTS);
    let wrong: Vec<_> = cases.iter().filter_map(|case| case.run(echo.address).err()).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} cases failed:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn frames_are_read_in_every_form_and_refused_where_they_break_a_rule() {
    hold(&framing::cases());
}

#[test]
fn pings_are_answered_and_control_frames_keep_their_rules() {
    hold(&control::cases());
}

#[test]
fn fragments_become_messages_with_control_frames_between_them() {
    hold(&fragments::cases());
}

#[test]
fn texts_are_utf8_and_others_are_refused_at_their_first_wrong_byte() {
    hold(&utf8::cases());
}

#[test]
fn closes_are_answered_with_their_code_and_nothing_follows_them() {
    hold(&closing::cases());
}

#[test]
fn messages_end_at_the_limits() {
    hold(&limits::cases());
}

#[test]
fn every_case_has_a_name_of_its_own_and_there_are_hundreds() {
    let all = [
        framing::cases(),
        control::cases(),
        fragments::cases(),
        utf8::cases(),
        closing::cases(),
        limits::cases(),
    ]
    .concat();
    let mut names: Vec<_> = all.iter().map(|case| &case.name).collect();
    names.sort();
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(all.len() >= 500, "{} cases", all.len());
}

#[test]
fn a_case_that_expects_something_else_fails() {
    let echo = Echo::start(LIMIT, super::MAX_FRAGMENTS);
    let said = || Case::new("a text").sends(&client::Frame::text("a"));
    assert_eq!(said().returns_text("a").run(echo.address), Ok(()));
    assert!(said().run(echo.address).is_err(), "an answer too many");
    assert!(said().returns_text("b").run(echo.address).is_err(), "another text");
    assert!(said().returns_text("a").fails(1002).run(echo.address).is_err(), "another end");
    assert!(said().returns_text("a").returns_text("a").run(echo.address).is_err(), "one too few");
}
