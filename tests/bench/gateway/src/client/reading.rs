//! Holds the text that comes against the text that was to come, and notes when.

use std::fmt;

use crate::{clock::Stamp, ledger::Record, script::TOKEN};

/// Why a stream was not read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The text is wrong: never excusable.
    Inexact(String),
    /// There is no more text: refused, closed, or not in time.
    Broken(String),
}

impl Fault {
    /// Something outside went wrong.
    pub(super) fn broken(what: impl fmt::Display) -> Self {
        Self::Broken(what.to_string())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inexact(what) => write!(formatter, "the text is wrong: {what}"),
            Self::Broken(what) => formatter.write_str(what),
        }
    }
}

/// What has come of a text so far.
#[derive(Debug)]
pub(super) struct Reading<'record> {
    text: &'record str,
    position: usize,
    arrivals: Vec<Stamp>,
}

impl<'record> Reading<'record> {
    pub(super) fn new(record: &'record Record) -> Self {
        let arrivals = Vec::with_capacity(record.script.tokens);
        Self { text: &record.text, position: 0, arrivals }
    }

    /// Takes the next piece of text, which came at `at`.
    pub(super) fn take(&mut self, piece: &str, at: Stamp) -> Result<(), Fault> {
        let end = self.position + piece.len();
        if self.text.get(self.position..end) != Some(piece) {
            let rest = self.text.get(self.position..).unwrap_or_default();
            let wanted: String = rest.chars().take(piece.chars().count().max(TOKEN)).collect();
            return Err(Fault::Inexact(format!("{piece:?} came where {wanted:?} was to come")));
        }
        self.position = end;
        self.arrivals.resize(end / TOKEN, at);
        Ok(())
    }

    /// How many whole tokens have come.
    pub(super) fn tokens(&self) -> usize {
        self.arrivals.len()
    }

    /// The arrivals, when all of the text is there and was asked for once.
    pub(super) fn whole(self, record: &Record) -> Result<Vec<Stamp>, Fault> {
        if self.position != self.text.len() {
            let (came, all) = (self.position, self.text.len());
            return Err(Fault::Inexact(format!("it ends after {came} of {all} bytes")));
        }
        match record.requests() {
            1 => Ok(self.arrivals),
            requests => Err(Fault::Inexact(format!("the model was asked {requests} times"))),
        }
    }

    /// The arrivals so far.
    pub(super) fn so_far(self) -> Vec<Stamp> {
        self.arrivals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ledger::Ledger, script::Pace};
    use std::sync::Arc;

    #[test]
    fn tokens_arrive_with_the_piece_that_completes_them() {
        let opened = Arc::new(Ledger::default()).open(3, 3, Pace::INSTANT);
        let record = &opened.record;
        record.note_request();
        let mut reading = Reading::new(record);
        reading.take(&record.text[..5], 10).unwrap();
        assert_eq!(reading.tokens(), 0);
        reading.take(&record.text[5..30], 20).unwrap();
        reading.take(&record.text[30..], 30).unwrap();
        assert_eq!(reading.whole(record).unwrap(), [20, 20, 30]);
    }

    #[test]
    fn a_text_that_is_moved_doubled_cut_short_or_asked_for_twice_is_inexact() {
        let opened = Arc::new(Ledger::default()).open(2, 2, Pace::INSTANT);
        let record = &opened.record;
        record.note_request();
        let inexact = |pieces: &[&str]| {
            let mut reading = Reading::new(record);
            let taken = pieces.iter().try_for_each(|piece| reading.take(piece, 1));
            matches!(taken.and_then(|()| reading.whole(record).map(drop)), Err(Fault::Inexact(_)))
        };
        let (first, second) = record.text.split_at(TOKEN);
        assert!(!inexact(&[first, second]));
        assert!(inexact(&[second, first]));
        assert!(inexact(&[first, first]));
        assert!(inexact(&[first]));
        assert!(inexact(&[first, second, "x"]));
        record.note_request();
        assert!(inexact(&[first, second]));
    }
}
