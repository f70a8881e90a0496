//! Server-sent events out of bytes that are cut anywhere.

/// Reads the data of events. What is no field of an event is kept aside: Gemini is known to tell a
/// failure as plain JSON in the middle of a stream.
#[derive(Debug, Default)]
pub(crate) struct EventReader {
    /// The line that has not ended yet.
    line: Vec<u8>,
    /// Whether the last byte was a carriage return, after which a line feed ends nothing.
    returned: bool,
    data: Option<String>,
    stray: String,
}

impl EventReader {
    /// The data of the events that end within `bytes`.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Vec<String> {
        let mut events = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (piece, rest) = (&bytes[..end], &bytes[end + 1..]);
            // A line feed right behind a carriage return ends nothing.
            let ended_already = end == 0 && bytes[end] == b'\n' && self.returned;
            self.returned = bytes[end] == b'\r';
            bytes = rest;
            if ended_already {
                continue;
            }
            if self.line.is_empty() {
                events.extend(self.line(&String::from_utf8_lossy(piece)));
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(piece);
                events.extend(self.line(&String::from_utf8_lossy(&line)));
            }
        }
        self.returned &= bytes.is_empty();
        self.line.extend_from_slice(bytes);
        events
    }

    /// The data of an event that was not closed, and what was no event at all.
    pub(crate) fn finish(mut self) -> Vec<String> {
        let line = std::mem::take(&mut self.line);
        self.line(&String::from_utf8_lossy(&line));
        let stray = Some(self.stray).filter(|stray| !stray.trim().is_empty());
        self.data.into_iter().chain(stray).collect()
    }

    fn line(&mut self, line: &str) -> Option<String> {
        let line = line.trim_start_matches('\u{feff}');
        if line.is_empty() {
            return self.data.take();
        }
        if let Some(value) = line.strip_prefix("data:") {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            }
        } else if !["event:", "id:", "retry:", ":"].iter().any(|field| line.starts_with(field)) {
            self.stray.push_str(line);
            self.stray.push('\n');
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "\u{feff}: hello\nevent: x\ndata: {\"a\":\r\ndata:1}\n\n\r\nid: 7\rdata: 慢慢\r\rdata: last\n{\n \"error\": {}}";

    fn read(size: usize) -> Vec<String> {
        let mut reader = EventReader::default();
        let mut events: Vec<_> =
            STREAM.as_bytes().chunks(size).flat_map(|bytes| reader.push(bytes)).collect();
        events.extend(reader.finish());
        events
    }

    #[test]
    fn events_are_the_same_wherever_the_bytes_are_cut() {
        let whole = ["{\"a\":\n1}", "慢慢", "last", "{\n \"error\": {}}\n"];
        for size in 1..=STREAM.len() {
            assert_eq!(read(size), whole, "cut into pieces of {size}");
        }
    }
}
