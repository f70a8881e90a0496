//! The demonstration model through the public door: the questions of its corpus, each in a session
//! of its own and twice in a conversation.

use std::{fs, path::Path, time::Instant};

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime;

use crate::{
    Plan,
    client::Client,
    report::{Row, Samples, milliseconds},
    service::{Model, Service},
};

/// Questions of one topic, and their answer.
#[derive(Deserialize)]
struct Record {
    #[serde(rename = "q")]
    questions: Vec<String>,
    #[serde(rename = "a")]
    answer: String,
}

/// Turns of one kind, in milliseconds.
#[derive(Default)]
struct Turns {
    first_sentence: Samples,
    whole: Samples,
    tokens_per_second: Samples,
    right: usize,
}

pub(crate) fn measure(plan: &Plan) -> anyhow::Result<Vec<Row>> {
    let service = Service::start(&plan.anima, Model::Demonstration)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo/corpus/d_seed.jsonl");
    let records = fs::read_to_string(corpus)?;
    let records = records.lines().map(serde_json::from_str).collect::<Result<Vec<Record>, _>>()?;
    let (mut first, mut later) = (Turns::default(), Turns::default());
    runtime.block_on(async {
        for _ in 0..plan.times(4, 1) {
            for record in &records {
                converse(&service, record, &mut first, &mut later).await?;
            }
        }
        anyhow::Ok(())
    })?;
    Ok([("a first turn", first), ("later turns", later)].into_iter().flat_map(rows).collect())
}

fn rows((what, turns): (&str, Turns)) -> [Row; 2] {
    let (asked, sentence, whole) = (turns.whole.len(), &turns.first_sentence, &turns.whole);
    let how = format!("WebSocket, accepted ▸ first sentence; {asked} questions of the corpus");
    [
        Row::new(
            format!("demonstration model, first sentence of {what}"),
            format!("p50 {:.0} ms, p95 {:.0} ms", sentence.median(), sentence.percentile(95)),
            "p50 < 150 ms",
            how,
        ),
        Row::new(
            format!("demonstration model, whole answer of {what}"),
            format!(
                "p50 {:.0} ms, {:.0} tokens/s",
                whole.median(),
                turns.tokens_per_second.median()
            ),
            "",
            format!("the same turns; {} of {asked} answers equal to the corpus", turns.right),
        ),
    ]
}

/// Asks the first questions of a record in one session.
async fn converse(
    service: &Service,
    record: &Record,
    first: &mut Turns,
    later: &mut Turns,
) -> anyhow::Result<()> {
    let mut client = Client::connect(service.address()).await?;
    for (number, question) in record.questions.iter().take(3).enumerate() {
        let turns = if number == 0 { &mut *first } else { &mut *later };
        client.send(&json!({ "type": "say", "text": question }).to_string()).await?;
        client.until("accepted").await?;
        let accepted = Instant::now();
        client.until("sentence").await?;
        turns.first_sentence.push(milliseconds(accepted.elapsed()));
        let finished: Value = serde_json::from_str(&client.until("finished").await?)?;
        let whole = accepted.elapsed();
        turns.whole.push(milliseconds(whole));
        turns.right += usize::from(finished["text"].as_str() == Some(&record.answer));
        let tokens = finished["usage"]["completion_tokens"].as_f64().context("no usage")?;
        turns.tokens_per_second.push(tokens / whole.as_secs_f64());
    }
    Ok(())
}
