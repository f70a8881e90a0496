//! `anima pull` from outside: the program itself against a hub of the test's own.
//!
//! The hub answers as the two real ones do, and each test twists some of its answers.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it has to be")]

mod faults;
mod hostile;
mod hub;
mod program;
mod refusals;
mod resume;
mod whole;
