//! What an answer says: tokens that name their stream and their place in it, so that a token that is
//! lost, doubled, moved or taken from another stream is seen in the text.

use std::{fmt::Write, time::Duration};

/// Bytes of a token, whatever it says.
pub(crate) const TOKEN: usize = 12;

/// What stands before the number of the stream in the words of the person.
const MARKER: &str = "bench-stream-";

/// Digits of the number of a stream.
const DIGITS: usize = 6;

/// When tokens are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// From the request to the first token.
    pub(crate) first: Duration,
    /// From one token to the next.
    pub(crate) every: Duration,
}

impl Pace {
    /// Nobody is made to wait.
    pub(crate) const INSTANT: Self = Self { first: Duration::ZERO, every: Duration::ZERO };

    pub(crate) fn is_instant(self) -> bool {
        self == Self::INSTANT
    }
}

/// The answer of one stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Script {
    /// The number of the stream, below a million.
    pub(crate) id: u64,
    /// At most 1,000.
    pub(crate) tokens: usize,
    /// Tokens of a sentence.
    pub(crate) sentence: usize,
    pub(crate) pace: Pace,
}

impl Script {
    /// What the person says, by which the mock knows the stream again.
    pub(crate) fn words(&self) -> String {
        format!("{MARKER}{:0DIGITS$}", self.id)
    }

    /// The number of the stream in a request: where several are quoted, the last.
    pub(crate) fn named_in(request: &[u8]) -> Option<u64> {
        let marker = MARKER.as_bytes();
        let place = request.windows(marker.len()).rposition(|window| window == marker)?;
        let digits = request.get(place + marker.len()..)?.get(..DIGITS)?;
        str::from_utf8(digits).ok()?.parse().ok()
    }

    /// The whole text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::with_capacity(self.tokens * TOKEN);
        for token in 0..self.tokens {
            let last = (token + 1).is_multiple_of(self.sentence) || token + 1 == self.tokens;
            // Writing to a string does not fail. The mark of the end takes three bytes.
            let _ = if last {
                write!(text, "{:0DIGITS$}{token:03}！", self.id)
            } else {
                write!(text, "{:0DIGITS$}n{token:04} ", self.id)
            };
        }
        text
    }

    /// The last token of the first sentence.
    pub(crate) fn first_sentence(&self) -> usize {
        self.sentence.min(self.tokens) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: Script = Script { id: 42, tokens: 3, sentence: 2, pace: Pace::INSTANT };

    #[test]
    fn tokens_name_their_stream_and_place_and_all_have_one_length() {
        assert_eq!(SCRIPT.text(), "000042n0000 000042001！000042002！");
        assert_eq!(SCRIPT.text().len(), 3 * TOKEN);
        assert_eq!(SCRIPT.first_sentence(), 1);
    }

    #[test]
    fn a_request_is_known_by_the_last_stream_that_it_names() {
        let request = format!(r#"[{{"content":"bench-stream-000007"}},"{}"]"#, SCRIPT.words());
        assert_eq!(Script::named_in(request.as_bytes()), Some(42));
        assert_eq!(Script::named_in(br#"{"stream":true}"#), None);
        assert_eq!(Script::named_in(b"bench-stream-00"), None);
    }
}
