//! Reasons for closing (RFC 6455, section 7.4).

use std::str;

use super::Violation;

/// Looks at the payload of a close frame: nothing, or a code that may be sent and words in UTF-8.
pub(super) fn check(payload: &[u8]) -> Result<(), Violation> {
    if payload.is_empty() {
        return Ok(());
    }
    let Some((code, words)) = payload.split_first_chunk() else {
        return Err(Violation::Protocol);
    };
    if !may_be_sent(u16::from_be_bytes(*code)) {
        return Err(Violation::Protocol);
    }
    str::from_utf8(words).map(drop).map_err(|_| Violation::NotUtf8)
}

/// Whether a peer may give this code: those that the registry of codes has for it, those of
/// libraries, and those of applications.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
