//! Futures that hyper runs beside a connection: the streams of HTTP/2, and the connections of a client.
//!
//! The future that owns them polls them. They are not spawned: only `node` spawns, and they must end with their owner.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::stream::{FuturesUnordered, StreamExt};
use hyper::rt::Executor;
use parking_lot::Mutex;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The half that takes futures. Their number is bounded by the caller: by the concurrent streams of a connection, or
/// the connections of a pool.
#[derive(Clone, Default)]
pub(crate) struct Tasks(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    tasks: Vec<Task>,
    /// The poller was dropped.
    is_closed: bool,
    waker: Option<Waker>,
}

/// The half that polls them.
pub(crate) struct TaskPoller {
    queue: Tasks,
    tasks: FuturesUnordered<Task>,
}

impl std::fmt::Debug for Tasks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tasks")
    }
}

impl Tasks {
    pub(crate) fn poller(&self) -> TaskPoller {
        TaskPoller { queue: self.clone(), tasks: FuturesUnordered::new() }
    }

    pub(crate) fn add(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut queue = self.0.lock();
        if queue.is_closed {
            return;
        }
        queue.tasks.push(Box::pin(task));
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
    }
}

impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
{
    fn execute(&self, future: F) {
        self.add(async move {
            future.await;
        });
    }
}

impl TaskPoller {
    /// Runs all tasks. Never ends.
    pub(crate) async fn run(&mut self) -> std::convert::Infallible {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<std::convert::Infallible> {
        loop {
            let new = {
                let mut queue = self.queue.0.lock();
                queue.waker = Some(cx.waker().clone());
                std::mem::take(&mut queue.tasks)
            };
            self.tasks.extend(new);
            match self.tasks.poll_next_unpin(cx) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// A task that was never polled may hold the queue that it waits in, so the queue is emptied.
impl Drop for TaskPoller {
    fn drop(&mut self) {
        let unpolled = {
            let mut queue = self.queue.0.lock();
            queue.is_closed = true;
            std::mem::take(&mut queue.tasks)
        };
        drop(unpolled);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_task_may_add_another_task() {
        let tasks = Tasks::default();
        let mut poller = tasks.poller();
        let done = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (inner, count) = (tasks.clone(), Arc::clone(&done));
        tasks.add(async move {
            tokio::task::yield_now().await;
            count.fetch_add(1, Ordering::Relaxed);
            inner.add(async move {
                count.fetch_add(1, Ordering::Relaxed);
                let _ = sender.send(());
            });
        });
        tokio::select! {
            never = poller.run() => match never {},
            _ = receiver => {}
        }
        assert_eq!(done.load(Ordering::Relaxed), 2);
    }
}
