//! `anima index`: reads the folders that personas name, with a bar to see how far it is.

use std::{
    io::{self, IsTerminal, Write},
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anima_knowledge::{Folder, Progress, Summary, update};
use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::{signal::ctrl_c, task::spawn_blocking};

use super::{folders_of, index_of};
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

/// Brings the indexes up to date. Ctrl-C stops after the file that is being read; what was done is
/// kept, and the next run goes on from there. A running service sees the result by itself.
///
/// # Errors
/// When a persona or its folders are not there, or an index cannot be written.
pub async fn run(options: &Options, settings: &Settings) -> anyhow::Result<()> {
    let prompts = Prompts::load(&settings.resolve(&settings.turn.prompts))?;
    let personas: Vec<&Persona> = match &options.persona {
        Some(name) => vec![prompts.persona(name)?],
        None => prompts.personas().filter(|persona| !persona.knowledge.is_empty()).collect(),
    };
    if personas.is_empty() {
        bail!("no persona names folders of knowledge; see docs/knowledge.md");
    }
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
        let (stopped, json) = (Arc::clone(&stopped), options.json);
        let work = spawn_blocking(move || {
            let mut screen = Screen::new(&name, &folders, json)?;
            let summary = update(&index, &folders, &mut |progress| {
                screen.show(progress);
                if stopped.load(Ordering::Relaxed) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
            screen.end(&summary.with_context(|| format!("the knowledge of {name}"))?)
        });
        if work.await?? {
            bail!("stopped; what was read is kept, and the next run goes on from there");
        }
    }
    Ok(())
}

/// What is shown meanwhile and at the end.
struct Screen {
    persona: String,
    bar: ProgressBar,
    is_terminal: bool,
    json: bool,
    files: usize,
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
            files: 0,
            seen: 0,
            notes: 0,
            began: now,
            lined: now,
        })
    }

    fn show(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Found { files } => {
                self.files = files;
                self.bar.set_length(u64::try_from(files).unwrap_or(u64::MAX));
            }
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
        self.seen += 1;
        self.bar.inc(1);
        self.bar.set_message(message.to_owned());
        if !self.is_terminal && self.lined.elapsed() > LINE {
            self.lined = Instant::now();
            self.line(&format!("  {} of {} files", self.seen, self.files));
        }
    }

    fn line(&self, text: &str) {
        if self.is_terminal {
            self.bar.println(text);
        } else {
            // A line that nobody reads is no reason to stop.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Says what was done; `true` when it was stopped before its end.
    fn end(self, summary: &Summary) -> anyhow::Result<bool> {
        self.bar.finish_and_clear();
        if self.notes > MOST_NOTES {
            self.line(&format!("  and {} more", self.notes - MOST_NOTES));
        }
        let Summary { read, unchanged, removed, failed, other, passages, pairs, stopped } =
            *summary;
        let mut out = io::stdout();
        if self.json {
            let mut told = serde_json::to_value(summary)?;
            told["persona"] = self.persona.into();
            writeln!(out, "{told}")?;
        } else {
            writeln!(
                out,
                "{}: {read} files read, {unchanged} unchanged, {removed} gone, {failed} not readable, \
                 {other} of other kinds; {passages} passages and {pairs} fixed answers in {:.1} s",
                self.persona,
                self.began.elapsed().as_secs_f64(),
            )?;
        }
        Ok(stopped)
    }
}
