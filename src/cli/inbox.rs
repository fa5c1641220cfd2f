//! Answers on their way from the packet path's callbacks to the command that waits for them.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// What came in. Bounded by the number of packets that its owner lets be in flight.
#[derive(Debug)]
pub(super) struct Inbox<T>(Arc<Shared<T>>);

#[derive(Debug)]
struct Shared<T> {
    items: Mutex<Vec<T>>,
    arrived: Notify,
}

impl<T> Inbox<T> {
    pub(super) fn new() -> Self {
        Inbox(Arc::new(Shared { items: Mutex::new(Vec::new()), arrived: Notify::new() }))
    }

    /// Puts something in. May be called from anywhere; never waits.
    pub(super) fn put(&self, item: T) {
        self.0.items.lock().push(item);
        self.0.arrived.notify_one();
    }

    /// Waits until there is something, and moves all of it to `out`, oldest first.
    ///
    /// Cancel safe; for one reader.
    pub(super) async fn take(&self, out: &mut Vec<T>) {
        loop {
            let waiting = self.0.arrived.notified();
            {
                let mut items = self.0.items.lock();
                if !items.is_empty() {
                    out.append(&mut items);
                    return;
                }
            }
            waiting.await;
        }
    }
}

impl<T> Clone for Inbox<T> {
    fn clone(&self) -> Self {
        Inbox(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_lost_and_the_order_stays() {
        let inbox = Inbox::new();
        inbox.put(1);
        inbox.put(2);
        let mut out = Vec::new();
        inbox.take(&mut out).await;
        assert_eq!(out, [1, 2]);
        let late = inbox.clone();
        let (_, ()) = tokio::join!(inbox.take(&mut out), async {
            tokio::task::yield_now().await;
            late.put(3);
        });
        assert_eq!(out, [1, 2, 3]);
    }
}
