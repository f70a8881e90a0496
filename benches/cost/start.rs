//! Memory of an idle process, and the time until it listens.

use std::{path::Path, thread::park_timeout, time::Duration};

use crate::{
    Plan,
    processor::resident,
    report::{Row, Samples, milliseconds},
    service::{Model, Service},
};

/// How long a process has nothing to do before it is looked at.
const IDLE: Duration = Duration::from_secs(2);

pub(crate) fn measure(plan: &Plan) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    if let Some(lean) = &plan.lean {
        rows.extend(start(plan, lean, Model::Scripted, "built without the engine", "< 30 MiB")?);
    }
    if cfg!(feature = "local") {
        let what = "built with the engine, no local model";
        rows.extend(start(plan, &plan.anima, Model::Scripted, what, "< 30 MiB")?);
        let what = "with the demonstration model";
        rows.extend(start(plan, &plan.anima, Model::Demonstration, what, "")?);
    }
    Ok(rows)
}

fn start(
    plan: &Plan,
    program: &Path,
    model: Model,
    what: &str,
    bar: &'static str,
) -> anyhow::Result<[Row; 2]> {
    // The first start reads the program from the disk, which is the machine's time and not ours.
    let mut last = Service::start(program, model)?;
    let mut times = Samples::default();
    for _ in 0..plan.times(7, 2) {
        last = Service::start(program, model)?;
        times.push(milliseconds(last.started_in()));
    }
    park_timeout(IDLE);
    let mebibytes = resident(last.id())? / 1024.0;
    let median = times.median();
    let how = format!("exec ▸ \"listens on\"; median of {} starts", times.len());
    Ok([
        Row::new(format!("cold start, {what}"), format!("{median:.0} ms"), "", how),
        Row::new(
            format!("memory when idle, {what}"),
            format!("{mebibytes:.1} MiB"),
            bar,
            "resident memory of the process",
        ),
    ])
}
