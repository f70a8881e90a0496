//! `anima convert`: shows how a conversion goes and what came of it.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use anima_convert::{Progress, Report, Request, Template, convert};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

/// Arguments of `anima convert`.
#[derive(Args)]
pub struct Convert {
    /// The old folder: pickled weights, or a `tokenizer.model`, or a `config.json` of few words.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The new folder; it must not be there yet.
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// How the model is asked, where the folder does not say: linly, llama2-chinese or llama2.
    #[arg(long, value_name = "NAME")]
    template: Option<Template>,
    /// Go on with an earlier try that was stopped; what it finished is kept.
    #[arg(long)]
    resume: bool,
}

impl Convert {
    /// Converts, with a bar on the terminal and the entry for the configuration at the end.
    ///
    /// # Errors
    /// When the folder cannot be converted, or nobody reads the output.
    pub fn run(self) -> anyhow::Result<()> {
        let request = Request {
            folder: self.folder,
            out: self.out,
            template: self.template,
            resume: self.resume,
        };
        let bar = Bar::hidden();
        let outcome = convert(&request, &mut |progress| bar.show(progress));
        bar.clear();
        tell(&request, &outcome?)?;
        Ok(())
    }
}

/// How far the writing of weights is, on a terminal.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// A bar that is drawn from the first byte on, and only on a terminal.
    pub(crate) fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// Moves the bar.
    pub(crate) fn show(&self, progress: Progress) {
        match progress {
            Progress::Total(0) => {}
            Progress::Total(bytes) => {
                let style = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
                self.0.set_style(
                    ProgressStyle::with_template(style)
                        .unwrap_or_else(|_| ProgressStyle::default_bar()),
                );
                self.0.set_length(bytes);
                self.0.set_draw_target(indicatif::ProgressDrawTarget::stderr());
            }
            Progress::File(name) => self.0.set_message(name.to_owned()),
            Progress::Advanced(bytes) => self.0.inc(bytes),
        }
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

/// Tells what there is to know of a folder that has been made, and how to use it.
pub(crate) fn announce(folder: &Path, notes: &[String], entry: &str) -> io::Result<()> {
    let mut out = io::stdout();
    for note in notes {
        writeln!(out, "{note}")?;
    }
    writeln!(
        out,
        "\n{} is ready. Add this to config/local.toml and name it under [turn] as provider:\n\n{entry}",
        folder.display()
    )
}

fn tell(request: &Request, report: &Report) -> io::Result<()> {
    announce(&request.out, &report.notes, &report.entry)?;
    if let Some(style) = report.template.and_then(Template::style) {
        writeln!(
            io::stdout(),
            "The model was taught the prompts of style \"{style}\"; its chat template makes the same."
        )?;
    }
    Ok(())
}
