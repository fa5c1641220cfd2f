//! What tests of several rooms share.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tracing::field::Field;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing::{Dispatch, Event, Metadata, Subscriber};

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

/// What is logged on the thread of a test while this lives: a line per event, its level first, then `name=value` for each
/// field.
#[derive(Debug)]
pub(crate) struct Log {
    lines: Arc<Mutex<String>>,
    _guard: DefaultGuard,
}

impl Log {
    pub(crate) fn of_this_thread() -> Self {
        hear_every_line();
        let lines = Arc::default();
        let _guard = tracing::subscriber::set_default(Lines(Arc::clone(&lines)));
        Self { lines, _guard }
    }

    pub(crate) fn text(&self) -> String {
        self.lines.lock().clone()
    }
}

struct Lines(Arc<Mutex<String>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut lines = self.0.lock();
        lines.push_str(event.metadata().level().as_str());
        event.record(&mut |field: &Field, value: &dyn std::fmt::Debug| {
            lines.push_str(&format!(" {field}={value:?}"));
        });
        lines.push('\n');
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
