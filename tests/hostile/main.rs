//! One bad client costs nothing: a real process, raw sockets, and everything that a client should
//! not do.
//!
//! `cases/*.toml` holds bad inputs and the right answers as data; the other files hold what takes
//! time, memory or many clients. Nothing here needs a model: the providers are written playbooks.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test ends where something is not as it has to be, and may wait and tell"
)]

mod cases;
mod crowd;
mod expand;
mod http;
mod memory;
mod overload;
mod process;
#[path = "../verdict/row.rs"]
#[expect(dead_code, reason = "other tests count turns, too")]
mod row;
mod silence;
mod slow;
mod socket;
