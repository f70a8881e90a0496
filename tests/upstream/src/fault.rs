//! What can go wrong, and how it is called.

use std::{error::Error, fmt, str::FromStr};

/// What happens to a request. `k` counts pieces of text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Fault {
    /// `none`: it is answered.
    #[default]
    None,
    /// `status-S[-after-N][-code-C]`: an error object under the status S, with `Retry-After: N` and
    /// the provider's own code C.
    Status {
        /// The status.
        status: u16,
        /// Seconds of `Retry-After`.
        after: Option<u32>,
        /// The provider's own code.
        code: Option<String>,
    },
    /// `echo`: 401 whose message repeats the request's headers and path.
    Echo,
    /// `html`: 200 and a web page.
    Html,
    /// `redirect`: 302 to another server.
    Redirect,
    /// `wrong-type`: the right stream under `image/png`.
    WrongType,
    /// `not-streamed`: one JSON object, although a stream was asked for.
    NotStreamed,
    /// `silence`: the connection is accepted and nothing comes.
    Silence,
    /// `stall-k`: nothing more after k pieces.
    Stall(usize),
    /// `broken-k`: what follows k pieces is no JSON.
    Broken(usize),
    /// `reset-k`: the connection is reset after k pieces.
    Reset(usize),
    /// `fin-k`: the connection ends after k pieces, in the middle of the body.
    Fin(usize),
    /// `cut-k`: the body ends in order after k pieces, but the answer has no end.
    Cut(usize),
    /// `error-k`: an error object within the stream after k pieces.
    Error(usize),
    /// `filtered-k`: the content filter ends the answer after k pieces.
    Filtered(usize),
    /// `blocked`: the prompt is refused on grounds of content.
    Blocked,
    /// `refusal`: the model declines, in the field that OpenAI has for it.
    Refusal,
    /// `empty`: a stream without anything in it.
    Empty,
    /// `no-text`: an answer with an end and no text.
    NoText,
    /// `no-done`: a reason to end, but not the mark that nothing follows.
    NoDone,
    /// `done-only`: the mark that nothing follows, but no reason to end.
    DoneOnly,
    /// `split`: bytes come one by one, borders of characters or not.
    Split,
    /// `crlf`: lines end with two characters.
    Crlf,
    /// `comments`: between the pieces come comments, which keep a connection alive.
    Comments,
    /// `thinking`: the reasoning comes before the answer.
    Thinking,
    /// `huge-line`: a line that does not end.
    HugeLine,
    /// `endless`: an answer that does not end.
    Endless,
}

/// A fault that does not exist.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownFault(String);

impl fmt::Display for UnknownFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "there is no fault {:?}", self.0)
    }
}

impl Error for UnknownFault {}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, UnknownFault> {
        let unknown = || UnknownFault(name.to_owned());
        if let Some(words) = name.strip_prefix("status-") {
            return status(words).ok_or_else(unknown);
        }
        Ok(match name {
            "none" => Self::None,
            "echo" => Self::Echo,
            "html" => Self::Html,
            "redirect" => Self::Redirect,
            "wrong-type" => Self::WrongType,
            "not-streamed" => Self::NotStreamed,
            "silence" => Self::Silence,
            "blocked" => Self::Blocked,
            "refusal" => Self::Refusal,
            "empty" => Self::Empty,
            "no-text" => Self::NoText,
            "no-done" => Self::NoDone,
            "done-only" => Self::DoneOnly,
            "split" => Self::Split,
            "crlf" => Self::Crlf,
            "comments" => Self::Comments,
            "thinking" => Self::Thinking,
            "huge-line" => Self::HugeLine,
            "endless" => Self::Endless,
            _ => {
                let (kind, pieces) = name.rsplit_once('-').ok_or_else(unknown)?;
                let pieces = pieces.parse().map_err(|_| unknown())?;
                match kind {
                    "stall" => Self::Stall(pieces),
                    "broken" => Self::Broken(pieces),
                    "reset" => Self::Reset(pieces),
                    "fin" => Self::Fin(pieces),
                    "cut" => Self::Cut(pieces),
                    "error" => Self::Error(pieces),
                    "filtered" => Self::Filtered(pieces),
                    _ => return Err(unknown()),
                }
            }
        })
    }
}

/// Reads `S[-after-N][-code-C]`.
fn status(words: &str) -> Option<Fault> {
    let (words, code) = match words.split_once("-code-") {
        Some((words, code)) => (words, Some(code.to_owned())),
        None => (words, None),
    };
    let (status, after) = match words.split_once("-after-") {
        Some((status, after)) => (status, Some(after.parse().ok()?)),
        None => (words, None),
    };
    Some(Fault::Status { status: status.parse().ok()?, after, code })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_ordered_by_name() {
        let arrears = Fault::Status { status: 429, after: Some(3), code: Some("1113".to_owned()) };
        assert_eq!("status-429-after-3-code-1113".parse(), Ok(arrears));
        let plain = Fault::Status { status: 500, after: None, code: None };
        assert_eq!("status-500".parse(), Ok(plain));
        assert_eq!("reset-3".parse(), Ok(Fault::Reset(3)));
        assert_eq!("wrong-type".parse(), Ok(Fault::WrongType));
        for name in ["", "reset", "reset-x", "status-", "nothing-3"] {
            assert!(name.parse::<Fault>().is_err(), "{name}");
        }
    }
}
