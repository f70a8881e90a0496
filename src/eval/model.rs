//! `anima eval model`: what a provider knows and can do.
//!
//! Every question of a [`suite`] goes to the provider alone, without history and without the
//! stages of a turn; each answer is [judged](scoring) by a rule and written down as it comes.

mod asking;
mod gathering;
mod perplexity;
pub mod record;
pub mod report;
pub mod scoring;
pub mod suite;
pub mod summary;

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use anima_provider::Sampling;
use anyhow::Context;
use clap::Args;
use tokio::signal::ctrl_c;

use self::{
    asking::{question, request},
    gathering::{Harvest, Task, gather},
    record::{Journal, Record},
    report::Report,
    scoring::judge,
    suite::{Category, Item, Lang},
};
use super::{
    configured::{Configured, Ready},
    progress,
};
use crate::turn::prompt::{Language, Prompts};

const SEEDS: &str = "Seeds of sampling cannot be set; runs differ where the provider samples.";

/// Arguments of `anima eval model`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    #[command(flatten)]
    configured: Configured,
    /// The suite: one question a line.
    #[arg(long, value_name = "FILE", default_value = "evals/model.jsonl")]
    data: PathBuf,
    /// Only these categories.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    category: Vec<Category>,
    /// Only this language.
    #[arg(long)]
    lang: Option<Lang>,
    /// How often every question is asked.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// Questions at a time, of a provider on a server; a local one is asked one by one.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Randomness, 0 (greedy) to 2; without it, as the configuration has it.
    #[arg(long, value_name = "T")]
    temperature: Option<f64>,
    /// Most tokens of an answer.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: u32,
    /// A text whose perplexity is measured, too; may be given again.
    #[arg(long, value_name = "FILE")]
    perplexity: Vec<PathBuf>,
    /// Ask no questions: perplexity alone.
    #[arg(long, requires = "perplexity")]
    no_questions: bool,
    /// Write every answer here as it comes, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    records: Option<PathBuf>,
    /// Go on with a file of --records: only what is missing or failed is asked.
    #[arg(long, value_name = "FILE", conflicts_with = "records")]
    resume: Option<PathBuf>,
    /// Write the report as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as a page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Options {
    /// Asks, judges and reports.
    ///
    /// # Errors
    /// When settings or data cannot be used, or a report cannot be written.
    pub async fn run(self) -> anyhow::Result<()> {
        let sampling = Sampling {
            temperature: self.temperature,
            max_tokens: Some(self.max_tokens),
            ..Sampling::default()
        };
        if let Err((key, range)) = sampling.validate() {
            anyhow::bail!("--{} must be {range}", key.replace('_', "-"));
        }
        // What is wrong with the data is said before a model is loaded for minutes.
        let items = if self.no_questions { Vec::new() } else { self.items()? };
        let settings = self.configured.settings()?;
        let prompts = Prompts::load(&settings.resolve(&settings.turn.prompts))?;
        let (journal, earlier) = match &self.resume {
            Some(file) => Journal::resume(file, &settings.turn.provider)?,
            None => (Journal::create(self.records.as_deref())?, Vec::new()),
        };
        let ready = Configured::load(settings).await?;
        let report = self.measure(&ready, &prompts, &items, &sampling, journal, earlier).await?;
        report.write(&mut io::stdout().lock())?;
        if let Some(file) = &self.json {
            write(file, &(serde_json::to_string_pretty(&report)? + "\n"))?;
        }
        if let Some(file) = &self.html {
            write(file, &report.page())?;
        }
        Ok(())
    }

    fn items(&self) -> anyhow::Result<Vec<Item>> {
        let mut items = suite::read(&self.data)?;
        items.retain(|item| {
            (self.category.is_empty() || self.category.contains(&item.category))
                && self.lang.is_none_or(|lang| lang == item.lang)
        });
        anyhow::ensure!(!items.is_empty(), "no question of {} is asked for", self.data.display());
        Ok(items)
    }

    async fn measure(
        &self,
        ready: &Ready,
        prompts: &Prompts,
        items: &[Item],
        sampling: &Sampling,
        mut journal: Journal,
        earlier: Vec<Record>,
    ) -> anyhow::Result<Report> {
        let mut notes = Vec::new();
        let mut known = reusable(items, earlier, self.runs);
        let takes_chat = ready.entry.provider.capabilities().chat;
        let (mut tasks, mut harvest) = (Vec::new(), Harvest::default());
        let mut planned = 0;
        for run in 1..=self.runs {
            for item in items {
                let system = match system(item, prompts) {
                    Ok(system) => system,
                    Err(why) => {
                        if !notes.contains(&why) {
                            notes.push(why);
                        }
                        continue;
                    }
                };
                planned += 1;
                match known.remove(&(item.id.clone(), run)) {
                    Some(record) => harvest.records.push(record),
                    None => tasks.push(Task {
                        item,
                        run,
                        request: request(item, system, sampling, takes_chat),
                    }),
                }
            }
        }
        if self.runs > 1 {
            notes.push(SEEDS.to_owned());
        }
        let at_once = if ready.kind == "local" { 1 } else { usize::from(self.concurrency) };
        gather(ready, tasks, at_once, &mut journal, &mut harvest).await?;
        let mut perplexities = Vec::new();
        if harvest.stopped.is_none() {
            let texts = score(ready, &self.perplexity, &mut perplexities, &mut notes);
            tokio::select! {
                done = texts => done?,
                pressed = ctrl_c() => {
                    pressed?;
                    harvest.stopped = Some("interrupted".to_owned());
                }
            }
        }
        Ok(Report {
            provider: ready.name.clone(),
            kind: ready.kind.clone(),
            models: summary::models(&harvest.records),
            runs: self.runs,
            planned,
            stopped: harvest.stopped,
            notes,
            groups: summary::groups(&harvest.records),
            latencies: summary::Latencies::of(&harvest.records),
            perplexity: perplexities,
            records: harvest.records,
        })
    }
}

/// The system text of an item.
fn system<'a>(item: &Item, prompts: &'a Prompts) -> Result<Option<&'a str>, String> {
    let Some(name) = &item.persona else { return Ok(None) };
    let language = match item.lang {
        Lang::Zh => Language::Zh,
        Lang::En => Language::En,
    };
    match prompts.persona(name) {
        Ok(persona) => Ok(Some(persona.system(language))),
        Err(_) => Err(format!("There is no persona {name}; questions about it are left out.")),
    }
}

/// Answers of an earlier run that need not be asked for again, judged by the rules of today.
fn reusable(items: &[Item], earlier: Vec<Record>, runs: u32) -> HashMap<(String, u32), Record> {
    let items: HashMap<&str, &Item> = items.iter().map(|item| (item.id.as_str(), item)).collect();
    let mut known = HashMap::new();
    for mut record in earlier {
        let Some(item) = items.get(record.id.as_str()) else { continue };
        if record.error.is_none() && record.run <= runs && record.prompt == question(item) {
            record.judgement = judge(&item.score, &record.answer);
            known.insert((record.id.clone(), record.run), record);
        }
    }
    known
}

/// Measures the perplexity of texts; where the provider gives no likelihoods, that is noted.
async fn score(
    ready: &Ready,
    files: &[PathBuf],
    found: &mut Vec<perplexity::TextPerplexity>,
    notes: &mut Vec<String>,
) -> anyhow::Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let Some(scorer) = ready.entry.provider.scorer() else {
        notes.push(format!(
            "No perplexity: the provider {} gives no likelihoods. Those of kind local do, and those of \
             kind openai with the base_url of a server such as vLLM.",
            ready.name
        ));
        return Ok(());
    };
    let bar = progress::bar("scoring", files.len());
    for file in files {
        match perplexity::perplexity(scorer, file).await {
            Ok(text) => found.push(text),
            Err(error) => notes.push(format!("No perplexity: {error:#}.")),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Writes a report.
pub(super) fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
