//! Follows the frames in a stream of bytes, however it is cut.

use super::{
    Violation, close,
    header::{CLOSE, CONTINUATION, Header, LONGEST, TEXT, may_begin},
    utf8::Utf8,
};

/// Most fragments of one message.
pub(in crate::surface) const MAX_FRAGMENTS: u32 = 1024;

/// Where a client is in its frames.
pub(super) struct Frames {
    limit: u64,
    /// Most fragments of one message.
    pub(super) max_fragments: u32,
    /// The header that is coming in.
    header: Vec<u8>,
    /// Bytes of the current frame's payload that are still to come.
    left: u64,
    /// What is done with the current frame's payload.
    payload: Payload,
    /// The text that is coming in.
    text: Option<Utf8>,
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
            max_fragments: MAX_FRAGMENTS,
            header: Vec::with_capacity(LONGEST),
            left: 0,
            payload: Payload::Any,
            text: None,
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
            if let [first, second] = self.header[..]
                && !may_begin(first, second)
            {
                return Err((frame_began, Violation::Protocol));
            }
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
        if !header.keeps_to_its_size() || !self.is_in_order(header) {
            return Err(Violation::Protocol);
        }
        let mask = Mask { key: header.mask.unwrap_or_default(), at: 0 };
        if header.is_control() {
            self.payload = match header.opcode {
                CLOSE => Payload::Close(Vec::new(), mask),
                _ => Payload::Any,
            };
        } else {
            self.announced = self.announced.saturating_add(header.length);
            self.fragments += 1;
            if self.announced > self.limit {
                return Err(Violation::TooBig);
            }
            if self.fragments > self.max_fragments {
                return Err(Violation::TooManyFragments);
            }
            if header.is_last {
                (self.fragments, self.announced) = (0, 0);
            }
            if header.opcode != CONTINUATION {
                self.text = (header.opcode == TEXT).then(Utf8::default);
            }
            self.payload = match self.text {
                Some(_) => Payload::Text { mask, is_last: header.is_last },
                None => Payload::Any,
            };
        }
        self.left = header.length;
        self.take(&[])
    }

    /// Whether a frame may come here: what goes on with a message needs one, and nothing but that and
    /// control frames comes before its end.
    fn is_in_order(&self, header: Header) -> bool {
        header.is_control() || (header.opcode == CONTINUATION) == (self.fragments > 0)
    }

    /// Takes bytes of the current frame's payload.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        self.left -= bytes.len() as u64;
        let is_whole = self.left == 0;
        match &mut self.payload {
            Payload::Any => {}
            Payload::Text { mask, is_last } => {
                if let Some(text) = &mut self.text {
                    let fits = text.push(bytes.iter().map(|byte| mask.lift(*byte)));
                    let ends = is_whole && *is_last;
                    if !fits || ends && !text.is_whole() {
                        return Err(Violation::NotUtf8);
                    }
                    if ends {
                        self.text = None;
                    }
                }
            }
            Payload::Close(reason, mask) => {
                reason.extend(bytes.iter().map(|byte| mask.lift(*byte)));
                if is_whole {
                    close::check(reason)?;
                }
            }
        }
        self.finished_one |= is_whole && self.fragments == 0;
        Ok(())
    }
}

/// What is done with the payload of a frame.
enum Payload {
    /// It is not looked at.
    Any,
    /// It goes on with the text.
    Text { mask: Mask, is_last: bool },
    /// It is kept until it is whole.
    Close(Vec<u8>, Mask),
}

/// Lifts the mask off a payload.
struct Mask {
    key: [u8; 4],
    at: usize,
}

impl Mask {
    fn lift(&mut self, byte: u8) -> u8 {
        let lifted = byte ^ self.key[self.at % 4];
        self.at += 1;
        lifted
    }
}
