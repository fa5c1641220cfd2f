//! Futures that hyper wants to run beside a connection: the streams of HTTP/2, and connections of the client.
//!
//! They are polled inside the future that owns them, not spawned: what they are for ends them, and only `node` spawns.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::stream::{FuturesUnordered, StreamExt};
use hyper::rt::Executor;
use parking_lot::Mutex;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes futures; whoever holds the [`TaskPoller`] half polls them. How many there are is bounded by who gives them: the
/// concurrent streams of a connection, and the connections of a pool.
#[derive(Clone, Default)]
pub(crate) struct Tasks(Arc<Mutex<New>>);

#[derive(Default)]
struct New {
    tasks: Vec<Task>,
    /// Nobody polls any more.
    over: bool,
    waker: Option<Waker>,
}

/// Polls what was given to its [`Tasks`].
pub(crate) struct TaskPoller {
    new: Tasks,
    tasks: FuturesUnordered<Task>,
}

impl std::fmt::Debug for Tasks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tasks")
    }
}

impl Tasks {
    /// The half that polls.
    pub(crate) fn running(&self) -> TaskPoller {
        TaskPoller { new: self.clone(), tasks: FuturesUnordered::new() }
    }

    /// From now on this runs too.
    pub(crate) fn add(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut new = self.0.lock();
        if new.over {
            return;
        }
        new.tasks.push(Box::pin(task));
        if let Some(waker) = new.waker.take() {
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
    /// Runs everything, for ever.
    pub(crate) async fn run(&mut self) -> std::convert::Infallible {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<std::convert::Infallible> {
        loop {
            let new = {
                let mut new = self.new.0.lock();
                new.waker = Some(cx.waker().clone());
                std::mem::take(&mut new.tasks)
            };
            self.tasks.extend(new);
            // Whatever ended, and whether anything is left: new ones may come.
            match self.tasks.poll_next_unpin(cx) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// What was given and never polled may hold the very [`Tasks`] that it was given to.
impl Drop for TaskPoller {
    fn drop(&mut self) {
        let unpolled = {
            let mut new = self.new.0.lock();
            new.over = true;
            std::mem::take(&mut new.tasks)
        };
        drop(unpolled);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn what_is_given_runs_also_when_a_task_gives_it() {
        let tasks = Tasks::default();
        let mut running = tasks.running();
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
            never = running.run() => match never {},
            _ = receiver => {}
        }
        assert_eq!(done.load(Ordering::Relaxed), 2);
    }
}
