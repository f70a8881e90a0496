//! `anima eval` as a program: known answers give known figures, Ctrl-C keeps what is done, and
//! reports are harmless to look at.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it has to be")]

mod ground;
mod model;
mod turn;
