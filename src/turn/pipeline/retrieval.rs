//! What the persona's knowledge has on what was said: looked up once a turn, before anybody is asked.

use std::time::Instant;

use anima_knowledge::DirectAnswer;
use tokio::sync::mpsc;
use tracing::info;

use super::{Errand, Job, Lineup, milliseconds};
use crate::{
    settings::FIXED_ANSWERS,
    turn::{
        EndReason, Outcome, Task, Timing, TurnError, TurnEvent, TurnId,
        knowledge::{Passage, attribute, within},
        stages::Stages,
    },
};

/// What a lookup came to.
pub(super) enum Retrieved {
    /// Passages to rest on; `None` where nothing was looked up.
    Passages(Option<Vec<Passage>>),
    /// A fixed answer: nobody has to be asked.
    Answer(DirectAnswer),
}

impl Lineup {
    /// Looks up what the persona's knowledge has on what was said.
    ///
    /// # Errors
    /// When the turn's persona or provider does not exist.
    pub(super) async fn retrieve(&self, errand: &Errand) -> Result<Retrieved, TurnError> {
        const NOTHING: Retrieved = Retrieved::Passages(None);
        let Errand::Turn { job, .. } = errand else { return Ok(NOTHING) };
        let Task::Answer { said, images } = &job.turn.task else { return Ok(NOTHING) };
        let persona = self.persona(&job.turn, &job.settings)?;
        let Some(known) = self.knowledge().of(&persona.name) else { return Ok(NOTHING) };
        if self.repeats_words(job)? {
            return Ok(NOTHING);
        }
        // What the caller knows, shows, or wants done with a prompt of its own, no fixed answer can know.
        let is_plain = images.is_empty()
            && job.turn.context.knowledge.is_empty()
            && job.turn.choice.style.is_none();
        let wanted = self.knowledge().wanted(persona.direct_answers && is_plain);
        let Some(found) = known.search(said.as_str(), wanted).await else { return Ok(NOTHING) };
        if let Some(answer) = found.direct_answer {
            return Ok(Retrieved::Answer(answer));
        }
        let passages = found.passages.into_iter();
        let passages = passages.map(|it| Passage { source: it.source, text: it.text }).collect();
        Ok(Retrieved::Passages(Some(within(passages, self.knowledge().characters()))))
    }

    /// Whether whoever is asked first gives back what it is told.
    fn repeats_words(&self, job: &Job) -> Result<bool, TurnError> {
        let persona = self.persona(&job.turn, &job.settings)?;
        let candidates = self.candidates(&job.turn, &job.settings, persona)?;
        Ok(candidates.first().is_some_and(|entry| entry.provider.capabilities().verbatim))
    }
}

/// Speaks a fixed answer through `stages`, with its source.
pub(super) async fn speak_fixed(
    answer: &DirectAnswer,
    mut stages: Stages,
    turn: &TurnId,
    began: Instant,
    events: &mpsc::Sender<Vec<TurnEvent>>,
) -> Outcome {
    let document = answer.source.split('#').next().unwrap_or_default().to_owned();
    let mut timing = Timing { queued_ms: milliseconds(began), ..Timing::default() };
    let mut released =
        vec![TurnEvent::Started { provider: FIXED_ANSWERS.to_owned(), model: document }];
    released.extend(stages.push(&answer.answer));
    released.extend(stages.finish());
    attribute(&mut released, &answer.source);
    timing.first_sentence_ms = Some(milliseconds(began));
    // The turn was given up: there is nobody to tell.
    let _ = events.send(released).await;
    timing.total_ms = milliseconds(began);
    metrics::counter!("anima_direct_answers_total").increment(1);
    info!(
        source = answer.source,
        total_ms = timing.total_ms,
        "Answered turn {turn} with a fixed answer"
    );
    Outcome {
        reason: if stages.is_filtered() { EndReason::Filtered } else { EndReason::Complete },
        text: stages.released().to_owned(),
        heard: None,
        usage: None,
        timing,
    }
}
