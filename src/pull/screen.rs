//! What a person sees while files come: a bar in a terminal, now and then a line elsewhere.

use std::{
    io::{self, IsTerminal, Write},
    sync::Mutex,
    time::{Duration, Instant},
};

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::listing::RemoteFile;

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// How often the bar moves although nothing comes.
const TICK: Duration = Duration::from_millis(500);
const BAR: &str = "{bar:24} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";

/// Says on standard error what goes on.
pub(super) struct Screen {
    bar: ProgressBar,
    terminal: bool,
    lines: Mutex<Lines>,
}

/// What the lines of a screen that is no terminal are made from.
struct Lines {
    began: Instant,
    last: Instant,
    /// Bytes that came since it began.
    came: u64,
}

impl Screen {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            bar: ProgressBar::hidden(),
            terminal: io::stderr().is_terminal(),
            lines: Mutex::new(Lines { began: now, last: now, came: 0 }),
        }
    }

    /// Begins to count to `total` bytes.
    pub(super) fn begin(&self, total: u64) {
        self.bar.set_length(total);
        if self.terminal {
            if let Ok(style) = ProgressStyle::with_template(BAR) {
                self.bar.set_style(style);
            }
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.bar.enable_steady_tick(TICK);
        }
    }

    /// Bytes are there that an earlier run left.
    pub(super) fn found(&self, bytes: u64) {
        self.bar.inc(bytes);
        // They say nothing about the rate.
        self.bar.reset_eta();
    }

    /// Bytes that were there have to come again.
    pub(super) fn lost(&self, bytes: u64) {
        self.bar.dec(bytes);
        self.bar.reset_eta();
    }

    /// More bytes came.
    pub(super) fn came(&self, bytes: u64) {
        self.bar.inc(bytes);
        let Ok(mut lines) = self.lines.lock() else { return };
        lines.came += bytes;
        if !self.terminal && lines.last.elapsed() >= LINE_EVERY {
            lines.last = Instant::now();
            self.note(&self.line(&lines));
        }
    }

    /// A file is in its place.
    pub(super) fn arrived(&self, file: &RemoteFile) {
        let how = if file.checksum.is_some() { "verified" } else { "no checksum published" };
        self.note(&format!("  {}  {}  {how}", file.path, HumanBytes(file.size)));
    }

    /// Writes a line that stays.
    pub(super) fn note(&self, line: &str) {
        // A person who cannot be told has closed the terminal; the files still come.
        self.bar.suspend(|| {
            let _ = writeln!(io::stderr(), "{line}");
        });
    }

    fn line(&self, lines: &Lines) -> String {
        let (here, total) = (self.bar.position(), self.bar.length().unwrap_or(0));
        let rate = lines.came / lines.began.elapsed().as_secs().max(1);
        let left = total.saturating_sub(here) / rate.max(1);
        format!(
            "  {} of {}, {}/s, {} left",
            HumanBytes(here),
            HumanBytes(total),
            HumanBytes(rate),
            HumanDuration(Duration::from_secs(left)),
        )
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // What comes after is not to be written behind the bar.
        self.bar.finish_and_clear();
    }
}
