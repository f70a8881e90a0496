//! The guard on a streamed body: bounded, told apart, and read to its end.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use anima_provider::ProviderError;
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream::BoxStream};
use tokio::{runtime::Handle, time::timeout};

use crate::wire::broken;

/// Most bytes of one answer: what is read ahead of a slow reader is bounded by this.
pub(crate) const MOST: usize = 8 * 1024 * 1024;

/// Most bytes without the end of a line: parsers of events keep a line until it ends.
const LONGEST_LINE: usize = 1024 * 1024;

/// How long the end of a body may take once the answer has ended.
pub(crate) const REMAINDER: Duration = Duration::from_secs(1);

/// How long the end of an answer may wait for the end of its body.
pub(crate) const BRIEFLY: Duration = Duration::from_millis(50);

/// What the guard saw, for whoever reads the body through a library that does not tell.
#[derive(Default)]
pub(crate) struct Watch {
    done: AtomicBool,
    fault: Mutex<Option<ProviderError>>,
}

impl Watch {
    /// Whether the mark came by which a server says that nothing follows.
    pub(crate) fn done(&self) -> bool {
        self.done.load(Ordering::SeqCst)
    }

    /// Why the body ended, where it ended badly.
    pub(crate) fn take_fault(&self) -> Option<ProviderError> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn fail(&self, error: ProviderError) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

/// The error of an answer that is longer than any answer.
pub(crate) fn too_long() -> ProviderError {
    ProviderError::Protocol("the answer is too long".into())
}

/// A body that is guarded, line by line. Its errors tell nothing; [`Watch::take_fault`] does.
///
/// Lines are given whole and one at a time, because parsers of events look at everything again that
/// they could not use yet: bytes that come one by one would cost the square of their number.
pub(crate) struct Guarded {
    body: Option<BoxStream<'static, Result<Bytes, reqwest::Error>>>,
    /// The body behind the mark of the end.
    rest: Option<BoxStream<'static, Result<Bytes, reqwest::Error>>>,
    watch: Arc<Watch>,
    /// Bytes that came.
    read: usize,
    /// What came and was not given yet, and how much of it is known to hold no end of a line.
    held: BytesMut,
    searched: usize,
}

impl Guarded {
    pub(crate) fn new(
        body: BoxStream<'static, Result<Bytes, reqwest::Error>>,
        watch: Arc<Watch>,
    ) -> Self {
        Self { body: Some(body), rest: None, watch, read: 0, held: BytesMut::new(), searched: 0 }
    }

    /// Waits for the end of the body once the answer has ended, but not for long.
    pub(crate) async fn end(&mut self) {
        if let Some(rest) = &mut self.rest
            && timeout(BRIEFLY, drain(rest)).await.is_ok()
        {
            self.rest = None;
        }
    }

    /// The next line, its end included, where it is there as a whole.
    fn line(&mut self) -> Option<Bytes> {
        let end = self.held[self.searched..].iter().position(|byte| *byte == b'\n');
        let Some(end) = end else {
            self.searched = self.held.len();
            return None;
        };
        let line = self.held.split_to(self.searched + end + 1).freeze();
        self.searched = 0;
        if matches!(line.trim_ascii_end(), b"data: [DONE]" | b"data:[DONE]") {
            self.watch.done.store(true, Ordering::SeqCst);
            self.rest = self.body.take();
        }
        Some(line)
    }

    fn fail(&mut self, error: ProviderError) -> io::Error {
        self.body = None;
        self.held.clear();
        self.searched = 0;
        self.watch.fail(error);
        io::Error::other("the body broke off")
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Some(mut rest) = self.rest.take()
            && let Ok(runtime) = Handle::try_current()
        {
            // Outlives the answer for a second at most, and is nothing to wait for.
            runtime.spawn(async move { timeout(REMAINDER, drain(&mut rest)).await });
        }
    }
}

impl Stream for Guarded {
    type Item = Result<Bytes, io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(line) = self.line() {
                return Poll::Ready(Some(Ok(line)));
            }
            let Some(body) = &mut self.body else {
                self.searched = 0;
                let rest = self.held.split().freeze();
                return Poll::Ready((!rest.is_empty()).then_some(Ok(rest)));
            };
            match ready!(body.poll_next_unpin(context)) {
                Some(Ok(bytes)) => {
                    self.read += bytes.len();
                    self.held.extend_from_slice(&bytes);
                    if self.read > MOST || self.held.len() > LONGEST_LINE + bytes.len() {
                        return Poll::Ready(Some(Err(self.fail(too_long()))));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(self.fail(broken(error))))),
                None => self.body = None,
            }
        }
    }
}

/// Reads what comes after the answer, which is next to nothing. A connection whose response was not
/// read to its end cannot be used again.
async fn drain(body: &mut BoxStream<'static, Result<Bytes, reqwest::Error>>) {
    let mut left = 4096_usize;
    while let Some(Ok(bytes)) = body.next().await {
        match left.checked_sub(bytes.len()) {
            Some(less) => left = less,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn guarded(bytes: Vec<&'static [u8]>) -> (Guarded, Arc<Watch>) {
        let watch = Arc::new(Watch::default());
        let body = stream::iter(bytes).map(|bytes| Ok(Bytes::from_static(bytes))).boxed();
        (Guarded::new(body, Arc::clone(&watch)), watch)
    }

    #[tokio::test]
    async fn lines_are_given_whole_and_the_mark_of_the_end_is_seen() {
        for (bytes, lines, done) in [
            (vec![b"data: [DONE]\n\n".as_slice()], 2, true),
            (vec![b"data: {}\r\n\r\ndata:[DO", b"NE]\r", b"\n\r\n"], 4, true),
            (vec![b"data: \"[DONE]\"\n\n"], 2, false),
            (vec![b"data: x[DONE]\n", b"\nda", b"ta"], 3, false),
            (vec![b"data: [DONE]"], 1, false),
        ] {
            let (body, watch) = guarded(bytes.clone());
            let read: Vec<_> = body.map(Result::unwrap).collect().await;
            assert_eq!((read.len(), watch.done()), (lines, done), "{bytes:?}");
            if !done {
                assert_eq!(read.concat(), bytes.concat());
            }
        }
    }

    #[tokio::test]
    async fn a_line_and_an_answer_can_be_too_long() {
        static LINE: [u8; LONGEST_LINE] = [b'x'; LONGEST_LINE];
        let (body, watch) = guarded(vec![&LINE, b"\n", &LINE]);
        assert!(body.all(|read| async move { read.is_ok() }).await);
        assert!(watch.take_fault().is_none());
        let (body, watch) = guarded(vec![&LINE, b"x", b"x"]);
        assert!(!body.all(|read| async move { read.is_ok() }).await);
        assert!(matches!(watch.take_fault(), Some(ProviderError::Protocol(_))));
        let (body, watch) = guarded([[LINE.as_slice(), b"\n"]; 8].concat());
        assert!(!body.all(|read| async move { read.is_ok() }).await);
        assert!(watch.take_fault().is_some());
    }
}
