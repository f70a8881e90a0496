//! A report as a table for people.

use std::io::{self, Write};

use super::{Cost, Report, Scorer, SetReport};

impl Report {
    /// Writes it as a table for people.
    ///
    /// # Errors
    /// When nobody reads it.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "{:<18}{:>6}  {:<16}{:>6} {:<14}{:>6}{:>7}{:>7}{:>7}   {:>6} {:>8}   {:>7} {:>7}",
            "set",
            "n",
            "weights",
            "AUROC",
            "(95 %)",
            "F1",
            "bal.",
            "acc.",
            "ECE",
            "length",
            "verbatim",
            "p50 µs",
            "p99 µs"
        )?;
        for set in &self.sets {
            set.write(out)?;
        }
        writeln!(
            out,
            "\nAUROC of length alone and of \"not word for word in the evidence\" stand beside. F1, balanced accuracy and\n\
             accuracy are at the threshold that was frozen with the weights. Sets that the weights were trained on are\n\
             known by their rows, and scored by weights of the other nine tenths, split by document."
        )?;
        if self.interrupted {
            writeln!(
                out,
                "Stopped before the end: the sets above are complete, the others are missing."
            )?;
        }
        Ok(())
    }
}

fn figure(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
}

impl SetReport {
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        if self.scored_by == Scorer::NotScored {
            return writeln!(out, "{:<18}{:>6}  no evidence: not scored", self.name, self.n);
        }
        let weights = match self.scored_by {
            Scorer::CrossValidated => "cross-validated",
            Scorer::Trained => "trained on it",
            Scorer::AsTheyAre | Scorer::NotScored => "as they are",
        };
        let range = self.auroc_interval.map_or_else(String::new, |(a, b)| format!("{a:.3}–{b:.3}"));
        let cost = |at: fn(&Cost) -> f64| {
            self.cost_us.as_ref().map_or_else(|| "–".to_owned(), |c| format!("{:.0}", at(c)))
        };
        writeln!(
            out,
            "{:<18}{:>6}  {weights:<16}{:>6} {range:<14}{:>6.3}{:>7.3}{:>7.3}{:>7.3}   {:>6} {:>8}   {:>7} {:>7}",
            self.name,
            self.n,
            figure(self.auroc),
            self.f1,
            self.balanced_accuracy,
            self.accuracy,
            self.calibration_error,
            figure(self.baselines.length.auroc),
            figure(self.baselines.verbatim.auroc),
            cost(|c| c.p50),
            cost(|c| c.p99)
        )?;
        let curve: Vec<_> = self
            .escalation
            .iter()
            .map(|point| format!("{:.0} % → {:.0} %", point.share * 100.0, point.caught * 100.0))
            .collect();
        writeln!(out, "    escalated → caught: {}", curve.join(", "))?;
        if let Some(refitted) = &self.refitted {
            let (auroc, balanced) = (figure(refitted.auroc), refitted.balanced_accuracy);
            writeln!(
                out,
                "    trained on this set instead, cross-validated: AUROC {auroc}, balanced accuracy {balanced:.3}"
            )?;
        }
        for part in &self.parts {
            let (auroc, balanced) = (figure(part.measures.auroc), part.measures.balanced_accuracy);
            writeln!(
                out,
                "    {} ({}): AUROC {auroc}, balanced accuracy {balanced:.3}",
                part.kind, part.n
            )?;
        }
        if let Some(harm) = &self.harm {
            writeln!(out, "    {harm}")?;
        }
        if let Some(sentences) = &self.sentences {
            writeln!(
                out,
                "    {} sentences: AUROC {}, 30 % escalated → {:.0} % caught; plain contradictions found at 10 % false alarms: {:.0} % of {}",
                sentences.n,
                figure(sentences.auroc),
                sentences.caught_at_30 * 100.0,
                sentences.conflicts_found * 100.0,
                sentences.conflicts
            )?;
        }
        for point in &self.cascade {
            writeln!(
                out,
                "    judge asked about {:.0} %: AUROC {}, F1 {:.3}, balanced accuracy {:.3}",
                point.share * 100.0,
                figure(point.auroc),
                point.f1,
                point.balanced_accuracy
            )?;
        }
        match &self.cost_8k_us {
            Some(cost) => writeln!(
                out,
                "    with 8 KiB of evidence: p50 {:.0}, p95 {:.0}, p99 {:.0} µs a sentence",
                cost.p50, cost.p95, cost.p99
            ),
            None => Ok(()),
        }
    }
}
