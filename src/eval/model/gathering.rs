//! Asks the questions, until there are no more, or Ctrl-C, or the provider only fails.

use std::pin::pin;

use anima_provider::{ProviderError, Request};
use futures::{StreamExt, stream};
use tokio::signal::ctrl_c;

use super::{
    super::{configured::Ready, progress},
    asking::{Answer, ask, question},
    record::{Journal, Record},
    scoring::{Judgement, judge},
    suite::Item,
};

/// So many failures in a row, and nothing more is asked.
const HOPELESS: usize = 10;

/// A question that is to be asked.
pub(super) struct Task<'a> {
    pub(super) item: &'a Item,
    pub(super) run: u32,
    pub(super) request: Request,
}

/// What came of the questions so far.
#[derive(Default)]
pub(super) struct Harvest {
    pub(super) records: Vec<Record>,
    /// Why it ended before its end, if it did.
    pub(super) stopped: Option<String>,
    /// Failures since the last answer.
    failures: usize,
}

/// Asks all questions, until Ctrl-C or until the provider fails without end.
pub(super) async fn gather(
    ready: &Ready,
    tasks: Vec<Task<'_>>,
    at_once: usize,
    journal: &mut Journal,
    harvest: &mut Harvest,
) -> anyhow::Result<()> {
    let bar = progress::bar(&format!("asking {}", ready.name), tasks.len());
    let mut interrupt = pin!(ctrl_c());
    let mut answers =
        stream::iter(tasks)
            .map(|Task { item, run, request }| async move {
                (item, run, ask(&ready.entry, request).await)
            })
            .buffer_unordered(at_once);
    while harvest.stopped.is_none() {
        tokio::select! {
            pressed = &mut interrupt => {
                pressed?;
                harvest.stopped = Some("interrupted".to_owned());
            }
            answer = answers.next() => {
                let Some((item, run, answer)) = answer else { break };
                let record = harvest.take(&ready.name, item, run, answer);
                journal.write(&record)?;
                harvest.records.push(record);
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    Ok(())
}

impl Harvest {
    fn take(
        &mut self,
        provider: &str,
        item: &Item,
        run: u32,
        answer: Result<Answer, ProviderError>,
    ) -> Record {
        let (answer, error) = match answer {
            Ok(answer) => {
                self.failures = 0;
                (Some(answer), None)
            }
            Err(error) => {
                self.failures += 1;
                let hopeless = matches!(error, ProviderError::Unauthorized);
                let why = format!("{:#}", anyhow::Error::new(error));
                if hopeless || self.failures == HOPELESS {
                    self.stopped = Some(why.clone());
                }
                (None, Some(why))
            }
        };
        let judged = answer.as_ref().map(|answer| judge(&item.score, &answer.text));
        let answer = answer.unwrap_or_else(Answer::none);
        Record {
            id: item.id.clone(),
            category: item.category,
            lang: item.lang,
            run,
            provider: provider.to_owned(),
            model: answer.model,
            prompt: question(item),
            // A question without an answer is one that is answered wrong, by no choice.
            judgement: judged.unwrap_or_else(|| Judgement {
                score: 0.0,
                correct: false,
                ..judge(&item.score, "")
            }),
            answer: answer.text,
            error,
            first_token_ms: answer.first_token_ms,
            total_ms: answer.total_ms,
        }
    }
}
