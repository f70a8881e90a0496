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

/// Whether a client may send a frame that begins with these two bytes: one of a known kind, with a mask
/// and without bits that have no meaning. The codec behind the guard judges a header by them, too, and
/// names other reasons; so they are looked at before it gets to see them.
pub(super) fn may_begin(first: u8, second: u8) -> bool {
    let is_known = matches!(first & 0x0F, 0x0..=0x2 | 0x8..=0xA);
    is_known && first & 0x70 == 0 && second & 0x80 != 0
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Whether it is the last fragment of its message.
    pub(super) is_last: bool,
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
        Some(Self { is_last: first & 0x80 != 0, opcode: first & 0x0F, length, mask })
    }

    /// Whether it is as short and as whole as its kind has to be.
    pub(super) fn keeps_to_its_size(self) -> bool {
        !self.is_control() || self.length <= MAX_CONTROL && self.is_last
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
            assert!(header.is_last && !header.is_control());
        }
        let unmasked = Header::parse(&[0x49, 0x00]).unwrap();
        assert!(unmasked.mask.is_none() && unmasked.is_control());
        assert!(!unmasked.is_last);
    }

    #[test]
    fn two_bytes_tell_what_nobody_may_send() {
        for good in [0x81, 0x01, 0x82, 0x80, 0x88, 0x89, 0x8A] {
            assert!(may_begin(good, 0x80), "{good:x}");
            assert!(!may_begin(good, 0x05), "{good:x} without a mask");
        }
        for bad in [0x91, 0xA1, 0xC1, 0xF8, 0x83, 0x87, 0x8B, 0x8F] {
            assert!(!may_begin(bad, 0x80), "{bad:x}");
        }
    }
}
