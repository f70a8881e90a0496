//! Stop strings: where an answer ends before the model does.

/// Looks for stop strings in a text that comes in pieces.
///
/// What may still become a stop string is held back, so that nothing of one is ever passed on. The
/// result does not depend on where the pieces were cut.
#[derive(Debug)]
pub(crate) struct StopScanner {
    stops: Vec<String>,
    held: String,
}

/// What may be passed on after a piece.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// This text, possibly empty; the answer goes on.
    Text(String),
    /// This text, possibly empty; then the answer ends at a stop string.
    Stop(String),
}

impl StopScanner {
    /// A scanner for `stops`; empty strings are ignored.
    pub(crate) fn new(stops: Vec<String>) -> Self {
        Self {
            stops: stops.into_iter().filter(|stop| !stop.is_empty()).collect(),
            held: String::new(),
        }
    }

    /// Takes the next piece.
    pub(crate) fn push(&mut self, piece: &str) -> Scan {
        self.held.push_str(piece);
        // The stop string that is complete first wins, the longer one where two end together.
        let hit = self
            .stops
            .iter()
            .filter_map(|stop| {
                self.held.find(stop.as_str()).map(|start| (start + stop.len(), start))
            })
            .min();
        if let Some((_, start)) = hit {
            self.held.truncate(start);
            return Scan::Stop(std::mem::take(&mut self.held));
        }
        let kept = self.held.split_off(self.held.len() - self.open_length());
        Scan::Text(std::mem::replace(&mut self.held, kept))
    }

    /// Ends the text and gives back what was held.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Bytes at the end of the held text that may be the start of a stop string.
    fn open_length(&self) -> usize {
        let open = |stop: &String| {
            stop.char_indices()
                .map(|(end, _)| end)
                .rev()
                .find(|end| self.held.ends_with(&stop[..*end]))
                .unwrap_or(0)
        };
        self.stops.iter().map(open).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text passed on and whether a stop string was met.
    fn run<'a>(stops: &[&str], pieces: impl IntoIterator<Item = &'a str>) -> (String, bool) {
        let mut scanner = StopScanner::new(stops.iter().map(|stop| (*stop).to_owned()).collect());
        let mut text = String::new();
        for piece in pieces {
            match scanner.push(piece) {
                Scan::Text(more) => text.push_str(&more),
                Scan::Stop(more) => return (text + &more, true),
            }
        }
        (text + &scanner.finish(), false)
    }

    #[test]
    fn the_cut_of_the_pieces_does_not_matter() {
        let cases: [(&[&str], &str, &str, bool); 9] = [
            (&[], "你好，世界", "你好，世界", false),
            (&["Human:"], "我很好。Human: 谢谢", "我很好。", true),
            (&["Human:"], "Huma Hum Human", "Huma Hum Human", false),
            (&["### Instruction:", "\n\n"], "一\n二\n\n三", "一\n二", true),
            (&["aab"], "aaab", "a", true),
            (&["abcd", "bc"], "abcd", "a", true),
            (&["bcd", "abcd"], "xabcd", "x", true),
            (&["。"], "好。", "好", true),
            (&["停止"], "停停止", "停", true),
        ];
        for (stops, text, expected, stopped) in cases {
            let borders: Vec<usize> =
                text.char_indices().map(|(index, _)| index).chain([text.len()]).collect();
            for &first in &borders {
                for &second in borders.iter().filter(|second| **second >= first) {
                    let pieces = [&text[..first], &text[first..second], &text[second..]];
                    assert_eq!(
                        run(stops, pieces),
                        (expected.to_owned(), stopped),
                        "{stops:?} in {pieces:?}"
                    );
                }
            }
            let characters =
                text.char_indices().map(|(start, letter)| &text[start..start + letter.len_utf8()]);
            assert_eq!(
                run(stops, characters),
                (expected.to_owned(), stopped),
                "{stops:?} in {text} by character"
            );
        }
    }

    #[test]
    fn only_what_may_become_a_stop_string_is_held_back() {
        let mut scanner = StopScanner::new(vec!["Human:".to_owned()]);
        assert_eq!(scanner.push("好的 Hum"), Scan::Text("好的 ".to_owned()));
        assert_eq!(scanner.push("mer"), Scan::Text("Hummer".to_owned()));
        assert_eq!(scanner.finish(), "");
    }
}
