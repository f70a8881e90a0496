//! Figures and the table that they end in.

use std::{fmt::Write, time::Duration};

/// One line of the table.
pub(crate) struct Row {
    what: String,
    figure: String,
    bar: &'static str,
    how: String,
}

impl Row {
    /// A line; `bar` is what the figure is to stay under or reach, and empty where it only informs.
    pub(crate) fn new(
        what: impl Into<String>,
        figure: impl Into<String>,
        bar: &'static str,
        how: impl Into<String>,
    ) -> Self {
        Self { what: what.into(), figure: figure.into(), bar, how: how.into() }
    }
}

/// The lines as a Markdown table.
pub(crate) fn table(rows: &[Row]) -> String {
    let head = Row::new("what", "figure", "bar", "how");
    let cells =
        |row: &Row| [row.what.clone(), row.figure.clone(), row.bar.to_owned(), row.how.clone()];
    let lines: Vec<_> = std::iter::once(&head).chain(rows).map(cells).collect();
    let widths: [usize; 4] = std::array::from_fn(|column| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)
    });
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(widths) {
            // Writing to a string does not fail.
            let _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
        if number == 0 {
            let rules: Vec<_> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
            let _ = writeln!(text, "|{}|", rules.join("|"));
        }
    }
    text
}

/// Values of one kind.
#[derive(Debug, Default, Clone)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The values in the order in which they came.
    pub(crate) fn values(&self) -> &[f64] {
        &self.0
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value that half of the values do not exceed.
    pub(crate) fn median(&self) -> f64 {
        self.percentile(50)
    }

    /// The smallest value that so many percent of the values do not exceed; not a number when there
    /// are none.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let mut ordered = self.0.clone();
        ordered.sort_unstable_by(f64::total_cmp);
        let rank = (ordered.len() * percent).div_ceil(100).max(1);
        ordered.get(rank - 1).copied().unwrap_or(f64::NAN)
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// A duration in microseconds.
pub(crate) fn microseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// A duration in milliseconds.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// A count as a number to calculate with.
pub(crate) fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
