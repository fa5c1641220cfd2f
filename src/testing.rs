//! What tests of several rooms share.

use std::sync::OnceLock;

use tracing::Dispatch;
use tracing::subscriber::NoSubscriber;

/// Makes every log line audible to a subscriber that a test installs for its own thread. To be called before that.
///
/// While a process has at most one subscriber, tracing asks that of the thread which first comes by a line whether the
/// line will ever be wanted, and remembers the answer for all threads. A test beside this one, without a subscriber,
/// would so switch lines off. With two subscribers that last, all of them are asked.
pub(crate) fn hear_every_line() {
    static LASTING: OnceLock<[Dispatch; 2]> = OnceLock::new();
    LASTING
        .get_or_init(|| [Dispatch::new(NoSubscriber::new()), Dispatch::new(NoSubscriber::new())]);
}
