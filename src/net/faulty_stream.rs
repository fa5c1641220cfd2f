//! A byte stream with the faults of its link ([`LinkFaults`](super::LinkFaults)).
//!
//! What arrives, and what is written, waits in a queue of its direction until its delay has passed; a full queue stops
//! its direction, as a slow network does. Each direction knows where its WebSocket frames begin, so that it can lose
//! whole ones. While nothing is wrong, bytes pass at once.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::link_faults::{FaultSettings, FaultWatch, LINK_IS_CUT, LinkCarrier, LinkFaults};
use crate::wire::ws::FrameHeader;

/// Bytes that wait in one direction. With them, a delay of a second lets 8 MiB pass in a second.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes that one read takes.
const READ_BYTES: usize = 64 * 1024;

/// A stream with faults.
#[derive(Debug)]
pub struct FaultyStream<S> {
    inner: S,
    watch: FaultWatch,
    incoming: Direction,
    outgoing: Direction,
    /// The other end has sent its last byte.
    has_ended: bool,
    /// TLS may hold back bytes that it has taken.
    needs_flush: bool,
    buffer: Box<[u8]>,
}

/// What is on its way in one direction.
#[derive(Debug)]
struct Direction {
    waiting: VecDeque<(Instant, Vec<u8>)>,
    waiting_bytes: usize,
    /// Bytes of the oldest that are through.
    taken: usize,
    /// Fires when the oldest bytes become due.
    timer: Pin<Box<Sleep>>,
    /// `None`: it carries no frames.
    frames: Option<FrameFilter>,
}

/// Finds the frames in a stream of bytes, and leaves some out.
#[derive(Debug, Default)]
struct FrameFilter {
    /// The part of a header that has arrived.
    header: Vec<u8>,
    /// Bytes of the present frame that are still to come.
    left: u64,
    is_dropped: bool,
}

impl FrameFilter {
    /// Appends what passes to `out`. `drops`: whether the next whole message is lost.
    fn pass(&mut self, mut bytes: &[u8], mut drops: impl FnMut() -> bool, out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if self.left == 0 {
                let (first, rest) = bytes.split_at(1);
                bytes = rest;
                self.header.extend_from_slice(first);
                let Some(header) = FrameHeader::read(&self.header) else { continue };
                // Pings, close frames and fragments pass: a message with a hole would end the session.
                self.is_dropped = header.is_binary_message() && drops();
                self.left = header.payload_len;
                if !self.is_dropped {
                    out.extend_from_slice(&self.header);
                }
                self.header.clear();
                continue;
            }
            let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
            let (payload, rest) = bytes.split_at(here);
            bytes = rest;
            self.left -= here as u64;
            if !self.is_dropped {
                out.extend_from_slice(payload);
            }
        }
    }
}

impl Direction {
    fn new(carrier: LinkCarrier, before: &[u8]) -> Self {
        let mut frames = (carrier == LinkCarrier::Frames).then(FrameFilter::default);
        if let Some(frames) = &mut frames {
            frames.pass(before, || false, &mut Vec::new());
        }
        let timer = Box::pin(sleep_until(Instant::now()));
        Self { waiting: VecDeque::new(), waiting_bytes: 0, taken: 0, timer, frames }
    }

    fn is_full(&self) -> bool {
        self.waiting_bytes >= WAITING_BYTES_MAX
    }

    fn push(&mut self, bytes: &[u8], settings: FaultSettings, now: Instant) {
        let mut passed = Vec::with_capacity(bytes.len());
        match &mut self.frames {
            None => passed.extend_from_slice(bytes),
            Some(frames) => {
                let drops = || {
                    settings.drop_percent > 0
                        && rand::random_range(0..100) < u32::from(settings.drop_percent)
                };
                frames.pass(bytes, drops, &mut passed);
            }
        }
        if !passed.is_empty() {
            self.waiting_bytes += passed.len();
            self.waiting.push_back((now, passed));
        }
    }

    /// When the oldest bytes may pass. A delay that has become shorter holds for them too.
    fn due_at(&self, delay: Duration) -> Option<Instant> {
        self.waiting.front().map(|(came, _)| *came + delay)
    }

    /// The oldest bytes, if they are due.
    fn due(&self, delay: Duration, now: Instant) -> Option<&[u8]> {
        let is_due = self.due_at(delay)? <= now;
        self.waiting.front().filter(|_| is_due)?.1.get(self.taken..)
    }

    /// Has the task woken when the oldest bytes become due. Bytes that are due wait for a reader or for the network,
    /// and those wake the task themselves.
    fn set_timer(&mut self, cx: &mut Context<'_>, delay: Duration, now: Instant) {
        if let Some(due_at) = self.due_at(delay).filter(|due_at| *due_at > now) {
            self.timer.as_mut().reset(due_at);
            if self.timer.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
    }

    fn advance(&mut self, count: usize) {
        self.taken += count;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(count);
        if self.waiting.front().is_some_and(|(_, bytes)| bytes.len() <= self.taken) {
            self.waiting.pop_front();
            self.taken = 0;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FaultyStream<S> {
    /// Faults of a stream. `unread` has come from it already, and the next written byte begins a frame.
    pub fn new(inner: S, faults: &std::sync::Arc<LinkFaults>, unread: &[u8]) -> Self {
        let carrier = faults.carrier();
        Self {
            inner,
            watch: faults.watch(),
            incoming: Direction::new(carrier, unread),
            outgoing: Direction::new(carrier, &[]),
            has_ended: false,
            needs_flush: false,
            buffer: vec![0; READ_BYTES].into(),
        }
    }

    /// The faults in force. An error: the link is cut.
    fn settings(&self, cx: &Context<'_>) -> io::Result<FaultSettings> {
        let settings = self.watch.settings(cx);
        if settings.is_cut {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, LINK_IS_CUT));
        }
        Ok(settings)
    }

    /// Writes what is due. `Ready`: nothing more is. The task is woken when something becomes due.
    fn poll_outgoing(
        &mut self,
        cx: &mut Context<'_>,
        delay: Duration,
        now: Instant,
    ) -> Poll<io::Result<()>> {
        while let Some(bytes) = self.outgoing.due(delay, now) {
            let count = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outgoing.advance(count);
            self.needs_flush = true;
        }
        self.outgoing.set_timer(cx, delay, now);
        if self.needs_flush {
            ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
            self.needs_flush = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for FaultyStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let (settings, now) = (this.settings(cx)?, Instant::now());
        // Perhaps no write comes to move what has become due. An error comes again with the next one.
        let _ = this.poll_outgoing(cx, settings.delay, now);
        loop {
            if let Some(bytes) = this.incoming.due(settings.delay, now) {
                let count = bytes.len().min(buffer.remaining());
                buffer.put_slice(bytes.get(..count).unwrap_or_default());
                this.incoming.advance(count);
                return Poll::Ready(Ok(()));
            }
            if this.has_ended && this.incoming.waiting.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if this.has_ended || this.incoming.is_full() {
                break;
            }
            let mut read = ReadBuf::new(&mut this.buffer);
            match Pin::new(&mut this.inner).poll_read(cx, &mut read) {
                Poll::Pending => break,
                Poll::Ready(result) => result?,
            }
            this.has_ended = read.filled().is_empty();
            this.incoming.push(read.filled(), settings, now);
        }
        this.incoming.set_timer(cx, settings.delay, now);
        Poll::Pending
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for FaultyStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let (settings, now) = (this.settings(cx)?, Instant::now());
        if let Poll::Ready(written) = this.poll_outgoing(cx, settings.delay, now) {
            written?;
        }
        if this.outgoing.is_full() {
            return Poll::Pending;
        }
        this.outgoing.push(bytes, settings, now);
        if let Poll::Ready(written) = this.poll_outgoing(cx, settings.delay, now) {
            written?;
        }
        Poll::Ready(Ok(bytes.len()))
    }

    /// Bytes that are not due yet need no flush: they are on their way.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let (settings, now) = (this.settings(cx)?, Instant::now());
        ready!(this.poll_outgoing(cx, settings.delay, now))?;
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let (settings, now) = (this.settings(cx)?, Instant::now());
        ready!(this.poll_outgoing(cx, settings.delay, now))?;
        if !this.outgoing.waiting.is_empty() {
            return Poll::Pending;
        }
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
