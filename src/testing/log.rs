//! What is logged on the thread of a test.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tracing::field::Field;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing::{Dispatch, Event, Metadata, Subscriber};

/// Keeps every log line enabled for the subscribers that tests install for their own threads. Call it before that.
///
/// With one subscriber, tracing asks only the thread that first reaches a line whether the line is enabled, and a test
/// without a subscriber would disable it for all threads. With two subscribers that stay, tracing asks all of them.
pub(crate) fn enable_every_line() {
    static SUBSCRIBERS: OnceLock<[Dispatch; 2]> = OnceLock::new();
    SUBSCRIBERS
        .get_or_init(|| [Dispatch::new(NoSubscriber::new()), Dispatch::new(NoSubscriber::new())]);
}

/// The events of this thread until this is dropped, a line each: the level, then `name=value` for each field.
#[derive(Debug)]
pub(crate) struct Log {
    lines: Arc<Mutex<String>>,
    _guard: DefaultGuard,
}

impl Log {
    pub(crate) fn of_this_thread() -> Self {
        enable_every_line();
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
