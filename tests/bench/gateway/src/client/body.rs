//! The body of a response, taken apart as it comes: chunks into lines.

use super::Fault;

/// What the head of a response says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// Its bytes, with the empty line.
    pub(super) length: usize,
    framing: Framing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Chunked,
    Length(usize),
}

impl Head {
    /// The head, once all of it is there.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, Fault> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let text = str::from_utf8(&bytes[..end]).map_err(Fault::broken)?;
        let mut lines = text.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let status = status.ok_or_else(|| Fault::broken("a response without a status"))?;
        let mut framing = Framing::Length(0);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("transfer-encoding") {
                framing = Framing::Chunked;
            } else if name.eq_ignore_ascii_case("content-length") {
                framing = Framing::Length(value.trim().parse().map_err(Fault::broken)?);
            }
        }
        Ok(Some(Self { status, length: end + 4, framing }))
    }
}

/// A body on its way.
#[derive(Debug)]
pub(super) struct Body {
    state: State,
    /// What came after the last whole line.
    line: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So many bytes without any frame.
    Plain(usize),
    Size,
    Data(usize),
    DataEnd,
    Trailer,
    Done,
}

impl Body {
    pub(super) fn new(head: &Head) -> Self {
        let state = match head.framing {
            Framing::Chunked => State::Size,
            Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Plain(length),
        };
        Self { state, line: Vec::new() }
    }

    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// What follows the last line break.
    pub(super) fn rest(&self) -> &[u8] {
        &self.line
    }

    /// Takes what is there from `raw` and hands over the lines that are whole.
    pub(super) fn take(
        &mut self,
        raw: &mut Vec<u8>,
        mut each: impl FnMut(&str) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut used = 0;
        while let Some((step, next)) = self.step(&raw[used..])? {
            if matches!(self.state, State::Plain(_) | State::Data(_)) {
                self.line.extend_from_slice(&raw[used..used + step]);
            }
            used += step;
            self.state = next;
        }
        raw.drain(..used);
        let mut begin = 0;
        while let Some(length) = self.line[begin..].iter().position(|byte| *byte == b'\n') {
            let line = &self.line[begin..begin + length];
            begin += length + 1;
            each(str::from_utf8(line).map_err(Fault::broken)?.trim_end())?;
        }
        self.line.drain(..begin);
        Ok(())
    }

    /// How many of these bytes come next, and what comes behind them; nothing when more is needed.
    fn step(&self, bytes: &[u8]) -> Result<Option<(usize, State)>, Fault> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let line = || bytes.windows(2).position(|window| window == b"\r\n");
        Ok(match self.state {
            State::Plain(left) | State::Data(left) if left > bytes.len() => {
                let rest = left - bytes.len();
                let plain = matches!(self.state, State::Plain(_));
                Some((bytes.len(), if plain { State::Plain(rest) } else { State::Data(rest) }))
            }
            State::Plain(left) => Some((left, State::Done)),
            State::Data(left) => Some((left, State::DataEnd)),
            State::DataEnd => (bytes.len() >= 2).then_some((2, State::Size)),
            State::Trailer => line()
                .map(|length| (length + 2, if length == 0 { State::Done } else { State::Trailer })),
            State::Size => match line() {
                Some(length) => {
                    let text = str::from_utf8(&bytes[..length]).map_err(Fault::broken)?;
                    let digits = text.split(';').next().unwrap_or_default().trim();
                    let size = usize::from_str_radix(digits, 16).map_err(Fault::broken)?;
                    Some((length + 2, if size == 0 { State::Trailer } else { State::Data(size) }))
                }
                None => None,
            },
            State::Done => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: &[u8] =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nda\r\nt\r\n4;x\r\na\n\nb\r\n0\r\n\r\n";

    fn lines(bytes: &[u8], step: usize) -> (Vec<String>, bool) {
        let (mut raw, mut lines, mut body) = (Vec::new(), Vec::new(), None);
        for piece in bytes.chunks(step) {
            raw.extend_from_slice(piece);
            if body.is_none()
                && let Some(head) = Head::parse(&raw).unwrap()
            {
                raw.drain(..head.length);
                body = Some(Body::new(&head));
            }
            if let Some(body) = &mut body {
                body.take(&mut raw, |line| {
                    lines.push(line.to_owned());
                    Ok(())
                })
                .unwrap();
            }
        }
        let body = body.unwrap();
        lines.push(String::from_utf8(body.rest().to_vec()).unwrap());
        (lines, body.is_done())
    }

    #[test]
    fn a_chunked_body_is_the_same_in_any_pieces() {
        for step in 1..CHUNKED.len() {
            let (lines, done) = lines(CHUNKED, step);
            assert_eq!(lines, ["da", "ta", "", "b"]);
            assert!(done);
        }
    }

    #[test]
    fn a_body_of_known_length_ends_there() {
        let whole = b"HTTP/1.1 500 No\r\ncontent-length: 3\r\n\r\na\nb";
        assert_eq!(lines(whole, 4), (vec!["a".to_owned(), "b".to_owned()], true));
        assert!(!lines(&whole[..whole.len() - 1], 64).1);
    }
}
