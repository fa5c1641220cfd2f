//! The body of a response with a packet. It counts as waiting until the client has received all but its last piece, so
//! that the answers of a client that does not read are bounded.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Bytes of one piece. The library buffers a whole piece as soon as one byte of it can be sent.
const PIECE_BYTES: usize = 4096;

/// A packet in pieces.
#[derive(Debug)]
pub(super) struct AnswerBody {
    rest: Bytes,
    len: usize,
    waiting: Arc<AtomicUsize>,
}

impl AnswerBody {
    /// `waiting` counts the bytes of all bodies that have not been received.
    pub(super) fn new(packet: Bytes, waiting: Arc<AtomicUsize>) -> Self {
        let len = packet.len();
        waiting.fetch_add(len, Ordering::Relaxed);
        Self { rest: packet, len, waiting }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let len = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(len);
        Poll::Ready((len > 0).then(|| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.rest.len()).unwrap_or(u64::MAX))
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.len, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_packet_arrives_whole_and_counts_until_it_is_received() {
        let waiting: Arc<AtomicUsize> = Arc::default();
        for len in [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 33_000] {
            let packet: Bytes = (0..len).map(|at| at.to_le_bytes()[0]).collect();
            let body = AnswerBody::new(packet.clone(), Arc::clone(&waiting));
            assert_eq!(waiting.load(Ordering::Relaxed), len);
            assert_eq!(body.size_hint().exact(), Some(len as u64));
            let all = axum::body::to_bytes(axum::body::Body::new(body), usize::MAX).await;
            assert_eq!(all.unwrap(), packet);
            assert_eq!(waiting.load(Ordering::Relaxed), 0);
        }
    }
}
