//! What a tool says while it waits. No tool is silent for longer than [`SILENCE_MAX`]: it says on standard error for what it
//! waits, so that its output stays what it is for programs.

use std::fmt::Display;
use std::io::{self, Write};
use std::pin::pin;
use std::time::Duration;

use tokio::time::sleep;

/// After that time without news, the tool says for what it waits.
pub(super) const SILENCE_MAX: Duration = Duration::from_millis(1_500);
/// How often it says how it stands after that.
pub(super) const REPEAT_INTERVAL: Duration = Duration::from_secs(5);

/// Does `work`. If it takes longer than [`SILENCE_MAX`], says once what it waits for.
pub(super) async fn note_if_slow<T>(
    work: impl Future<Output = T>,
    words: impl FnOnce() -> String,
) -> T {
    call_if_slow(work, || print_note(words())).await
}

/// Does `work`. If it takes longer than [`SILENCE_MAX`], calls `say` once.
pub(super) async fn call_if_slow<T>(work: impl Future<Output = T>, say: impl FnOnce()) -> T {
    call_after(SILENCE_MAX, work, say).await
}

async fn call_after<T>(time: Duration, work: impl Future<Output = T>, say: impl FnOnce()) -> T {
    let mut work = pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return done,
        () = sleep(time) => say(),
    }
    work.await
}

/// A line on standard error.
pub(super) fn print_note(words: impl Display) {
    // If it cannot be written there is no place to say so.
    let _ = writeln!(io::stderr(), "{words}");
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::ready;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn only_what_takes_long_is_spoken_of() {
        let said = Cell::new(0);
        let goes_on = Notify::new();
        let say = || {
            said.set(said.get() + 1);
            goes_on.notify_one();
        };
        assert_eq!((call_after(Duration::ZERO, ready(7), say).await, said.get()), (7, 0));
        // It goes on only after the words.
        call_after(Duration::ZERO, goes_on.notified(), say).await;
        assert_eq!(said.get(), 1);
    }
}
