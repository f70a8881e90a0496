//! Anima: the brain of a digital human, as one service.
//!
//! An avatar front end sends what a person said; Anima answers, sentence by sentence, with what to
//! show, what to say aloud and how to look while saying it.
//!
//! # One turn
//!
//! ```text
//!  wire ─ surface: parse ─▶ Turn ─▶ session ─▶ history.begin   (atomic, durable)
//!    ─▶ Accepted
//!    registry.pick ─▶ prompt (persona, style, knowledge, history that fits) ─▶ provider.generate
//!      ─▶ think ─▶ cut ─▶ emotion ─▶ filter ─▶ sentence ─▶ brevity ─▶ check ─▶ speech
//!    ─▶ history.finish ─▶ Finished
//!  wire ◀─ surface: translate ◀─ session log ◀─ TurnEvent:
//!    Accepted · Queued* · Started · (Delta · Sentence · Verdict)* · Finished | Failed
//! ```
//!
//! # The map
//!
//! | module | is |
//! |---|---|
//! | [`app`] | the service as a whole: binds, wires, drains |
//! | [`settings`] | the settings tree |
//! | [`access`] | who may call, and how much: keys, tenants, limits |
//! | [`telemetry`] | log lines, metrics and traces |
//! | [`registry`] | the providers by name; the only one that names concrete ones |
//! | [`knowledge`] | what the personas know: their indexes, open and up to date |
//! | [`reload`] | brings a changed configuration into the running service |
//! | [`turn`] | the vocabulary of a turn, its stages, and [`turn::pipeline`], the one path of a turn |
//! | [`quotas`] | what was used of the day's quotas, kept in the store |
//! | [`session`] | one turn at a time, the log that clients follow, what was heard |
//! | [`history`] | what was said, kept |
//! | [`surface`] | one thin adapter for each wire protocol |
//! | [`pictures`] | fetches pictures that callers name by their address |
//! | [`avatars`] | sound for avatars, the servers that make it, and avatars that are driven |
//! | [`chat`] | the terminal client |
//! | [`convert`] | the command that makes an old model folder loadable |
//! | [`merge`] | the command that adds an adapter to a model |
//! | [`doctor`] | the command that says whether a service would run well here |
//! | [`providers`] | the command that shows how providers are doing |
//! | [`eval`] | measures models and turns on data of the caller's |
//! | [`pull`] | fetches models from a hub |
//!
//! Dependencies point one way: `surface → session → turn::pipeline → {registry, history, the
//! stages} → the vocabulary`.

pub mod access;
pub mod app;
pub mod avatars;
pub mod chat;
pub mod convert;
pub mod doctor;
pub mod eval;
pub mod history;
pub mod knowledge;
pub mod merge;
pub mod pictures;
pub mod providers;
pub mod pull;
pub mod quotas;
pub mod registry;
pub mod reload;
pub mod session;
pub mod settings;
pub mod surface;
pub mod telemetry;
pub mod turn;
