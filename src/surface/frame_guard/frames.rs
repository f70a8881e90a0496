//! Follows the frames in a stream of bytes, however it is cut.

use super::{
    Violation,
    header::{CLOSE, Header, LONGEST},
};

/// Most fragments of one message.
const MAX_FRAGMENTS: u32 = 1024;

/// Longest payload of a control frame.
const MAX_CONTROL: u64 = 125;

/// Where a client is in its frames.
pub(super) struct Frames {
    limit: u64,
    /// The header that is coming in.
    header: Vec<u8>,
    /// Bytes of the current frame's payload that are still to come.
    left: u64,
    /// A close frame's payload as far as it has come, with its mask.
    close: Option<(Vec<u8>, Option<[u8; 4]>)>,
    /// Fragments of the message that is coming in; 0 when there is none.
    fragments: u32,
    /// Bytes of that message that were announced so far.
    announced: u64,
    finished_one: bool,
}

impl Frames {
    /// Follows messages of at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: u64::try_from(limit).unwrap_or(u64::MAX),
            header: Vec::with_capacity(LONGEST),
            left: 0,
            close: None,
            fragments: 0,
            announced: 0,
            finished_one: false,
        }
    }

    /// Reads on. The error tells how many of the bytes belong to the frames before the one that
    /// breaks a rule.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), (usize, Violation)> {
        self.finished_one = false;
        let (mut at, mut frame_began) = (0, 0);
        while at < bytes.len() {
            if self.left > 0 {
                let rest = &bytes[at..];
                let taken = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
                self.take(&rest[..taken]).map_err(|violation| (frame_began, violation))?;
                at += taken;
                continue;
            }
            if self.header.is_empty() {
                frame_began = at;
            }
            self.header.push(bytes[at]);
            at += 1;
            if let Some(header) = Header::parse(&self.header) {
                self.header.clear();
                self.begin(header).map_err(|violation| (frame_began, violation))?;
            }
        }
        Ok(())
    }

    /// Whether a message, or a control frame, has begun and not ended.
    pub(super) fn is_amid_message(&self) -> bool {
        self.fragments > 0 || self.left > 0 || !self.header.is_empty()
    }

    /// Whether something that began before, or in it, ended in what was pushed last.
    pub(super) fn finished_one(&self) -> bool {
        self.finished_one
    }

    fn begin(&mut self, header: Header) -> Result<(), Violation> {
        if header.has_reserved_bits || header.is_control() && header.length > MAX_CONTROL {
            return Err(Violation::Protocol);
        }
        if header.is_control() {
            self.close = (header.opcode == CLOSE).then(|| (Vec::new(), header.mask));
        } else {
            self.announced = self.announced.saturating_add(header.length);
            self.fragments += 1;
            if self.announced > self.limit {
                return Err(Violation::TooBig);
            }
            if self.fragments > MAX_FRAGMENTS {
                return Err(Violation::TooManyFragments);
            }
            if header.is_last {
                (self.fragments, self.announced) = (0, 0);
            }
        }
        self.left = header.length;
        self.finished_one |= self.left == 0 && self.fragments == 0;
        Ok(())
    }

    /// Takes bytes of the current frame's payload.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        self.left -= bytes.len() as u64;
        if let Some((payload, mask)) = &mut self.close {
            payload.extend_from_slice(bytes);
            if self.left == 0 && !has_readable_reason(payload, mask.unwrap_or_default()) {
                return Err(Violation::NotUtf8);
            }
        }
        self.finished_one |= self.left == 0 && self.fragments == 0;
        Ok(())
    }
}

/// Whether the text behind the code of a close frame is UTF-8.
fn has_readable_reason(payload: &[u8], mask: [u8; 4]) -> bool {
    let payload: Vec<u8> =
        payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    payload.get(2..).is_none_or(|reason| std::str::from_utf8(reason).is_ok())
}
