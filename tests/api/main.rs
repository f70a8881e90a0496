//! The service from outside: everything here goes through its port.
//!
//! A [`helpers::TestApp`] is a whole service on a free port with a data folder of its own. Only the
//! models are doubles: scripted, or fed by the test piece by piece.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something is not as it has to be"
)]

mod access;
mod asking;
mod check_faults;
mod checks;
mod client;
mod commands;
mod doctor;
mod documents;
mod fallback;
mod fault_table;
mod faults;
mod fay;
mod filter;
mod front;
mod generate;
mod heard;
mod helpers;
mod identity;
mod json_socket;
mod knowledge;
mod limits;
mod linly;
mod livetalking;
mod needs_redis;
mod openai;
mod operations;
mod origin;
mod providers;
mod raw;
mod realtime;
mod regenerate;
mod reload;
mod remote;
mod rest;
mod resume;
#[path = "../verdict/row.rs"]
mod row;
mod secrets;
mod shutdown;
mod socket;
mod talker;
mod tls;
mod traces;
mod turns;
mod vtuber;
mod watching;
