//! `anima index`: reads the folders that personas name, and has vectors made of what they hold, with a
//! bar to see how far it is.

mod vectors;

use std::{
    io::{self, IsTerminal, Write},
    ops::ControlFlow,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anima_knowledge::{Folder, Progress, Summary, VectorSummary, update};
use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::{signal::ctrl_c, task::spawn_blocking};

use super::{embedding::Embedding, folders_of, index_of};
use crate::{
    settings::Settings,
    turn::prompt::{Persona, Prompts},
};

/// More notes than these are counted only.
const MOST_NOTES: usize = 50;

/// How often a line is written where there is no terminal.
const LINE: Duration = Duration::from_secs(5);

/// Whose knowledge is indexed.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The persona; without it, every one that names folders.
    #[arg(value_name = "PERSONA")]
    persona: Option<String>,
    /// Print what was done as JSON, one line a persona.
    #[arg(long)]
    json: bool,
}

/// Brings the indexes up to date. Ctrl-C stops after the file that is being read, or the vectors that are
/// being made; what was done is kept, and the next run goes on from there. A running service sees the
/// result by itself.
///
/// # Errors
/// When a persona or its folders are not there, an index cannot be written, or vectors cannot be made.
pub async fn run(options: &Options, settings: &Settings) -> anyhow::Result<()> {
    let prompts = Prompts::load(&settings.resolve(&settings.turn.prompts))?;
    let personas: Vec<&Persona> = match &options.persona {
        Some(name) => vec![prompts.persona(name)?],
        None => prompts.personas().filter(|persona| !persona.knowledge.is_empty()).collect(),
    };
    if personas.is_empty() {
        bail!("no persona names folders of knowledge; see docs/knowledge.md");
    }
    let embedding = vectors::embedding(settings).await?.map(Arc::new);
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stopped);
    // It waits as long as the command runs.
    tokio::spawn(async move {
        if ctrl_c().await.is_ok() {
            flag.store(true, Ordering::Relaxed);
        }
    });
    for persona in personas {
        let (name, folders) = (persona.name.clone(), folders_of(persona));
        if folders.is_empty() {
            bail!("the persona {name} names no folders: give it knowledge = [\"…\"] in its file");
        }
        let index = index_of(settings, &name);
        let stopped = Arc::clone(&stopped);
        let work = Work { name, folders, index, embedding: embedding.clone(), json: options.json };
        let work = spawn_blocking(move || work.run(&stopped));
        if work.await?? {
            bail!("stopped; what was done is kept, and the next run goes on from there");
        }
    }
    Ok(())
}

/// What is done for a persona.
struct Work {
    name: String,
    folders: Vec<Folder>,
    index: PathBuf,
    /// Who makes vectors, if anybody does.
    embedding: Option<Arc<Embedding>>,
    json: bool,
}

impl Work {
    /// Does it; `true` when it was stopped before its end.
    fn run(&self, stopped: &AtomicBool) -> anyhow::Result<bool> {
        let name = &self.name;
        let mut screen = Screen::new(name, &self.folders, self.json)?;
        let is_stopped = || stopped.load(Ordering::Relaxed);
        let summary = update(&self.index, &self.folders, &mut |progress| {
            screen.show(progress);
            if is_stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let summary = summary.with_context(|| format!("the knowledge of {name}"))?;
        let embedding = self.embedding.as_ref().filter(|_| !summary.stopped);
        let made = embedding
            .map(|embedding| vectors::make(&mut screen, &self.index, embedding, &is_stopped));
        // What was read is told, whatever became of the vectors.
        screen.end(&summary, made.as_ref().and_then(|made| made.as_ref().ok()))?;
        let made = made.transpose().with_context(|| format!("the vectors of {name}"))?;
        Ok(summary.stopped || made.is_some_and(|made| made.stopped))
    }
}

/// What is shown meanwhile and at the end.
struct Screen {
    persona: String,
    bar: ProgressBar,
    is_terminal: bool,
    json: bool,
    /// What there is to do, and how much of it is done: files, then passages.
    all: usize,
    seen: usize,
    notes: usize,
    began: Instant,
    lined: Instant,
}

impl Screen {
    fn new(persona: &str, folders: &[Folder], json: bool) -> io::Result<Self> {
        let is_terminal = io::stderr().is_terminal();
        let target =
            if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) = ProgressStyle::with_template("{msg:40!} {wide_bar} {pos}/{len} {eta}") {
            bar.set_style(style);
        }
        let paths = folders.iter().map(|folder| folder.path.display().to_string());
        writeln!(io::stderr(), "{persona}: {}", paths.collect::<Vec<_>>().join(", "))?;
        let (persona, now) = (persona.to_owned(), Instant::now());
        Ok(Self {
            persona,
            bar,
            is_terminal,
            json,
            all: 0,
            seen: 0,
            notes: 0,
            began: now,
            lined: now,
        })
    }

    fn show(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Found { files } => self.begin(files),
            Progress::Read { document } => self.step(document),
            Progress::Unchanged => self.step("unchanged"),
            Progress::Note { document, why } => {
                self.notes += 1;
                if self.notes <= MOST_NOTES {
                    self.line(&format!("  {document}: {why}"));
                }
            }
            Progress::Writing => self.bar.set_message("writing"),
        }
    }

    fn step(&mut self, message: &str) {
        self.bar.set_message(message.to_owned());
        self.go_on(1, "files");
    }

    /// So much more is done.
    fn go_on(&mut self, more: usize, what: &str) {
        self.seen += more;
        self.bar.inc(u64::try_from(more).unwrap_or(u64::MAX));
        if !self.is_terminal && self.lined.elapsed() > LINE {
            self.lined = Instant::now();
            self.line(&format!("  {} of {} {what}", self.seen, self.all));
        }
    }

    /// Begins with something else, of which there is so much.
    fn begin(&mut self, all: usize) {
        (self.all, self.seen) = (all, 0);
        self.bar.set_position(0);
        self.bar.set_length(u64::try_from(all).unwrap_or(u64::MAX));
    }

    fn line(&self, text: &str) {
        if self.is_terminal {
            self.bar.println(text);
        } else {
            // A line that nobody reads is no reason to stop.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Says what was done.
    fn end(self, summary: &Summary, vectors: Option<&VectorSummary>) -> anyhow::Result<()> {
        self.bar.finish_and_clear();
        if self.notes > MOST_NOTES {
            self.line(&format!("  and {} more", self.notes - MOST_NOTES));
        }
        let Summary { read, unchanged, removed, failed, other, passages, pairs, .. } = *summary;
        let mut out = io::stdout();
        if self.json {
            let mut told = serde_json::to_value(summary)?;
            told["persona"] = self.persona.into();
            if let Some(vectors) = vectors {
                told["vectors"] = serde_json::to_value(vectors)?;
            }
            writeln!(out, "{told}")?;
        } else {
            writeln!(
                out,
                "{}: {read} files read, {unchanged} unchanged, {removed} gone, {failed} not readable, \
                 {other} of other kinds; {passages} passages and {pairs} fixed answers in {:.1} s",
                self.persona,
                self.began.elapsed().as_secs_f64(),
            )?;
            if let Some(vectors) = vectors {
                writeln!(out, "{}: {}", self.persona, vectors::told(vectors))?;
            }
        }
        Ok(())
    }
}
