//! A response that notes how its client takes it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, MessageBody},
    web::Bytes,
};

use super::Connection;

/// Most bytes handed on at a time; the connection asks for more when it has room.
const PIECE: usize = 8 * 1024;

/// A body that is handed on in pieces. Its client owes room from each piece until the next is asked
/// for, and its next request from the end on.
pub struct Watched<B> {
    inner: Pin<Box<B>>,
    rest: Bytes,
    connection: Option<Arc<Connection>>,
}

impl<B> Watched<B> {
    pub(super) fn new(inner: B, connection: Option<Arc<Connection>>) -> Self {
        Self { inner: Box::pin(inner), rest: Bytes::new(), connection }
    }

    fn piece(&mut self) -> Bytes {
        let piece = self.rest.split_to(self.rest.len().min(PIECE));
        if let Some(connection) = &self.connection {
            connection.release(piece.len());
            connection.owe();
        }
        piece
    }
}

impl<B: MessageBody> MessageBody for Watched<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.inner.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        while self.rest.is_empty() {
            match self.inner.as_mut().poll_next(context) {
                Poll::Ready(Some(Ok(bytes))) => self.rest = bytes,
                other => {
                    if let Some(connection) = &self.connection {
                        if other.is_pending() {
                            connection.settle();
                        } else {
                            connection.owe();
                            connection.end();
                        }
                    }
                    return other;
                }
            }
        }
        Poll::Ready(Some(Ok(self.piece())))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn a_large_body_comes_whole_and_in_pieces() {
        let body = Bytes::from(vec![b'x'; 3 * PIECE + 1]);
        let mut watched = Box::pin(Watched::new(body.clone(), None));
        assert_eq!(watched.size(), BodySize::Sized(body.len() as u64));
        let mut pieces = Vec::new();
        while let Some(piece) = poll_fn(|context| watched.as_mut().poll_next(context)).await {
            pieces.push(piece.unwrap());
        }
        assert!(pieces.iter().all(|piece| piece.len() <= PIECE), "{pieces:?}");
        assert_eq!(pieces.concat(), body);
    }
}
