//! Follows UTF-8 in a stream of bytes, and sees at the first wrong byte that it is none.

/// A text as far as it has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Utf8 {
    /// Bytes that the current character still needs.
    needs: u8,
    /// What the next byte has to lie between, where the one before it says so.
    bounds: Option<(u8, u8)>,
}

/// What any further byte of a character lies between.
const FURTHER: (u8, u8) = (0x80, 0xBF);

impl Utf8 {
    /// Reads on; `false` at a byte after which it cannot become UTF-8 any more.
    pub(super) fn push(&mut self, bytes: impl Iterator<Item = u8>) -> bool {
        for byte in bytes {
            if self.needs > 0 {
                let (least, most) = self.bounds.take().unwrap_or(FURTHER);
                if !(least..=most).contains(&byte) {
                    return false;
                }
                self.needs -= 1;
                continue;
            }
            (self.needs, self.bounds) = match byte {
                0x00..=0x7F => (0, None),
                0xC2..=0xDF => (1, None),
                // No shorter form exists for what follows these, and surrogates are no characters.
                0xE0 => (2, Some((0xA0, 0xBF))),
                0xED => (2, Some((0x80, 0x9F))),
                0xE1..=0xEF => (2, None),
                0xF0 => (3, Some((0x90, 0xBF))),
                0xF1..=0xF3 => (3, None),
                0xF4 => (3, Some((0x80, 0x8F))),
                _ => return false,
            };
        }
        true
    }

    /// Whether it may end here.
    pub(super) fn is_whole(self) -> bool {
        self.needs == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where it cannot go on, as the standard library sees it.
    fn first_wrong(bytes: &[u8]) -> Option<usize> {
        (1..=bytes.len()).find(|length| {
            std::str::from_utf8(&bytes[..*length]).is_err_and(|error| error.error_len().is_some())
        })
    }

    /// The same as [`Utf8`] sees it.
    fn refused_at(bytes: &[u8]) -> Option<usize> {
        let mut text = Utf8::default();
        bytes.iter().position(|byte| !text.push([*byte].into_iter())).map(|index| index + 1)
    }

    #[test]
    fn every_beginning_of_three_bytes_is_read_as_by_the_standard_library() {
        let ends = [0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xE0, 0xFF];
        for first in 0..=255 {
            for second in 0..=255 {
                for third in ends {
                    let bytes = [first, second, third];
                    assert_eq!(refused_at(&bytes), first_wrong(&bytes), "{bytes:x?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_text_is_utf8_however_it_is_cut(text in ".{0,40}", at in 0_usize..160) {
            let bytes = text.as_bytes();
            let (first, rest) = bytes.split_at(at.min(bytes.len()));
            let mut state = Utf8::default();
            prop_assert!(state.push(first.iter().copied()) && state.push(rest.iter().copied()));
            prop_assert!(state.is_whole());
        }

        #[test]
        fn any_bytes_are_refused_where_the_standard_library_refuses_them(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0x80_u8..0xC0, 0xE0_u8..0xF8], 0..12),
        ) {
            prop_assert_eq!(refused_at(&bytes), first_wrong(&bytes));
        }
    }
}
