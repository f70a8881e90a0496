//! What Anima adds to a model server, beside other gateways: `make bench-gateway`, explained in
//! `docs/benchmarks.md`.
//!
//! A mock model server and all clients live in this process, on one clock: every token is paired with
//! itself, and every text is held against what was to come. A text that is wrong fails the run; a figure
//! that is too slow does not, for the bar stands beside it, and a person reads both.
#![expect(clippy::print_stdout, reason = "the tables are what it is for")]

mod arm;
mod client;
mod clock;
mod lane;
mod ledger;
mod machine;
mod mock;
mod plan;
mod process;
mod redis;
mod report;
mod script;
mod statistics;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context, bail};
use clap::{Parser, ValueEnum};
use serde_json::Value;
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
};

use arm::{
    Ground, Name, Roll,
    hop::{self, HOP},
};
use lane::{Faults, cancel, latency, load};
use machine::Pinning;
use mock::Mock;
use plan::{GOODPUT, Plan};
use report::{Figures, Setting};

/// Measures what Anima adds to a model server, beside other gateways.
#[derive(Parser)]
struct Arguments {
    /// The program that is measured; a release build.
    #[arg(long, value_name = "FILE")]
    anima: PathBuf,
    /// The Python that has the packages of the other arms; arms whose packages it lacks are left out.
    #[arg(long, value_name = "FILE", default_value = "python3")]
    python: PathBuf,
    /// The repository.
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,
    /// Where stores and logs go meanwhile: a folder on the disk that is to be measured.
    #[arg(long, value_name = "DIR")]
    scratch: PathBuf,
    /// Where the figures go as JSON.
    #[arg(long, value_name = "FILE")]
    json: PathBuf,
    /// An arm to leave out.
    #[arg(long, value_name = "ARM")]
    without: Vec<Name>,
    /// What to measure; everything when nothing is named.
    lanes: Vec<Lane>,
    /// Little of everything, to see whether it runs; the figures mean nothing.
    #[arg(long)]
    smoke: bool,
}

/// A group of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lane {
    /// One stream at a time from an instant model, all arms in turn.
    Latency,
    /// Processor time for each token.
    Paced,
    /// A thousand streams.
    Goodput,
    /// How many streams the other arms keep up with.
    Ladder,
    /// Breaking off.
    Cancel,
}

fn main() -> ExitCode {
    // One of the arms is this program, too.
    let hop = env::args().nth(1).is_some_and(|first| first == HOP);
    let outcome = if hop { hop::run(env::args().skip(2)).map(|()| true) } else { compare() };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("anima-gateway-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the arguments say; false when a text was wrong.
fn compare() -> anyhow::Result<bool> {
    let arguments = Arguments::parse();
    // Before there are threads, so that all of them run on the rig's processor.
    let pinning = Pinning::take();
    // One thread for the mock and all clients: what one of them does is never held up by a switch
    // from the other. Only the pacer has its own.
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("no runtime")?.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            outcome = run(&arguments, pinning) => outcome,
            // Dropping what runs ends every process that was started.
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
            _ = terminate.recv() => bail!("terminated"),
        }
    })
}

/// Measures and prints; false when a text was wrong.
async fn run(arguments: &Arguments, pinning: Pinning) -> anyhow::Result<bool> {
    let (begun, before) = (Instant::now(), machine::describe());
    fs::create_dir_all(&arguments.scratch)?;
    let home = tempfile::tempdir_in(absolute(&arguments.scratch)?)?;
    let mock = Mock::start().await?;
    let ground = Ground {
        anima: absolute(&arguments.anima)?,
        root: absolute(&arguments.root)?,
        python: arguments.python.clone(),
        home: home.path().to_owned(),
        pinning,
        upstream: mock.base_url(),
    };
    let plan = if arguments.smoke { Plan::smoke() } else { Plan::whole() };
    let roll = Roll::call(&ground, &mock, &arguments.without).await?;
    let wanted = |lane| arguments.lanes.is_empty() || arguments.lanes.contains(&lane);
    let figures = Run { roll: &roll, mock: &mock, plan: &plan, pinning }.measure(wanted).await?;
    let setting =
        Setting { roll: &roll, pinning, before, smoke: arguments.smoke, took: begun.elapsed() };
    let (text, json) = figures.report(&setting);
    println!("{text}");
    write(&arguments.json, &json)?;
    println!("The same as JSON: {}", arguments.json.display());
    Ok(figures.grave().next().is_none())
}

/// What all lanes are measured with.
struct Run<'run> {
    roll: &'run Roll,
    mock: &'run Mock,
    plan: &'run Plan,
    pinning: Pinning,
}

impl Run<'_> {
    async fn measure(&self, wanted: impl Fn(Lane) -> bool) -> anyhow::Result<Figures> {
        let Self { roll, mock, plan, pinning } = *self;
        let mut figures = Figures {
            latency: None,
            paced: Vec::new(),
            goodput: Vec::new(),
            ladder: Vec::new(),
            cancel: Vec::new(),
            faults: Faults::default(),
        };
        if wanted(Lane::Latency) {
            let measured = latency::measure(&roll.arms, mock, &plan.latency, pinning).await;
            figures.latency = Some(measured);
        }
        let under_load = roll.arms.iter().filter(|arm| arm.name != Name::TurnDurable);
        for arm in under_load.clone().filter(|_| wanted(Lane::Paced)) {
            eprintln!("paced: {}", arm.name);
            for load in &plan.paced {
                let faults = &mut figures.faults;
                let load = load::measure(arm, mock, load, pinning, faults).await?;
                let saturated = load.is_saturated();
                figures.paced.push((arm.name, load));
                if saturated {
                    break;
                }
            }
        }
        let measured = [Name::Hop, Name::Anima, Name::Turn];
        let measured = measured.into_iter().filter_map(|name| roll.find(name));
        for arm in measured.filter(|_| wanted(Lane::Goodput)) {
            eprintln!("goodput: {}", arm.name);
            let load = load::measure(arm, mock, &plan.goodput, pinning, &mut figures.faults);
            figures.goodput.push((arm.name, load.await?));
        }
        let known = [Name::Direct, Name::Hop];
        let others = under_load.filter(|arm| !arm.name.is_ours() && !known.contains(&arm.name));
        for arm in others.filter(|_| wanted(Lane::Ladder)) {
            eprintln!("ladder: {}", arm.name);
            for streams in plan.ladder.iter().copied() {
                let rung = plan.rung(streams);
                let load = load::measure(arm, mock, &rung, pinning, &mut figures.faults).await?;
                let good = load.goodput();
                figures.ladder.push((arm.name, load));
                if good < GOODPUT {
                    break;
                }
            }
        }
        for arm in roll.arms.iter().filter(|_| wanted(Lane::Cancel)) {
            eprintln!("cancel: {}", arm.name);
            let samples = cancel::measure(arm, mock, plan.cancels, &mut figures.faults).await;
            figures.cancel.push((arm.name, samples));
        }
        Ok(figures)
    }
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    fs::canonicalize(path).with_context(|| format!("there is no {}", path.display()))
}

fn write(path: &Path, json: &Value) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(json)? + "\n";
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
