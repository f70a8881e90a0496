//! `anima eval turn`: whole turns, as the service answers them.
//!
//! Dialogues go through persona, style, model and every stage, without a store: what was answered
//! counts as heard, and the next turn is shown it. Nothing but the wire is left out.

pub mod dialogue;
pub mod report;

use std::{io, path::PathBuf, pin::pin, sync::Arc};

use anima_provider::LaneId;
use anyhow::Context as _;
use clap::Args;
use tokio::signal::ctrl_c;

use self::{
    dialogue::{Dialogue, Line},
    report::{Report, TurnRecord},
};
use super::{
    configured::{Configured, Ready},
    model::{
        scoring::hits,
        suite::{DataError, lines},
        write,
    },
    progress,
};
use crate::{
    access::Claim,
    history::SessionSettings,
    settings::Settings,
    turn::{
        Choice, Context, Earlier, Task, Turn, TurnError, TurnEvent, TurnId, UserText,
        brevity::count_units,
        pipeline::{Conversation, Job, Lineup},
        prompt::Prompts,
    },
};

/// Arguments of `anima eval turn`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    #[command(flatten)]
    configured: Configured,
    /// The dialogues: one a line.
    #[arg(long, value_name = "FILE", default_value = "evals/turns.jsonl")]
    data: PathBuf,
    /// Write the report as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as a page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Options {
    /// Leads the dialogues, and reports.
    ///
    /// # Errors
    /// When settings or data cannot be used, or a report cannot be written.
    pub async fn run(self) -> anyhow::Result<()> {
        let dialogues = self.dialogues()?;
        let mut settings = self.configured.settings()?;
        let prompts = Prompts::load(&settings.resolve(&settings.turn.prompts))?;
        stand_in(&mut settings, &prompts);
        let ready = Configured::load(settings).await?;
        let report = lead(ready, prompts, &dialogues).await?;
        report.write(&mut io::stdout().lock())?;
        if let Some(file) = &self.json {
            write(file, &(serde_json::to_string_pretty(&report)? + "\n"))?;
        }
        if let Some(file) = &self.html {
            write(file, &report.page())?;
        }
        Ok(())
    }

    fn dialogues(&self) -> anyhow::Result<Vec<Dialogue>> {
        let read: Vec<(usize, Dialogue)> = lines(&self.data)?;
        for (line, dialogue) in &read {
            if let Some(message) = dialogue.fault() {
                let (path, line) = (self.data.clone(), *line);
                return Err(DataError::Malformed { path, line, message }.into());
            }
        }
        Ok(read.into_iter().map(|(_, dialogue)| dialogue).collect())
    }
}

/// Makes the provider that is measured answer for those that personas name, too: they are not there.
fn stand_in(settings: &mut Settings, prompts: &Prompts) {
    let Some(provider) = settings.providers.get_mut(&settings.turn.provider) else { return };
    let named = prompts.personas().filter_map(|persona| persona.provider.clone());
    provider.aliases.extend(named.filter(|name| *name != settings.turn.provider));
}

/// Leads all dialogues, until Ctrl-C.
async fn lead(ready: Ready, prompts: Prompts, dialogues: &[Dialogue]) -> anyhow::Result<Report> {
    let Ready { settings, registry, name, kind, .. } = ready;
    let (persona, asking) = (&settings.turn.persona, settings.turn.asking());
    let lineup = Lineup::new(registry, Arc::new(prompts), persona, asking)?;
    let conversation = Arc::new(Conversation::new(lineup));
    let planned = dialogues.iter().map(|dialogue| dialogue.turns.len()).sum();
    let bar = progress::bar(&format!("talking with {name}"), planned);
    let mut interrupt = pin!(ctrl_c());
    let (mut turns, mut interrupted) = (Vec::new(), false);
    'all: for dialogue in dialogues {
        let mut leading = Leading::new(&conversation, &name, dialogue);
        for (at, line) in dialogue.turns.iter().enumerate() {
            tokio::select! {
                pressed = &mut interrupt => {
                    pressed?;
                    interrupted = true;
                    break 'all;
                }
                record = leading.answer(line) => turns.push(TurnRecord { turn: at + 1, ..record? }),
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(Report::new(name, kind, planned, interrupted, turns))
}

/// A dialogue that is being led.
struct Leading<'a> {
    conversation: &'a Arc<Conversation>,
    provider: &'a str,
    dialogue: &'a Dialogue,
    earlier: Vec<Earlier>,
}

impl<'a> Leading<'a> {
    fn new(conversation: &'a Arc<Conversation>, provider: &'a str, dialogue: &'a Dialogue) -> Self {
        Self { conversation, provider, dialogue, earlier: Vec::new() }
    }

    /// Says a line and takes the answer to its end.
    async fn answer(&mut self, line: &Line) -> anyhow::Result<TurnRecord> {
        let turn = self.turn(line)?;
        let settings = SessionSettings::default();
        let mut record = TurnRecord {
            dialogue: self.dialogue.id.clone(),
            says: line.says.clone(),
            expected: line.expects.len(),
            ..TurnRecord::default()
        };
        match self.run(turn, &settings, &mut record).await {
            Ok(()) => {
                record.units = count_units(&record.answer);
                record.too_long = record.fewer_than.is_some_and(|limit| record.units >= limit);
                let (hits, _) = hits(&record.answer, &line.expects, &line.forbids);
                (record.found, record.forbidden) = (hits.facts, hits.forbidden);
            }
            Err(error) => record.error = Some(error.to_string()),
        }
        // A turn that failed is no part of what the model is shown, as in a session.
        if record.error.is_none() {
            self.earlier.push(Earlier {
                said: line.says.clone(),
                heard: record.answer.clone(),
                emotion: record.sentences.first().map(|sentence| sentence.emotion),
            });
        }
        Ok(record)
    }

    fn turn(&self, line: &Line) -> anyhow::Result<Turn> {
        let Dialogue { persona, style, knowledge, .. } = self.dialogue;
        let said = UserText::parse(line.says.as_str()).context("turns.says")?;
        Ok(Turn {
            id: TurnId::generate(),
            task: Task::Answer { said, images: Vec::new() },
            context: Context { knowledge: knowledge.clone(), ..Context::default() },
            choice: Choice {
                provider: Some(self.provider.to_owned()),
                persona: persona.clone(),
                style: style.clone(),
                ..Choice::default()
            },
        })
    }

    async fn run(
        &self,
        turn: Turn,
        settings: &SessionSettings,
        record: &mut TurnRecord,
    ) -> Result<(), TurnError> {
        let conversation = self.conversation;
        record.fewer_than = conversation.limit(&turn, settings)?;
        let shown = conversation.turns_shown(&turn, settings)?;
        let earlier = self.earlier[self.earlier.len().saturating_sub(shown)..].to_vec();
        let place = conversation.admit(&Claim::of_the_house())?;
        let lane = LaneId(self.dialogue.id.clone());
        let job = Job { turn, earlier, settings: settings.clone(), lane };
        let mut events = conversation.run(job, place);
        while let Some(released) = events.next().await {
            for event in released {
                match event {
                    TurnEvent::Sentence(sentence) => record.sentences.push(sentence),
                    TurnEvent::Verdict(verdict) => record.verdicts.push(verdict),
                    TurnEvent::Finished(outcome) => {
                        record.timing = Some(outcome.timing);
                        record.answer = outcome.text;
                    }
                    TurnEvent::Failed(error) => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}
