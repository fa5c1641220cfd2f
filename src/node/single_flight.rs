//! Work that may block for ever, such as a read from a mount that hangs: it runs beside the packets, one piece at a
//! time. At the end of the process it is abandoned, because the commands end their runtime with a timeout.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::task;

/// Work that takes longer than this is reported, once.
const SLOW_AFTER: Duration = Duration::from_secs(5);

/// How long the end of a command waits for a blocked terminal or file.
const FINAL_OUTPUT_TIMEOUT: Duration = Duration::from_millis(500);

/// Runs the last work of a command, such as output to a terminal, but waits only half a second for it: a terminal may
/// be paused (Ctrl-S).
pub fn run_with_timeout<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) {
    let (done, is_done) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("final-output".to_owned());
    let started = thread.spawn(move || done.send(work()));
    if started.is_ok() {
        // After the timeout the thread is abandoned, and the process ends.
        let _ = is_done.recv_timeout(FINAL_OUTPUT_TIMEOUT);
    }
}

/// At most one piece of work under way.
#[derive(Debug)]
pub struct SingleFlight<T> {
    task: Option<JoinHandle<T>>,
    started_at: Instant,
    is_slow_reported: bool,
}

impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        Self { task: None, started_at: Instant::now(), is_slow_reported: false }
    }
}

impl<T: Send + 'static> SingleFlight<T> {
    /// Starts work. Call it only if none is under way.
    pub fn start(&mut self, work: impl FnOnce() -> T + Send + 'static) {
        debug_assert!(self.task.is_none(), "other work is under way");
        *self = Self {
            task: Some(task::spawn_blocking(work)),
            started_at: Instant::now(),
            is_slow_reported: false,
        };
    }

    /// Whether work was started whose result [`SingleFlight::done`] has not returned yet.
    pub fn is_under_way(&self) -> bool {
        self.task.is_some()
    }

    /// Whether the work under way has become slow; `true` only once.
    pub fn became_slow(&mut self) -> bool {
        let is_slow = self.task.as_ref().is_some_and(|task| !task.is_finished())
            && self.started_at.elapsed() > SLOW_AFTER;
        is_slow && !std::mem::replace(&mut self.is_slow_reported, true)
    }

    /// Waits for the result. Cancel safe. Work that panicked has none; the panic hook has logged it.
    pub async fn done(&mut self) -> T {
        let result = match &mut self.task {
            Some(task) => task.await,
            None => return std::future::pending().await,
        };
        self.task = None;
        match result {
            Ok(result) => result,
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn blocked_work_delays_neither_the_loop_nor_the_end() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (go, wait) = sync_channel::<()>(0);
        runtime.block_on(async {
            let mut work = SingleFlight::default();
            work.start(|| 7);
            assert_eq!(work.done().await, 7);
            assert!(!work.is_under_way());
            work.start(move || {
                let _ = wait.recv();
                8
            });
            let timeout = Duration::from_millis(20);
            assert!(tokio::time::timeout(timeout, work.done()).await.is_err(), "it is blocked");
            assert!(work.is_under_way(), "the timeout did not lose it");
            assert!(!work.became_slow());
            work.started_at -= 2 * SLOW_AFTER;
            assert!(work.became_slow() && !work.became_slow(), "reported once");
        });
        let started = Instant::now();
        runtime.shutdown_timeout(Duration::from_millis(50));
        assert!(started.elapsed() < Duration::from_secs(10));
        drop(go);
    }
}
