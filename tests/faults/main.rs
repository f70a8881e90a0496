//! Faults from outside: the real binary is killed, cut off and told to end while people talk to it,
//! and what it promised is counted.
//!
//! Each test brings a ledger of what clients were told and compares it with what the service kept.
//! `cargo test` runs a small size of each; `make test-faults` runs the full size and prints the counts.
//! `ANIMA_FAULTS_SEED` repeats a run.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something is not as it has to be"
)]

mod barge;
mod book;
mod count;
mod crash;
mod cuts;
mod dice;
mod ledger;
mod outage;
mod overload;
mod proxy;
mod relay;
mod reloads;
mod resume;
#[path = "../verdict/row.rs"]
mod row;
mod service;
mod size;
mod socket;
mod speaker;
mod store;
mod termination;
