//! Every kind of remote provider against a stand-in for its server.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something is not as it has to be"
)]

mod answers;
mod bodies;
mod embeddings;
mod faults;
mod interruption;
mod queue;
mod secrets;
mod settings;
mod support;
