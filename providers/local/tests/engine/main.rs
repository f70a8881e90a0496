//! The local engine through its public door, on tiny models with random weights.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod answers;
mod broken;
mod converted;
mod embedding;
mod fixture;
mod forms;
mod gguf;
mod interruption;
mod queue;
mod scoring;
mod side_by_side;
mod support;
