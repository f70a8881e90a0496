//! Bytes as text: UTF-8, UTF-16 and GB18030 are told apart by what they look like.

use std::borrow::Cow;

use encoding_rs::{Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::ReadError;
use crate::words::is_han;

/// So much of the beginning is looked at to tell UTF-16 without a mark.
const PROBE: usize = 4096;

/// The text that the bytes are.
///
/// # Errors
/// When they are no text.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, ReadError> {
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        return whole(encoding, &bytes[length..]).ok_or(ReadError::NoText);
    }
    if let Some(encoding) = wide(bytes) {
        return whole(encoding, bytes).ok_or(ReadError::NoText);
    }
    if bytes.contains(&0) {
        return Err(ReadError::NoText);
    }
    if let Some(text) = whole(UTF_8, bytes) {
        return Ok(text);
    }
    if let Some(text) = whole(GB18030, bytes).filter(|text| is_chinese(text)) {
        return Ok(text);
    }
    // Old Western files: a few bytes beyond ASCII among many letters.
    let foreign = bytes.iter().filter(|byte| !byte.is_ascii()).count();
    let controls =
        bytes.iter().filter(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace());
    if foreign * 5 <= bytes.len() && controls.count() == 0 {
        return whole(WINDOWS_1252, bytes).ok_or(ReadError::NoText);
    }
    Err(ReadError::NoText)
}

/// The text, if every byte fits the encoding.
fn whole<'a>(encoding: &'static Encoding, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
    encoding.decode_without_bom_handling_and_without_replacement(bytes)
}

/// Which UTF-16 this is, if it is one without a mark: every other byte of its ASCII is zero.
fn wide(bytes: &[u8]) -> Option<&'static Encoding> {
    let probe = &bytes[..bytes.len().min(PROBE)];
    let zeros = |odd: usize| probe.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let many = (probe.len() / 20).max(1);
    // Some characters beyond ASCII have a zero in the other half.
    if odd >= many && odd > 4 * even {
        Some(UTF_16LE)
    } else if even >= many && even > 4 * odd {
        Some(UTF_16BE)
    } else {
        None
    }
}

/// Whether a text decoded as GB18030 is one: Western text with a stray byte decodes too, into a rare
/// character here and there.
fn is_chinese(text: &str) -> bool {
    let han = text.chars().filter(|c| is_han(*c)).count();
    let common = text.chars().filter(|c| matches!(c, '\u{4E00}'..='\u{9FFF}')).count();
    let letters = text.chars().filter(char::is_ascii_alphabetic).count();
    han > 0 && common * 10 >= han * 9 && han * 5 >= letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_is_told_by_what_it_looks_like() {
        let text = "博物馆每天上午9点开门。Open at 9.";
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let marked: Vec<u8> = [0xFF, 0xFE].into_iter().chain(utf16.iter().copied()).collect();
        let gb = GB18030.encode(text).0.into_owned();
        let bom = [b"\xEF\xBB\xBF", text.as_bytes()].concat();
        for bytes in [text.as_bytes().to_vec(), utf16, big, marked, gb, bom] {
            assert_eq!(decode(&bytes).unwrap(), text);
        }
        assert_eq!(
            decode(b"The museum\x92s caf\xE9 is open.").unwrap(),
            "The museum’s café is open."
        );
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for bytes in [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &[0x80, 0xFF, 0x81, 0xFE, 1, 2, 3]] {
            assert!(matches!(decode(bytes), Err(ReadError::NoText)));
        }
    }
}
