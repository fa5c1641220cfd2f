//! A stream whose reads are metered: a limited amount in one turn of the event loop, and no more than its meter allows.
//!
//! HTTP/2 frames (PING, SETTINGS, PRIORITY, WINDOW_UPDATE, resets, endless headers) and the interim responses of
//! HTTP/1.1 cost little to send and something to handle. All of them are bytes, and bytes and frames are metered here.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::FrameCounter;

/// Bytes of one connection before the event loop polls others.
const TURN_BYTES_MAX: usize = 64 * 1024;
/// Frames of one connection before the event loop polls others.
const TURN_FRAMES_MAX: u32 = 256;
/// Bytes of one read: some hundred of the smallest frames.
pub(crate) const READ_BYTES_MAX: usize = 8 * 1024;

/// Limits what is read.
pub(crate) trait Meter: Unpin {
    fn read_bytes_max(&self) -> usize {
        READ_BYTES_MAX
    }

    /// Ready when more may be read.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Records one read, in which `frames` frames begin.
    ///
    /// # Errors
    /// It is too much: the connection must close.
    fn record_read(&mut self, bytes: usize, frames: u32) -> io::Result<()>;

    /// The other side has taken bytes, or (`is_blocked`) takes none at the moment.
    fn record_write(&mut self, _is_blocked: bool) {}
}

#[derive(Debug)]
pub(crate) struct Metered<S, M> {
    stream: S,
    meter: M,
    frames: FrameCounter,
    /// Bytes and frames of this turn.
    turn: (usize, u32),
}

impl<S, M> Metered<S, M> {
    /// `frames` counts what the other side sends.
    pub(crate) fn new(stream: S, frames: FrameCounter, meter: M) -> Self {
        Self { stream, meter, frames, turn: (0, 0) }
    }
}

impl<S: AsyncRead + Unpin, M: Meter> AsyncRead for Metered<S, M> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.turn.0 >= TURN_BYTES_MAX || this.turn.1 >= TURN_FRAMES_MAX {
            this.turn = (0, 0);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if this.meter.poll_readable(cx).is_pending() {
            this.turn = (0, 0);
            return Poll::Pending;
        }
        // Costs once only: the library uses the same buffer again and again.
        let len = this.meter.read_bytes_max().min(buffer.remaining());
        let unfilled = buffer.initialize_unfilled_to(len);
        let mut part = ReadBuf::new(unfilled);
        let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(cx, &mut part) else {
            this.turn = (0, 0);
            return Poll::Pending;
        };
        read?;
        let bytes = part.filled().len();
        let frames = this.frames.count(part.filled());
        buffer.advance(bytes);
        this.turn = (this.turn.0 + bytes, this.turn.1.saturating_add(frames));
        Poll::Ready(this.meter.record_read(bytes, frames))
    }
}

impl<S: AsyncWrite + Unpin, M: Meter> AsyncWrite for Metered<S, M> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.meter.record_write(written.is_pending());
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.meter.record_write(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    struct NoLimit;

    impl Meter for NoLimit {
        fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }

        fn record_read(&mut self, _: usize, _: u32) -> io::Result<()> {
            Ok(())
        }
    }

    /// Bytes that are read in each of two turns.
    fn turns(frames: FrameCounter, buffer_bytes: usize) -> [usize; 2] {
        let mut stream = Metered::new(tokio::io::repeat(0), frames, NoLimit);
        let mut cx = Context::from_waker(Waker::noop());
        let mut bytes = vec![0; buffer_bytes];
        [(); 2].map(|()| {
            let mut turn = 0;
            loop {
                let mut buffer = ReadBuf::new(&mut bytes);
                match Pin::new(&mut stream).poll_read(&mut cx, &mut buffer) {
                    Poll::Ready(read) => read.unwrap(),
                    Poll::Pending => return turn,
                }
                turn += buffer.filled().len();
            }
        })
    }

    #[test]
    fn a_fast_sender_waits_for_the_next_turn() {
        assert_eq!(turns(FrameCounter::of_server(false), 5000), [70_000; 2]);
        assert_eq!(turns(FrameCounter::of_server(false), 100_000), [TURN_BYTES_MAX; 2]);
        // Zeros are empty frames.
        assert_eq!(turns(FrameCounter::of_server(true), 100_000), [READ_BYTES_MAX; 2]);
    }
}
