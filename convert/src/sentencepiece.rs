//! `tokenizer.model`: the parts of SentencePiece's protobuf that make a tokenizer.

use std::{fs, path::Path};

use crate::ConvertError;

/// A SentencePiece model.
#[derive(Debug, Clone)]
pub(crate) struct SentencePiece {
    /// By their numbers.
    pub(crate) pieces: Vec<Piece>,
    pub(crate) algorithm: Algorithm,
    pub(crate) byte_fallback: bool,
    /// A word's `▁` stands behind it.
    pub(crate) space_behind: bool,
    pub(crate) unk_piece: String,
    /// Numbers of the tokens at the beginning and the end of a text; none where negative.
    pub(crate) bos_id: i32,
    pub(crate) eos_id: i32,
    pub(crate) normalizer: Normalizer,
}

/// What is done with a text first.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "these are the flags of the file's own message")]
pub(crate) struct Normalizer {
    pub(crate) name: String,
    /// It has a table of characters to replace.
    pub(crate) has_table: bool,
    pub(crate) add_dummy_prefix: bool,
    pub(crate) remove_extra_whitespaces: bool,
    pub(crate) escape_whitespaces: bool,
}

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) score: f32,
    pub(crate) kind: Kind,
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

/// How a text is cut into tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Unigram,
    Bpe,
    Word,
    Character,
}

impl SentencePiece {
    /// Reads the file at `path`.
    pub(crate) fn read(path: &Path) -> Result<Self, ConvertError> {
        let bytes = fs::read(path).map_err(ConvertError::file(path))?;
        if bytes.starts_with(b"version https://git-lfs") {
            let problem = "this is a Git LFS pointer and not the file: git lfs pull";
            return Err(ConvertError::malformed(path, problem));
        }
        Self::parse(&bytes)
            .ok_or_else(|| ConvertError::malformed(path, "this is no SentencePiece model"))
    }

    /// Reads a `ModelProto`; every default is the one of SentencePiece.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut model = Self {
            pieces: Vec::new(),
            algorithm: Algorithm::Unigram,
            byte_fallback: false,
            space_behind: false,
            unk_piece: "<unk>".to_owned(),
            bos_id: 1,
            eos_id: 2,
            normalizer: Normalizer {
                name: String::new(),
                has_table: false,
                add_dummy_prefix: true,
                remove_extra_whitespaces: true,
                escape_whitespaces: true,
            },
        };
        for field in Fields(bytes) {
            match field? {
                (1, Field::Bytes(bytes)) => model.pieces.push(Piece::parse(bytes)?),
                (2, Field::Bytes(bytes)) => model.trainer(bytes)?,
                (3, Field::Bytes(bytes)) => model.normalizer.parse(bytes)?,
                _ => {}
            }
        }
        (!model.pieces.is_empty()).then_some(model)
    }

    fn trainer(&mut self, bytes: &[u8]) -> Option<()> {
        for field in Fields(bytes) {
            match field? {
                (3, Field::Number(number)) => {
                    self.algorithm = match number {
                        1 => Algorithm::Unigram,
                        2 => Algorithm::Bpe,
                        3 => Algorithm::Word,
                        4 => Algorithm::Character,
                        _ => return None,
                    };
                }
                (24, Field::Number(number)) => self.space_behind = number != 0,
                (35, Field::Number(number)) => self.byte_fallback = number != 0,
                (41, Field::Number(number)) => self.bos_id = signed(number),
                (42, Field::Number(number)) => self.eos_id = signed(number),
                (45, Field::Bytes(bytes)) => self.unk_piece = text(bytes)?,
                _ => {}
            }
        }
        Some(())
    }

    /// The text of the token that has this number.
    pub(crate) fn piece(&self, id: i32) -> Option<&str> {
        Some(self.pieces.get(usize::try_from(id).ok()?)?.text.as_str())
    }
}

impl Normalizer {
    fn parse(&mut self, bytes: &[u8]) -> Option<()> {
        for field in Fields(bytes) {
            match field? {
                (1, Field::Bytes(bytes)) => self.name = text(bytes)?,
                (2, Field::Bytes(bytes)) => self.has_table = !bytes.is_empty(),
                (3, Field::Number(number)) => self.add_dummy_prefix = number != 0,
                (4, Field::Number(number)) => self.remove_extra_whitespaces = number != 0,
                (5, Field::Number(number)) => self.escape_whitespaces = number != 0,
                _ => {}
            }
        }
        Some(())
    }
}

impl Piece {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut piece = Self { text: String::new(), score: 0.0, kind: Kind::Normal };
        for field in Fields(bytes) {
            match field? {
                (1, Field::Bytes(bytes)) => piece.text = text(bytes)?,
                (2, Field::Fixed32(bits)) => piece.score = f32::from_bits(bits),
                (3, Field::Number(number)) => {
                    piece.kind = match number {
                        1 => Kind::Normal,
                        2 => Kind::Unknown,
                        3 => Kind::Control,
                        4 => Kind::UserDefined,
                        5 => Kind::Unused,
                        6 => Kind::Byte,
                        _ => return None,
                    };
                }
                _ => {}
            }
        }
        (!piece.text.is_empty() && !piece.score.is_nan()).then_some(piece)
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

/// A 32-bit number as protobuf writes it: negative ones have 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "protobuf says to drop the upper bits")]
fn signed(number: u64) -> i32 {
    number as i32
}

/// The value of one field.
enum Field<'a> {
    Number(u64),
    Fixed32(u32),
    Fixed64,
    Bytes(&'a [u8]),
}

/// The fields of a message; `None` in place of one that is broken, which is the last.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Field<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, Field<'a>)> {
        let tag = self.number()?;
        let field = match tag & 7 {
            0 => Field::Number(self.number()?),
            1 => {
                self.take(8)?;
                Field::Fixed64
            }
            2 => {
                let length = self.number()?;
                Field::Bytes(self.take(usize::try_from(length).ok()?)?)
            }
            5 => Field::Fixed32(u32::from_le_bytes(self.take(4)?.try_into().ok()?)),
            _ => return None,
        };
        Some((tag >> 3, field))
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for position in 0..10 {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7F) << (7 * position);
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_sentencepiece() {
        // One piece "a" of score 1.0, and a negative end token.
        let piece = [0x0A, 1, b'a', 0x15, 0, 0, 0x80, 0x3F];
        let eos = [0xD0, 0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1];
        let bytes = [&[0x0A, 8][..], &piece, &[0x12, 12], &eos].concat();
        let model = SentencePiece::parse(&bytes).unwrap();
        let expected = Piece { text: "a".to_owned(), score: 1.0, kind: Kind::Normal };
        assert_eq!((&model.pieces[..], model.eos_id, model.bos_id), (&[expected][..], -1, 1));
        assert!(model.normalizer.add_dummy_prefix && model.algorithm == Algorithm::Unigram);
        assert_eq!((model.piece(-1), model.piece(0), model.piece(1)), (None, Some("a"), None));
    }

    #[test]
    fn a_broken_file_is_no_model_and_never_panics() {
        for bytes in [
            &b""[..],
            b"\x0A",
            b"\x0A\xFF",
            b"\x0A\x02\x0A\x05",
            b"<html>",
            b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
        ] {
            assert!(SentencePiece::parse(bytes).is_none(), "{bytes:?}");
        }
    }
}
