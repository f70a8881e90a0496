//! The time that the service adds to the first sentence, and the durable write beside it.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::runtime;

use crate::{
    Plan,
    client::Client,
    report::{Row, Samples, milliseconds},
    service::{Model, Service, in_memory},
};

/// Bytes of the bare write: a page, the least that a store writes.
const PAGE: [u8; 4096] = [0x5a; 4096];
/// Pages of the file that is written over.
const PLACES: usize = 256;

pub(crate) fn measure(plan: &Plan) -> anyhow::Result<Vec<Row>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let turns = plan.times(1000, 50);
    let service = Service::start_in(in_memory()?, &plan.anima, Model::Scripted)?;
    let diskless = runtime.block_on(times(&service, turns))?;
    drop(service);
    let service = Service::start(&plan.anima, Model::Scripted)?;
    let times = runtime.block_on(times(&service, turns))?;
    let writes = bare_writes(&service.data(), plan.times(500, 50))?;
    let row = |what: &str, samples: &Samples, bar, how: &str| {
        let (half, most) = (samples.median(), samples.percentile(99));
        let figure = format!("p50 {half:.3} ms, p99 {most:.3} ms");
        Row::new(what, figure, bar, format!("{how}; {} times", samples.len()))
    };
    let added = "WebSocket, scripted provider: accepted ▸ first sentence, each turn by itself";
    let whole = "the same turns: say ▸ first sentence";
    Ok(vec![
        row("added to the first sentence", &times.added, "p50 < 1 ms", added),
        row("the durable write", &times.accepted, "", "the same turns: say ▸ accepted"),
        row("both together", &times.whole, "", whole),
        row("one write on this disk", &writes, "", "4 KiB over others in a file, and fdatasync"),
        row(
            "everything but the disk",
            &diskless.whole,
            "p50 < 1 ms",
            "say ▸ first sentence, with the store in memory",
        ),
    ])
}

/// What clients saw, in milliseconds.
#[derive(Default)]
struct Times {
    accepted: Samples,
    added: Samples,
    whole: Samples,
}

async fn times(service: &Service, turns: usize) -> anyhow::Result<Times> {
    let mut client = Client::connect(service.address()).await?;
    client.send(r#"{"type":"hello"}"#).await?;
    client.until("welcome").await?;
    let mut times = Times::default();
    let warm_up = turns / 10;
    for number in 0..turns + warm_up {
        let say = json!({ "type": "say", "turn": format!("turn-{number}"), "text": "你好" });
        let (accepted, sentence) = ask(&mut client, &say.to_string()).await?;
        if number >= warm_up {
            times.accepted.push(milliseconds(accepted));
            times.added.push(milliseconds(sentence.saturating_sub(accepted)));
            times.whole.push(milliseconds(sentence));
        }
    }
    Ok(times)
}

/// Says something and waits for the end; gives the times until it was accepted and until the first
/// sentence came.
pub(crate) async fn ask(client: &mut Client, say: &str) -> anyhow::Result<(Duration, Duration)> {
    let said = Instant::now();
    client.send(say).await?;
    client.until("accepted").await?;
    let accepted = said.elapsed();
    client.until("sentence").await?;
    let sentence = said.elapsed();
    client.until("finished").await?;
    Ok((accepted, sentence))
}

/// What the disk itself takes, in milliseconds.
fn bare_writes(folder: &Path, times: usize) -> anyhow::Result<Samples> {
    let file = File::create(folder.join("bare"))?;
    let mut samples = Samples::default();
    // A store does not make its file longer with each write, which would take longer.
    file.write_all_at(&PAGE.repeat(PLACES), 0)?;
    file.sync_all()?;
    for place in (0..PLACES).cycle().take(times) {
        let began = Instant::now();
        file.write_all_at(&PAGE, u64::try_from(place * PAGE.len())?)?;
        file.sync_data()?;
        samples.push(milliseconds(began.elapsed()));
    }
    Ok(samples)
}
