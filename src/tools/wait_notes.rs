//! Notes on standard error while a tool waits. No tool is silent for longer than [`SILENCE_MAX`]. Standard output stays
//! as it is, for programs that read it.

use std::fmt::Display;
use std::io::{self, Write};
use std::pin::pin;
use std::time::Duration;

use tokio::time::sleep;

/// After this time without news, a tool prints a note.
pub(super) const SILENCE_MAX: Duration = Duration::from_millis(1_500);
/// The interval of further notes.
pub(super) const REPEAT_INTERVAL: Duration = Duration::from_secs(5);

/// Does `work`. If it takes longer than [`SILENCE_MAX`], prints the message once.
pub(super) async fn note_if_slow<T>(
    work: impl Future<Output = T>,
    message: impl FnOnce() -> String,
) -> T {
    call_if_slow(work, || print_note(message())).await
}

/// Does `work`. If it takes longer than [`SILENCE_MAX`], calls `on_delay` once.
pub(super) async fn call_if_slow<T>(work: impl Future<Output = T>, on_delay: impl FnOnce()) -> T {
    call_after(SILENCE_MAX, work, on_delay).await
}

async fn call_after<T>(
    time: Duration,
    work: impl Future<Output = T>,
    on_delay: impl FnOnce(),
) -> T {
    let mut work = pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return done,
        () = sleep(time) => on_delay(),
    }
    work.await
}

/// Prints a line on standard error.
pub(super) fn print_note(line: impl Display) {
    // Fails only if stderr is closed; then there is nowhere to report it.
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::ready;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn only_slow_work_gets_a_note() {
        let notes = Cell::new(0);
        let noted = Notify::new();
        let count_note = || {
            notes.set(notes.get() + 1);
            noted.notify_one();
        };
        assert_eq!((call_after(Duration::ZERO, ready(7), count_note).await, notes.get()), (7, 0));
        call_after(Duration::ZERO, noted.notified(), count_note).await;
        assert_eq!(notes.get(), 1);
    }
}
