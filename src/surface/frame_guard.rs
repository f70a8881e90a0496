//! Refuses over-long WebSocket frames when their header comes in.
//!
//! actix-ws 0.4 waits for a whole frame before it looks at its size, so a header that declares a
//! huge frame would let a client fill the memory. This stream sits before it, reads along, and
//! ends the connection at such a header. Frame layout: RFC 6455, section 5.2.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{error::PayloadError, web::Bytes};
use futures::Stream;

/// Longest frame header: two bytes, eight of extended length, four of mask.
const MAX_HEADER: usize = 14;

/// A stream of request bytes that ends with [`PayloadError::Overflow`] at an over-long frame.
pub(super) struct FrameGuard<S> {
    inner: S,
    limit: u64,
    header: Vec<u8>,
    /// Bytes of the current frame's payload that are still to come.
    left: u64,
    failed: bool,
}

impl<S> FrameGuard<S> {
    /// Lets frames of at most `limit` bytes of payload through.
    pub(super) fn new(inner: S, limit: usize) -> Self {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        Self { inner, limit, header: Vec::with_capacity(MAX_HEADER), left: 0, failed: false }
    }

    /// Reads along; `false` when a frame is too long.
    fn admits(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            if self.left > 0 {
                let skip = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                bytes = &bytes[skip..];
                self.left -= skip as u64;
                continue;
            }
            self.header.push(bytes[0]);
            bytes = &bytes[1..];
            if let Some(length) = payload_length(&self.header) {
                if length > self.limit {
                    return false;
                }
                self.left = length;
                self.header.clear();
            }
        }
        true
    }
}

/// The payload length of a frame, once its header is whole.
fn payload_length(header: &[u8]) -> Option<u64> {
    let [_, second, rest @ ..] = header else { return None };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (bytes, short) = match second & 0x7f {
        126 => (2, None),
        127 => (8, None),
        length => (0, Some(u64::from(length))),
    };
    if rest.len() < bytes + mask {
        return None;
    }
    Some(short.unwrap_or_else(|| {
        rest[..bytes].iter().fold(0, |length, byte| length << 8 | u64::from(*byte))
    }))
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for FrameGuard<S> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.failed {
            return Poll::Ready(None);
        }
        let next = std::task::ready!(Pin::new(&mut self.inner).poll_next(context));
        Poll::Ready(match next {
            Some(Ok(bytes)) if !self.admits(&bytes) => {
                self.failed = true;
                Some(Err(PayloadError::Overflow))
            }
            next => next,
        })
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, executor::block_on, stream};

    use super::*;

    /// A masked text frame of `length` bytes, its length in the shortest form.
    fn frame(length: usize) -> Vec<u8> {
        let mut frame = vec![0x81];
        match length {
            0..=125 => frame.push(0x80 | u8::try_from(length).unwrap()),
            126..=65535 => {
                frame.push(0x80 | 0x7E);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 0x7F);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([1, 2, 3, 4]);
        frame.extend(vec![b'x'; length]);
        frame
    }

    fn passes(bytes: &[u8], chunk: usize, limit: usize) -> bool {
        let chunks: Vec<_> =
            bytes.chunks(chunk).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let guard = FrameGuard::new(stream::iter(chunks), limit);
        block_on(guard.all(|chunk| async move { chunk.is_ok() }))
    }

    #[test]
    fn frames_within_the_limit_pass_however_they_are_cut() {
        let bytes: Vec<u8> = [0, 1, 125, 126, 1000, 70_000].into_iter().flat_map(frame).collect();
        for chunk in [1, 2, 3, 7, 64, 4096, bytes.len()] {
            assert!(passes(&bytes, chunk, 70_000), "in chunks of {chunk}");
            assert!(!passes(&bytes, chunk, 69_999), "in chunks of {chunk}");
        }
    }

    #[test]
    fn a_declared_huge_frame_is_refused_at_its_header() {
        let mut header = vec![0x82, 0xff];
        header.extend((1_u64 << 40).to_be_bytes());
        header.extend([0; 4]);
        assert!(!passes(&header, 14, 1 << 20));
        assert!(!passes(&header, 1, 1 << 20));
    }
}
