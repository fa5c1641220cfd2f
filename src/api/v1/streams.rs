//! The open streams of one listener. They are a class of connections of their own: limited in number, neither closed
//! for other connections nor others for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts the open streams of a listener.
#[derive(Debug)]
pub(in crate::api) struct Streams {
    max: usize,
    open: AtomicUsize,
    opened: Notify,
}

/// An open stream, until it is dropped.
#[derive(Debug)]
pub(super) struct StreamPermit(Arc<Streams>);

impl Streams {
    /// At most `max` streams at a time.
    pub(in crate::api) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, open: AtomicUsize::new(0), opened: Notify::new() })
    }

    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// `None`: as many are open as may be.
    pub(super) fn permit(self: &Arc<Self>) -> Option<StreamPermit> {
        let permit = self.open.try_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
            (open < self.max).then_some(open + 1)
        });
        permit.ok()?;
        self.opened.notify_one();
        Some(StreamPermit(Arc::clone(self)))
    }

    pub(super) fn are_open(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    /// Waits until a stream is open.
    pub(super) async fn until_open(&self) {
        while !self.are_open() {
            self.opened.notified().await;
        }
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
