//! Sessions: one person's conversation, whichever sockets and requests it comes through.
//!
//! A [`Directory`] finds the one actor of a session; the actor takes one turn at a time, keeps it
//! in the history and writes everything that happens into the session's [`EventLog`]. Sockets and
//! responses only read that log, each with a position of its own, so no reader can hold up a turn.

mod actor;
mod commands;
mod directory;
mod heard;
mod log;

pub use commands::{Attached, CommandError, Hello, Replayed, Submission, Submitted, Told};
pub use directory::{Directory, Session};
pub use heard::Playback;
pub use log::{Entry, EventLog, Read};
