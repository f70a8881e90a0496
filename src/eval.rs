//! `anima eval`: measures models, and what the service makes of them, on data of the caller's own.
//!
//! | module | measures |
//! |---|---|
//! | [`check`] | the hallucination check, on answers that somebody has judged |
//! | [`model`] | what a provider knows and can do: a suite of questions with right answers |
//! | [`turn`] | whole turns: dialogues through persona, style and every stage, with their latencies |

pub mod check;
mod configured;
pub mod model;
mod page;
mod plot;
mod progress;
mod random;
mod statistics;
mod text;
pub mod turn;

use clap::{Args, Subcommand};

/// Arguments of `anima eval`.
#[derive(Debug, Args)]
pub struct Eval {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measure the hallucination check on judged answers.
    Check(check::Check),
    /// Ask a provider the questions of a suite, and judge its answers.
    Model(model::Options),
    /// Lead dialogues through whole turns, and time them.
    Turn(turn::Options),
}

impl Eval {
    /// Measures, and writes the report. Ctrl-C keeps what is done.
    ///
    /// # Errors
    /// When settings or data cannot be used, or a report cannot be written.
    pub async fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::Check(options) => options.run().await,
            What::Model(options) => options.run().await,
            What::Turn(options) => options.run().await,
        }
    }
}
