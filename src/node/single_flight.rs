//! Work that may block for ever, such as a look at a file on a mount that hangs: it runs beside the packets, one piece
//! at a time, and nothing waits for it but what wants its result. At the end of the process it is left behind: the
//! commands end their runtime with a time limit.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

/// Work that takes longer than this is told of, once.
const SLOW: Duration = Duration::from_secs(5);

/// What a blocked terminal or file has at the end of a command.
const LEAVE_WITHIN: Duration = Duration::from_millis(500);

/// Does the last work of a command, such as writing to a terminal, but does not wait for it for ever: a terminal that is
/// paused (Ctrl-S) takes nothing.
pub fn patiently<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) {
    let (done, is_done) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("last-words".to_owned());
    let started = thread.spawn(move || done.send(work()));
    if started.is_ok() {
        // Late: the thread is left behind, and the process ends.
        let _ = is_done.recv_timeout(LEAVE_WITHIN);
    }
}

/// At most one piece of work under way.
#[derive(Debug)]
pub struct SingleFlight<T> {
    task: Option<JoinHandle<T>>,
    began: Instant,
    told: bool,
}

impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        Self { task: None, began: Instant::now(), told: false }
    }
}

impl<T: Send + 'static> SingleFlight<T> {
    /// Begins. Only where nothing is under way.
    pub fn start(&mut self, work: impl FnOnce() -> T + Send + 'static) {
        debug_assert!(self.task.is_none(), "the former piece is under way");
        *self = Self {
            task: Some(tokio::task::spawn_blocking(work)),
            began: Instant::now(),
            told: false,
        };
    }

    /// Something was begun and has not been taken from [`SingleFlight::done`].
    pub fn is_under_way(&self) -> bool {
        self.task.is_some()
    }

    /// Whether the work under way has become slow, since this was asked last.
    pub fn became_slow(&mut self) -> bool {
        let slow = self.task.as_ref().is_some_and(|task| !task.is_finished())
            && self.began.elapsed() > SLOW;
        slow && !std::mem::replace(&mut self.told, true)
    }

    /// The result, once there is one. Cancel safe. Work that panicked has none: the panic hook has logged it.
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
    fn blocked_work_holds_up_neither_the_loop_nor_the_end() {
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
            let patience = Duration::from_millis(20);
            assert!(tokio::time::timeout(patience, work.done()).await.is_err(), "it waits");
            assert!(work.is_under_way(), "and was not lost by that");
            assert!(!work.became_slow());
            work.began -= 2 * SLOW;
            assert!(work.became_slow() && !work.became_slow(), "told once");
        });
        let began = Instant::now();
        runtime.shutdown_timeout(Duration::from_millis(50));
        assert!(began.elapsed() < Duration::from_secs(10));
        drop(go);
    }
}
