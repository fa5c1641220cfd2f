//! The story of a run: what happened, step by step, with the world's time.

use std::fmt::{Debug, Write};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

#[derive(Debug)]
struct Book {
    began: Instant,
    text: String,
}

/// What happened so far. Clones are the same.
#[derive(Clone, Debug)]
pub struct Story {
    book: Option<Arc<Mutex<Book>>>,
    has_details: bool,
}

impl Story {
    /// `is_kept`: without it, nothing is written. `has_details`: with each step of the network.
    pub fn new(is_kept: bool, has_details: bool) -> Self {
        let book = Book { began: Instant::now(), text: String::new() };
        Self { book: is_kept.then(|| Arc::new(Mutex::new(book))), has_details }
    }

    /// The same story, for what only people who look closely want to know.
    pub fn details(&self) -> Self {
        let book = self.book.clone().filter(|_| self.has_details);
        Self { book, has_details: self.has_details }
    }

    /// Writes a line.
    pub fn tell(&self, text: impl FnOnce() -> String) {
        let Some(book) = &self.book else { return };
        let text = text();
        let mut book = book.lock();
        let at = book.began.elapsed().as_millis();
        let _ = writeln!(book.text, "{:>4}.{:03} {text}", at / 1000, at % 1000);
    }

    /// Runs something, and writes the log lines of its nodes into the story.
    pub fn with_logs<T>(&self, run: impl FnOnce() -> T) -> T {
        let lines = LogLines(self.clone()).with_filter(LevelFilter::INFO);
        tracing::subscriber::with_default(Registry::default().with(lines), run)
    }

    pub fn text(&self) -> String {
        self.book.as_ref().map(|book| book.lock().text.clone()).unwrap_or_default()
    }
}

/// Writes each log line into a story.
struct LogLines(Story);

/// The name of a node, from its span.
struct NodeName(String);

#[derive(Default)]
struct LineText {
    message: String,
    fields: String,
}

impl Visit for LineText {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "suppressed" => {}
            name => {
                let _ = write!(self.fields, " {name}={value:?}");
            }
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut text = LineText::default();
        attributes.record(&mut text);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(NodeName(text.fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut text = LineText::default();
        event.record(&mut text);
        let node = context.event_scope(event).and_then(|mut spans| {
            spans.find_map(|span| Some(span.extensions().get::<NodeName>()?.0.clone()))
        });
        let LineText { message, fields } = text;
        self.0.tell(|| format!("{} {message}{fields}", node.unwrap_or_default()));
    }
}
