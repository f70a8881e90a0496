//! The header of a WebSocket frame (RFC 6455, section 5.2).

/// Opcode of a further fragment.
pub(super) const CONTINUATION: u8 = 0x0;

/// Opcode of a text.
pub(super) const TEXT: u8 = 0x1;

/// Opcode of a close frame.
pub(super) const CLOSE: u8 = 0x8;

/// Longest payload of a control frame.
const MAX_CONTROL: u64 = 125;

/// Longest header: two bytes, eight of extended length, four of mask.
pub(super) const LONGEST: usize = 14;

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Whether it is the last fragment of its message.
    pub(super) is_last: bool,
    /// Whether a bit is set that has no meaning.
    pub(super) has_reserved_bits: bool,
    /// What kind of frame it is.
    pub(super) opcode: u8,
    /// The bytes that follow.
    pub(super) length: u64,
    /// The key that the payload is masked with.
    pub(super) mask: Option<[u8; 4]>,
}

impl Header {
    /// Reads a header, once it is whole.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let [first, second, rest @ ..] = bytes else { return None };
        let (extended, short) = match second & 0x7F {
            126 => (2, 0),
            127 => (8, 0),
            length => (0, u64::from(length)),
        };
        let (extended, rest) = rest.split_at_checked(extended)?;
        let mask = match second & 0x80 {
            0 => None,
            _ => Some(*rest.first_chunk()?),
        };
        let length = extended.iter().fold(short, |length, byte| length << 8 | u64::from(*byte));
        Some(Self {
            is_last: first & 0x80 != 0,
            has_reserved_bits: first & 0x70 != 0,
            opcode: first & 0x0F,
            length,
            mask,
        })
    }

    /// Whether it is a frame that a client may send at all.
    pub(super) fn keeps_to_its_form(self) -> bool {
        let is_known = matches!(self.opcode, 0x0..=0x2 | 0x8..=0xA);
        let is_small = !self.is_control() || self.length <= MAX_CONTROL && self.is_last;
        is_known && is_small && self.mask.is_some() && !self.has_reserved_bits
    }

    /// Whether it is a close, a ping or a pong, or would be one if it were defined.
    pub(super) fn is_control(self) -> bool {
        self.opcode & 0x8 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_once_it_is_whole() {
        let mask = [1, 2, 3, 4];
        let of = |start: &[u8]| [start, &mask].concat();
        for (bytes, length) in [
            (of(&[0x81, 0x80]), 0),
            (of(&[0x81, 0xFD]), 125),
            (of(&[0x81, 0xFE, 0x12, 0x34]), 0x1234),
            (of(&[0x81, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 1]), (1 << 63) + 1),
        ] {
            for cut in 0..bytes.len() {
                assert_eq!(Header::parse(&bytes[..cut]), None, "{bytes:?} cut at {cut}");
            }
            let header = Header::parse(&bytes).unwrap();
            assert_eq!((header.length, header.mask), (length, Some(mask)));
            assert!(header.is_last && !header.has_reserved_bits && !header.is_control());
        }
        let unmasked = Header::parse(&[0x49, 0x00]).unwrap();
        assert!(unmasked.mask.is_none() && unmasked.is_control());
        assert!(unmasked.has_reserved_bits && !unmasked.is_last);
    }
}
