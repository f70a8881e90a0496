//! What Anima costs, as one table: `make bench`. How to read it is in `docs/benchmarks.md`.
//!
//! Nothing here decides whether a figure is good enough: the bar stands beside it, and a person
//! reads both.
#![expect(clippy::print_stdout, reason = "the table is what it is for")]

mod check;
mod client;
mod crowd;
#[cfg(feature = "local")]
mod demo;
#[cfg(feature = "local")]
mod engine;
mod latency;
mod memory;
mod pipeline;
mod plain;
mod processor;
mod report;
mod service;
mod start;
mod texts;

use std::{net::TcpListener, path::PathBuf, time::Instant};

use anyhow::Context;
use clap::{Parser, ValueEnum};

use report::{Row, table};

/// Measures what Anima costs.
#[derive(Parser)]
struct Arguments {
    /// What to measure; everything when nothing is named.
    parts: Vec<Part>,
    /// Another build of the service than this one, to compare them.
    #[arg(long, value_name = "FILE")]
    anima: Option<PathBuf>,
    /// A service that was built without the local engine.
    #[arg(long, value_name = "FILE")]
    lean: Option<PathBuf>,
    /// Sockets that are opened at a time.
    #[arg(long, value_name = "NUMBER", default_value_t = 5000)]
    sockets: usize,
    /// Few repetitions, to see whether it runs; the figures mean little.
    #[arg(long)]
    smoke: bool,
    /// Be the WebSocket server without Anima that sockets are compared with.
    #[arg(long, hide = true)]
    plain_server: bool,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A group of rows that are measured together.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The work of the pipeline for each token.
    Pipeline,
    /// What the check adds to the first sentence.
    Check,
    /// The time that the service adds to the first sentence.
    Latency,
    /// Memory of idle sessions.
    Memory,
    /// What clients that do not read cost the others.
    Crowd,
    /// Memory of an idle process, and the time until it listens.
    Start,
    /// The demonstration model through the public door.
    Demo,
    /// The engine inside of the service against the engine alone.
    Engine,
}

/// How much is measured, and with what.
struct Plan {
    /// The service with everything that this build has.
    anima: PathBuf,
    /// The service without the local engine, where there is one.
    lean: Option<PathBuf>,
    sockets: usize,
    smoke: bool,
}

impl Plan {
    /// So many repetitions, or few of them.
    fn times(&self, whole: usize, smoke: usize) -> usize {
        if self.smoke { smoke } else { whole }
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.plain_server {
        return plain::serve(TcpListener::bind("127.0.0.1:0")?);
    }
    let anima = arguments.anima.unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_anima")));
    let lean = if cfg!(feature = "local") { arguments.lean } else { Some(anima.clone()) };
    let (sockets, smoke) = (arguments.sockets, arguments.smoke);
    let sockets = if smoke { sockets.min(500) } else { sockets };
    let plan = Plan { anima, lean, sockets, smoke };
    let wanted = |part: &Part| arguments.parts.is_empty() || arguments.parts.contains(part);
    let began = Instant::now();
    let mut rows = Vec::new();
    for part in Part::value_variants().iter().filter(|part| wanted(part)) {
        let name = part.to_possible_value().map(|value| value.get_name().to_owned());
        let name = name.unwrap_or_default();
        eprintln!("measuring: {name} …");
        rows.extend(measure(*part, &plan).with_context(|| format!("measuring {name}"))?);
    }
    println!("\n{}", processor::describe());
    if smoke {
        println!("A trial run: few repetitions, figures without meaning.");
    }
    println!("\n{}\nmeasured in {:.0} s", table(&rows), began.elapsed().as_secs_f64());
    Ok(())
}

fn measure(part: Part, plan: &Plan) -> anyhow::Result<Vec<Row>> {
    match part {
        Part::Pipeline => pipeline::measure(plan),
        Part::Check => check::measure(plan),
        Part::Latency => latency::measure(plan),
        Part::Memory => memory::measure(plan),
        Part::Crowd => crowd::measure(plan),
        Part::Start => start::measure(plan),
        #[cfg(feature = "local")]
        Part::Demo => demo::measure(plan),
        #[cfg(feature = "local")]
        Part::Engine => engine::measure(plan),
        #[cfg(not(feature = "local"))]
        Part::Demo | Part::Engine => Ok(Vec::new()),
    }
}
