//! What a WebSocket handshake must have, beyond what actix-ws looks at.

use actix_web::{
    HttpRequest,
    http::{Version, header},
};

use crate::surface::error::{self, HttpError};

/// Looks at version and key (RFC 6455, section 4.2.1).
pub(super) fn check(request: &HttpRequest) -> Result<(), HttpError> {
    let header = |name| request.headers().get(name).map(header::HeaderValue::as_bytes);
    if header(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version != b"13") {
        return Err(error::other_websocket_version());
    }
    let key = header(header::SEC_WEBSOCKET_KEY);
    if request.version() < Version::HTTP_11 || !key.is_some_and(is_key) {
        return Err(refused());
    }
    Ok(())
}

/// The request is no handshake.
pub(super) fn refused() -> HttpError {
    HttpError::invalid("invalid_handshake", "this path wants a WebSocket handshake")
}

/// Whether a key is 16 bytes in Base64.
fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sixteen_bytes_in_base64() {
        assert!(is_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
        assert!(is_key(b"+/+/+/+/+/+/+/+/+/+/+A=="));
        for bad in [
            "",
            "c2hvcnQ=",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ==A",
            "!!!!!!!!!!!!!!!!!!!!!!==",
        ] {
            assert!(!is_key(bad.as_bytes()), "{bad}");
        }
    }
}
