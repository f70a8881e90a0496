//! `anima-upstream`: the stand-in as a program, for clients in other languages and for measurements.

use std::{io::Write, net::SocketAddr};

use anima_upstream::{Plan, Upstream};
use clap::Parser;

/// A stand-in for the servers of model providers.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:9100")]
    listen: SocketAddr,
    /// What goes wrong, for example `status-429-after-3` or `reset-2`.
    #[arg(long, default_value = "none")]
    fault: String,
    /// Answer with so many tokens that are stamped with stream and number, instead of a text.
    #[arg(long, default_value_t = 0)]
    stamps: usize,
    /// Milliseconds to the first piece of an answer.
    #[arg(long, default_value_t = 0)]
    first_ms: u64,
    /// Milliseconds between pieces.
    #[arg(long, default_value_t = 0)]
    every_ms: u64,
    /// Do not keep the requests that come; for measurements.
    #[arg(long)]
    forget: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { listen, fault, stamps, first_ms, every_ms, forget } = Arguments::parse();
    let plan = Plan { fault: fault.parse()?, stamps, first_ms, every_ms, ..Plan::default() };
    let upstream = Upstream::listen(listen, plan, !forget).await?;
    writeln!(std::io::stdout(), "The stand-in listens on http://{}", upstream.address())?;
    tokio::signal::ctrl_c().await?;
    Ok(())
}
